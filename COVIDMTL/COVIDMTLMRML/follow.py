"""Comparison of CTs of the scene that are of one patient: ``covid-mtl follow`` on nodes, into a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import slicer
from COVIDMTLLib.follow.job import FOLLOW
from COVIDMTLLib.follow.origin import header_of, origin_of, read_date
from COVIDMTLLib.imaging.ct_checks import check_ct
from COVIDMTLLib.imaging.io.writer import write_volume

from .exports import INSTANCES, came_from_dicom
from .results import SEGMENTATION, part_of
from .runs import Job
from .segmentations import sides_of
from .volumes import volume_of

NOT_GIVEN = "-"
"""What stands in the command for what is not given of a CT."""


def date_of(ct: slicer.vtkMRMLScalarVolumeNode) -> str:
    """When a CT was made, by the DICOM files that it was loaded from; empty if that is not known."""
    file = _file_of(ct)
    made = origin_of(file).made if file else None
    return made.isoformat(timespec="minutes").removesuffix("T00:00") if made else ""


def _file_of(ct: slicer.vtkMRMLScalarVolumeNode) -> Path | None:
    """The DICOM file of a slice of a CT, if it came from DICOM and the database still has it."""
    if not came_from_dicom(ct):
        return None
    file = slicer.app.dicomDatabase().fileForInstance(ct.GetAttribute(INSTANCES).split()[0])
    return Path(file) if file and Path(file).is_file() else None


class FollowRun(Job):
    """Comparison of CTs. Lungs that were found in a CT, and corrected, are taken; others are found.

    Parameters
    ----------
    cts : mapping
        When each CT (vtkMRMLScalarVolumeNode) was made, as `origin.read_date` reads it; empty for no date, or that of
        its DICOM files.
    out : path
        Folder for the results.

    Raises
    ------
    InputError
        If a CT or a date cannot be used.
    """

    def __init__(self, cts: Mapping[slicer.vtkMRMLScalarVolumeNode, str], out: str | Path):
        self._cts, self.out = dict(cts), Path(out)
        super().__init__()

    def _prepare(self) -> None:
        self._files, self._masks, self._dates = [], [], []
        for number, (ct, date) in enumerate(self._cts.items(), 1):
            self._dates.append(read_date(date).isoformat() if date.strip() else NOT_GIVEN)
            volume, file = volume_of(ct), _file_of(ct)
            check_ct(volume, ct.GetName())
            self._files.append(self.folder / f"ct{number}.nrrd")
            write_volume(volume, self._files[-1], compress=False, header=header_of(file) if file else None)
            lungs = part_of(ct, SEGMENTATION)
            self._masks.append(self.folder / f"lungs{number}.nrrd" if lungs else NOT_GIVEN)
            if lungs:
                write_volume(sides_of(lungs, ct), self._masks[-1])

    def _arguments(self) -> list[object]:
        # A name may begin with a hyphen, which a blank before it keeps from being an option.
        names = [f" {ct.GetName()}" for ct in self._cts]
        options = ["--names", *names, "--dates", *self._dates, "--lungs", *self._masks, f"--out={self.out}"]
        return ["follow", *self._files, *options]

    def finish(self) -> dict[str, Any]:
        """What ``follow.json`` holds; the comparison is over."""
        self._temporary.cleanup()
        return json.loads((self.out / FOLLOW).read_text(encoding="utf-8"))
