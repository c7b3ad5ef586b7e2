"""One case of the phantom cohort as files: its CT, its true lungs, and the lungs that thresholding finds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from COVIDMTLLib.imaging.io import writer
from COVIDMTLLib.phantom import Phantom, thorax
from COVIDMTLLib.segmentation.classical import segment_classical
from COVIDMTLLib.utils import atomic_files

FOLDERS = {"ct": "ct", "lungs": "lungs", "initial": "initial_lungs"}
"""Where the files of a case lie in the folder of a cohort."""


def make(case: Mapping[str, Any], spacing: float) -> Phantom:
    """The thorax of a row of the case table at an isotropic spacing in mm."""
    return thorax(
        case["anatomy"],
        ground_glass=case["ground_glass"],
        consolidation=case["consolidation"],
        pattern="lobar" if case["kind"] == "bacterial" else "peripheral",
        lean=case["lean"],
        spacing=(spacing,) * 3,
        size=case["size"],
        offset=(case["offset_x"], case["offset_y"], case["offset_z"]),
    )


def path(folder: Path, what: str, case: str) -> Path:
    """Of a file of a case; `what` is one of `FOLDERS`."""
    return folder / FOLDERS[what] / f"{case}.nrrd"


def write(case: Mapping[str, Any], spacing: float, folder: Path) -> None:
    """Write the files of a case into the folder of its cohort; if all are there they are kept.

    Where thresholding finds no lungs at all, there is no file of those that it found.
    """
    if all(path(folder, what, case["case"]).is_file() for what in FOLDERS):
        return
    phantom = make(case, spacing)
    volumes = {"ct": phantom.ct, "lungs": phantom.lungs}
    found = segment_classical(phantom.ct.array)
    if found.any():
        volumes["initial"] = phantom.ct.with_array(found.astype(np.uint8))
    for what, volume in volumes.items():
        file = path(folder, what, case["case"])
        with atomic_files.staged_folder(file.parent) as staged:
            writer.write_volume(volume, staged / file.name)
