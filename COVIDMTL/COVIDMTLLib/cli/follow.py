"""The command ``covid-mtl follow``: several CTs of one patient in time."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..assessment import existing_files
from ..follow.job import FOLLOW, check_cts, follow
from ..follow.origin import read_date
from ..follow.scans import sources
from ..follow.wording import in_words
from ..processes.cancellation import run_supervised
from ..utils import atomic_files
from ..utils.errors import InputError
from ..utils.version import RESEARCH_USE_ONLY
from . import console
from .options import add_progress

HELP = "compare CTs of one patient in time: lungs, opacities, zone scores, and what changed beyond the measurement"

LEFT_OUT = "-"
"""Stands for what is not given of a CT."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument("cts", type=Path, nargs="+", metavar="CT", help="two or more chest CTs, each as for assess")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the results")
    parser.add_argument(
        "--dates",
        nargs="+",
        metavar="DATE",
        help="when the CTs were made, one for each, such as 2020-02-29 or 2020-02-29T10:30; - for what the DICOM files "
        "say, which is taken if left out. Without dates the CTs are in the order given",
    )
    parser.add_argument(
        "--lungs", nargs="+", metavar="MASK", help="lung masks of any program, one for each CT; - for one to be found"
    )
    parser.add_argument(
        "--series",
        nargs="+",
        metavar="UID",
        help="series of DICOM studies, one for each CT; - for the program's choice",
    )
    parser.add_argument("--names", nargs="+", metavar="TEXT", help="what to call the CTs; their file names if left out")
    parser.add_argument(
        "--volumes", action="store_true", help="write each later CT on the grid of the first, as registered_2.nrrd"
    )
    add_progress(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    cts = options.cts
    check_cts(cts, options.out)
    lungs = _for_each(options.lungs, "--lungs", len(cts), Path)
    series = _for_each(options.series, "--series", len(cts), str)
    dates = _for_each(options.dates, "--dates", len(cts), read_date)
    if options.names and len(options.names) != len(cts):
        raise InputError(f"--names has {len(options.names)} names for {len(cts)} CTs; give one for each.")
    kept = {}

    def keep(folder: Path) -> None:
        kept.update(existing_files.keep_others(options.out, folder, given=[*cts, *lungs], record=FOLLOW))

    with console.progress(options.progress) as progress:
        with atomic_files.staged_folder(options.out, keep) as folder:
            given = sources(cts, lungs, series, dates, options.names)
            result = run_supervised(follow, given, folder, options.volumes, progress=progress)
        progress("done", 1.0, "Done")
    if options.progress != "json":
        print(in_words(result))
        print(f"Page: {options.out / 'follow.html'}\n{RESEARCH_USE_ONLY}")
    for warning in result["warnings"]:
        print(f"Warning: {warning}", file=sys.stderr)
    for name, other in kept.items():
        print(f"{name}, which was in {options.out} before, is kept there as {other}.", file=sys.stderr)


def _for_each(given: list[str] | None, option: str, count: int, read: Callable[[str], Any]) -> list[Any]:
    """What an option says of each CT, read, or None."""
    if given is None:
        return [None] * count
    if len(given) != count:
        raise InputError(f"{option} has {len(given)} for {count} CTs; give one for each, and - for what is left out.")
    return [None if one == LEFT_OUT else read(one) for one in given]
