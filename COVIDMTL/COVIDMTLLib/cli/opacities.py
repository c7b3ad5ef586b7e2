"""The command ``covid-mtl opacities``: the opacities of a CT as a mask and as measures, and its vessels."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path

from ..assessment import existing_files, jobs
from ..imaging.io import writer
from ..opacities.wording import in_words
from ..processes.cancellation import run_supervised
from ..utils import atomic_files
from ..utils.errors import InputError
from . import console
from .options import SERIES_HELP, add_grid, add_progress

HELP = "find and measure the opacities of the lungs: 1 ground glass, 2 consolidation"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument("ct", type=Path, metavar="CT", help="chest CT, as for assess")
    parser.add_argument("--out", type=Path, metavar="MASK", required=True, help="mask to write, such as opacities.nrrd")
    parser.add_argument("--lungs", type=Path, metavar="MASK", help="lung mask of any program; found if left out")
    parser.add_argument(
        "--corrected", type=Path, metavar="MASK", help="opacities corrected by hand, which are measured as they are"
    )
    parser.add_argument("--series", metavar="UID", help=SERIES_HELP)
    parser.add_argument("--name", metavar="TEXT", help="what to call the CT in messages; its file name if left out")
    parser.add_argument(
        "--measures",
        type=Path,
        metavar="JSON",
        help="file to write with volumes, shares of the lungs, zones and scores, each with an interval, and warnings",
    )
    parser.add_argument("--vessels", type=Path, metavar="MASK", help="mask to write with the vessels of the lungs")
    add_grid(parser)
    add_progress(parser)


def opacities(options: argparse.Namespace) -> None:
    """Run the command."""
    for path in filter(None, (options.out, options.vessels)):
        writer.check_mask_format(path)
        if writer.is_dicom(path):
            raise InputError("Opacities and vessels are not written as DICOM; use .nrrd, .nii.gz or .mha.")
    given = (options.ct, options.lungs, options.corrected)
    written = [path for path in (options.out, options.vessels, options.measures) if path is not None]
    for number, path in enumerate(written, 1):
        atomic_files.check_apart(path, *given, *written[number:])
    existing_files.check_outputs(options.ct, *written)
    vessels_file, measures_file = (
        atomic_files.staged_file(path) if path else nullcontext() for path in (options.vessels, options.measures)
    )
    with console.progress(options.progress) as progress:
        with (
            atomic_files.staged_file(options.out) as path,
            vessels_file as vessels_path,
            measures_file as measures_path,
        ):
            found = run_supervised(
                jobs.opacities,
                options.ct,
                path,
                jobs.OpacityOptions(*given[1:], options.series, options.grid, options.name, vessels_path),
                progress=progress,
            )
            if measures_path:
                measures_path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        progress("done", 1.0, "Done")
    if options.progress != "json":
        print(in_words(found))
        if "vessels_ml" in found:
            print(f"Vessels {found['vessels_ml']:.0f} ml")
    for warning in found["warnings"]:
        print(f"Warning: {warning}", file=sys.stderr)
