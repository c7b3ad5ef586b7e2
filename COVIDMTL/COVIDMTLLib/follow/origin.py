"""When, on what and of whom a CT was made, as far as its files say so."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ..imaging.dicom.headers import is_dicom_file
from ..utils.errors import InputError
from ..utils.text import name_for_libraries, printable

TAGS = {
    "AcquisitionDateTime": "0008|002a",
    "AcquisitionDate": "0008|0022",
    "AcquisitionTime": "0008|0032",
    "SeriesDate": "0008|0021",
    "StudyDate": "0008|0020",
    "PatientID": "0010|0020",
    "ConvolutionKernel": "0018|1210",
    "Manufacturer": "0008|0070",
    "ManufacturerModelName": "0008|1090",
    "ContrastBolusAgent": "0018|0010",
}
"""What is read of a header, and what it is called in the headers of image files that ITK made of DICOM."""


@dataclass(frozen=True)
class Origin:
    """What is known of how a CT was made; empty, or None, is what is not.

    Attributes
    ----------
    made : datetime or None
        Date, and time if there is one, of the acquisition, or else of the series or the study.
    patient : str
        Identifier, which gets into no result.
    kernel, scanner : str
    contrast : bool or None
        Whether a contrast medium was given.
    """

    made: datetime | None = None
    patient: str = ""
    kernel: str = ""
    scanner: str = ""
    contrast: bool | None = None


def origin_of(file: Path) -> Origin:
    """What a DICOM file, or an image file with DICOM's attributes in its header, says of how it was made."""
    said = header_of(file)
    if not said:
        return Origin()
    attributes = {name: said.get(tag, "") for name, tag in TAGS.items()}
    scanner = " ".join(filter(None, (attributes["Manufacturer"], attributes["ManufacturerModelName"])))
    contrast = bool(attributes["ContrastBolusAgent"])
    return Origin(_when(attributes), attributes["PatientID"], attributes["ConvolutionKernel"], scanner, contrast)


def header_of(file: Path) -> dict[str, str]:
    """The attributes of `TAGS` that a file has, by their tags as ITK writes them into the headers of image files."""
    found = _of_dicom(file) if is_dicom_file(file) else _of_image(file)
    return {tag: text for tag, value in found.items() if (text := printable(value).strip())}


def read_date(text: str) -> datetime:
    """A date as a user gives it, ``2020-02-29``, perhaps with a time, ``2020-02-29T10:30``.

    Raises
    ------
    InputError
        If it is none.
    """
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError as error:
        raise InputError(f"{printable(text)!r} is no date; write it as year-month-day, such as 2020-02-29.") from error


def _of_dicom(file: Path) -> dict[str, str]:
    import pydicom

    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the CT has been read; of a header that is odd, what can be read will do
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=list(TAGS))
        return {tag: _text(header.get(name)) for name, tag in TAGS.items()}


def _text(value: Any) -> str:
    several = value if type(value).__name__ == "MultiValue" else [value]
    return " ".join(str(one) for one in several if one is not None)


def _of_image(file: Path) -> dict[str, str]:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(name_for_libraries(file))
    reader.ReadImageInformation()
    keys = set(reader.GetMetaDataKeys())
    return {tag: reader.GetMetaData(tag) for tag in TAGS.values() if tag in keys}


def _when(said: Mapping[str, str]) -> datetime | None:
    days = [said[name] for name in ("AcquisitionDate", "SeriesDate", "StudyDate")]
    stamps = [said["AcquisitionDateTime"][:14], *(day + said["AcquisitionTime"][:6] for day in days), *days]
    for stamp in stamps:
        for form in ("%Y%m%d%H%M%S", "%Y%m%d"):
            try:
                return datetime.strptime(stamp, form)
            except ValueError:  # not in this form, or no date at all
                continue
    return None
