"""The files that an assessment is written to."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from .volume import linear_on
from .writing import write_volume

if TYPE_CHECKING:
    from .assessment import Assessment


def write_files(assessment: Assessment, folder: Path, grid: str) -> None:
    """Write all files of an assessment but ``assessment.json``, which holds the time that this takes.

    Parameters
    ----------
    assessment : Assessment
    folder : Path
        Where to.
    grid : {"ct", "working"}
        Geometry of ``lungs.nrrd``.
    """
    from .report import write_report

    if assessment.features:
        write_features(assessment.features, folder / "features.csv")
    for task, volume in assessment.attention.items():
        write_volume(linear_on(volume, assessment.ct_geometry), folder / f"attention_{task}.nrrd")
    write_volume(assessment.lungs, folder / "lungs.nrrd", assessment.ct_geometry if grid == "ct" else None)
    write_report(assessment, folder / "report.html")


def write_features(features: dict[str, float], path: str | Path) -> None:
    """Write features as CSV: a row of names and a row of values, which survive the round trip as float64."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(features)
        writer.writerow(map(repr, features.values()))
