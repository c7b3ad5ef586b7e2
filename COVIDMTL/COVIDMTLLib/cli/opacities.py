"""The command ``covid-mtl opacities``: the opacities of a CT as a mask and as measures."""

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
    add_grid(parser)
    add_progress(parser)


def opacities(options: argparse.Namespace) -> None:
    """Run the command."""
    writer.check_mask_format(options.out)
    if writer.is_dicom(options.out):
        raise InputError("Opacities are not written as DICOM; use .nrrd, .nii.gz or .mha.")
    inputs = (options.ct, options.lungs, options.corrected)
    atomic_files.check_apart(options.out, *inputs, options.measures)
    if options.measures:
        atomic_files.check_apart(options.measures, *inputs)
    written = [path for path in (options.out, options.measures) if path is not None]
    existing_files.check_not_ct(written, options.ct)
    for path in written:
        existing_files.check_replaceable(path)
    measures_file = atomic_files.staged_file(options.measures) if options.measures else nullcontext()
    with console.progress(options.progress) as progress:
        with atomic_files.staged_file(options.out) as path, measures_file as measures_path:
            found = run_supervised(
                jobs.opacities,
                options.ct,
                path,
                jobs.OpacityOptions(options.lungs, options.corrected, options.series, options.grid, options.name),
                progress=progress,
            )
            if measures_path:
                measures_path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        progress("done", 1.0, "Done")
    if options.progress != "json":
        print(in_words(found))
    for warning in found["warnings"]:
        print(f"Warning: {warning}", file=sys.stderr)
