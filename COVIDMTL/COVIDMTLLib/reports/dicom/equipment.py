"""What an export says of the program that made it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...utils.version import __version__

if TYPE_CHECKING:
    from pydicom import Dataset

NAME, MAKER = "covid-mtl", "COVID-MTL"


def equipment(series_number: int, made: datetime) -> dict[str, Any]:
    """What highdicom is told of the equipment, the series and the time of an export."""
    return {
        "manufacturer": MAKER,
        "manufacturer_model_name": NAME,
        "software_versions": __version__,
        "device_serial_number": "none",  # which the standard does not allow to be empty
        "series_number": series_number,
        "instance_number": 1,
        "content_date": made.date(),
        "content_time": made.time().replace(microsecond=0),
    }


def write(export: Dataset, path: Path) -> None:
    """Write an export, which highdicom has stamped with the time of the call, as made when its content was."""
    export.SpecificCharacterSet = "ISO_IR 192"  # which highdicom takes as an option from 0.28 on; Slicer has 0.27
    export.InstanceCreationDate, export.InstanceCreationTime = export.ContentDate, export.ContentTime
    for one in export.ContributingEquipmentSequence:
        one.ContributionDateTime = f"{export.ContentDate}{export.ContentTime}"
    export.save_as(path, enforce_file_format=True)
