"""The files that an assessment is written to."""

from __future__ import annotations

import csv
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..imaging.io.writer import write_volume
from ..imaging.volume import labels_on, linear_on

if TYPE_CHECKING:
    from ..reports.dicom import Source
    from ..results.assessment import Assessment


def write_files(assessment: Assessment, folder: Path, grid: str, source: Source | None = None) -> None:
    """Write all files of an assessment but ``assessment.json``, which holds the time that this takes.

    Parameters
    ----------
    assessment : Assessment
    folder : Path
        Where to.
    grid : {"ct", "working"}
        Geometry of ``lungs.nrrd`` and ``opacities.nrrd``.
    source : Source, optional
        The DICOM series that the CT was read from, if there are to be DICOM files.
    """
    from ..reports.html import write_report

    if assessment.features:
        write_features(assessment.features, folder / "features.csv")
    for task, volume in assessment.attention.items():
        write_volume(linear_on(volume, assessment.ct_geometry), folder / f"attention_{task}.nrrd")
    target = assessment.ct_geometry if grid == "ct" else None
    write_volume(assessment.lungs, folder / "lungs.nrrd", target)
    write_volume(assessment.opacities, folder / "opacities.nrrd", target)
    write_report(assessment, folder / "report.html")
    if source is not None:
        _write_dicom(assessment, folder, source)


def _write_dicom(assessment: Assessment, folder: Path, source: Source) -> None:
    from ..reports import dicom

    made, origin = datetime.now(), assessment.result["lungs"]["source"]
    labels, opacities = (
        labels_on(one, assessment.ct_geometry).array for one in (assessment.lungs, assessment.opacities)
    )
    lungs = dicom.write_segmentation(labels, source, origin, folder / "lungs.dcm", made)
    found = dicom.write_opacities(opacities, source, False, folder / "opacities.dcm", made)
    dicom.write_report(assessment.result, lungs, source, folder / "assessment.dcm", made, found)


def write_features(features: dict[str, float], path: str | Path) -> None:
    """Write features as CSV: a row of names and a row of values, which survive the round trip as float64."""
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(features)
        writer.writerow(map(repr, features.values()))
