"""The command ``covid-mtl export-dicom``: DICOM results of an assessment that is there already."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..assessment import existing_files
from ..imaging.io.reader import read_mask
from ..imaging.volume import Volume
from ..opacities import corrected_opacities
from ..processes.cancellation import run_supervised
from ..reports.dicom import MODULES, Source, read_source, write_opacities, write_report, write_segmentation
from ..reports.dicom.structured_report import REPORTED
from ..utils import atomic_files
from ..utils.errors import InputError
from ..utils.optional_imports import require
from ..utils.progress import Callback, Steps
from . import console
from .options import add_identity, add_progress

if TYPE_CHECKING:
    from highdicom.seg import Segmentation

HELP = "write lungs.dcm and opacities.dcm, segmentations, and assessment.dcm, a structured report, of an assessment"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="folder with assessment.json, lungs.nrrd and opacities.nrrd"
    )
    parser.add_argument(
        "--slices",
        type=Path,
        metavar="FILE",
        required=True,
        help="text: the DICOM files of the CT, a path a line",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the DICOM files")
    add_identity(parser)
    add_progress(parser)


def export_dicom(options: argparse.Namespace) -> None:
    """Write the DICOM results of an assessment."""
    try:
        slices = [Path(line) for line in options.slices.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise InputError(f"{options.slices} cannot be read as a list of files, a path a line.") from error
    missing = [path for path in slices if not path.is_file()]
    if missing or not slices:
        raise InputError(f"The slice {missing[0]} is not there." if missing else f"{options.slices.name} is empty.")
    kept: dict[str, str] = {}

    def keep(folder: Path) -> None:
        kept.update(existing_files.keep_others(options.out, folder, slices[0].parent))

    with console.progress(options.progress) as progress:
        with atomic_files.staged_folder(options.out, keep) as folder:
            run_supervised(write, options.results, slices, folder, options.keep_identity, progress=progress)
        progress("done", 1.0, "Done")
    for name, other in kept.items():
        print(f"{name}, which was in {options.out} before, is kept there as {other}.", file=sys.stderr)


def write(results: Path, slices: list[Path], folder: Path, keep_identity: bool, *, progress: Callback) -> None:
    """Write ``lungs.dcm``, ``opacities.dcm`` and ``assessment.dcm`` of the results of an assessment.

    Parameters
    ----------
    results : Path
        Folder with ``assessment.json`` and, on the grid of the CT, ``lungs.nrrd`` and, if the opacities
        were measured, ``opacities.nrrd``; without the latter the report alone says what they measure.
    slices : list of Path
        The DICOM files of the CT, in any order: they are found by their places.
    folder : Path
        Where to.
    keep_identity : bool
        Carry patient and study, see `reports.dicom`.
    progress : Callback

    Raises
    ------
    InputError
        If the results are no assessment, the slices are not those of the lungs, or as `read_source` does.
    """
    require("SimpleITK", *MODULES)
    steps = Steps(progress, {"read": 1, "write": 3})
    with steps.step("read", "Reading the series"):
        result, lungs = _read_result(results), read_mask(results / "lungs.nrrd")
        name = result["case"]
        if len(slices) != len(lungs.array):
            raise InputError(
                f"{name} has {len(lungs.array)} slices, and its series {_files(len(slices))}; a DICOM export needs the "
                "whole series of single slices that the CT was loaded from."
            )
        source = read_source(slices, name, lungs.geometry.spacing[2], keep_identity).on(lungs.geometry, name)
    with steps.step("write", "Writing DICOM"):
        made = datetime.now()
        segments = write_segmentation(lungs.array, source, result["lungs"]["source"], folder / "lungs.dcm", made)
        opacities = _write_opacities(result, results / "opacities.nrrd", lungs, source, folder / "opacities.dcm", made)
        write_report(result, segments, source, folder / "assessment.dcm", made, opacities)


def _write_opacities(
    result: dict[str, Any], mask: Path, lungs: Volume, source: Source, path: Path, made: datetime
) -> Segmentation | None:
    """The segmentation of the opacities; None if there is none, as of results from before there were opacities."""
    measures = result.get("opacities")
    if measures is None or not mask.is_file():
        return None
    # What was drawn beyond the lungs was not measured either.
    opacities = corrected_opacities(read_mask(mask, empty=True), lungs)
    return write_opacities(opacities.labels.array, source, measures.get("corrected", False), path, made)


def _files(number: int) -> str:
    return "1 file" if number == 1 else f"{number} files"


def _read_result(results: Path) -> dict[str, Any]:
    try:
        result = json.loads((results / "assessment.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        result = None
    if not isinstance(result, dict) or not {"case", *REPORTED} <= result.keys():
        raise InputError(f"{results} holds no assessment.json of covid-mtl; give the folder of covid-mtl assess.")
    return result
