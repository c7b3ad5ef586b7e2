"""The command ``covid-mtl segment``: the lungs of a CT as a mask and as measures."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import nullcontext
from pathlib import Path

from ..assessment import existing_files, jobs
from ..imaging.io import writer
from ..processes.cancellation import run_supervised
from ..segmentation.methods import DEFAULT_METHOD, METHODS, SegmentationOptions
from ..segmentation.parameters import Parameters
from ..utils import atomic_files
from ..utils.errors import InputError
from . import console
from .options import CT_HELP, SERIES_HELP, add_grid, add_identity, add_parameters, add_progress

HELP = "segment the lungs: 1 right, 2 left, 3 trachea and main bronchi"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument("ct", type=Path, metavar="CT", help=CT_HELP)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="MASK",
        required=True,
        help="mask to write, such as lungs.nrrd; as lungs.dcm a DICOM segmentation of a DICOM study",
    )
    parser.add_argument("--method", default=DEFAULT_METHOD, help=f"{', '.join(METHODS)} (default: %(default)s)")
    parser.add_argument("--initial", type=Path, metavar="MASK", help="what active-contour starts from, robust adds to")
    parser.add_argument("--series", metavar="UID", help=SERIES_HELP)
    parser.add_argument("--name", metavar="TEXT", help="what to call the CT in messages; its file name if left out")
    add_parameters(parser)
    parser.add_argument(
        "--through",
        type=float,
        nargs=3,
        metavar=("X", "Y", "Z"),
        help="preview: only the axial slice through this point (LPS, mm); the rest of the mask is 0",
    )
    parser.add_argument(
        "--airways",
        action="store_true",
        help="label the trachea and the main bronchi, too; as --lungs or --initial such a mask is of the lungs alone",
    )
    parser.add_argument(
        "--measures",
        type=Path,
        metavar="JSON",
        help="file to write with volumes, densities, the share of the boundary that the CT shows and warnings",
    )
    add_identity(parser)
    add_grid(parser)
    add_progress(parser)


def segment(options: argparse.Namespace) -> None:
    """Run the command."""
    writer.check_mask_format(options.out)
    atomic_files.check_apart(options.out, options.ct, options.initial, options.measures)
    existing_files.check_outputs(options.ct, options.out, options.measures)
    names = ("threshold", "alpha", "beta", "iterations", "closing", "truncate")
    parameters = Parameters(**{name: getattr(options, name) for name in names})
    if options.measures and options.through:
        raise InputError("Measures are of whole lungs; leave out --measures or --through.")
    if options.measures:
        atomic_files.check_apart(options.measures, options.ct, options.initial)
    measures_file = atomic_files.staged_file(options.measures) if options.measures else nullcontext()
    with console.progress(options.progress) as progress:
        with atomic_files.staged_file(options.out) as path, measures_file as measures_path:
            measures = run_supervised(
                jobs.segment,
                options.ct,
                path,
                jobs.LungOptions(
                    SegmentationOptions(options.method, parameters, options.airways, options.through),
                    options.initial,
                    options.series,
                    options.grid,
                    options.keep_identity,
                    options.name,
                ),
                progress=progress,
            )
            if measures_path:
                measures_path.write_text(json.dumps(measures, indent=2) + "\n", encoding="utf-8")
        progress("done", 1.0, "Done")
    if measures and options.progress != "json":
        print(console.lungs_line(measures))
    for warning in measures["warnings"] if measures else []:
        print(f"Warning: {warning}", file=sys.stderr)
