"""The series that a CT was read from, as far as an export needs its headers."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/guoqingbao/COVID-MTL")

NEEDED = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"),
)
"""Without these no export can be made."""

CARRIED = (
    *NEEDED,
    *("FrameOfReferenceUID", "SliceThickness", "SpacingBetweenSlices"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
"""All that is ever read of a slice unless identity is asked for: nothing but these can get into an export."""

EMPTY = (
    *("PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"),
    *("ReferringPhysicianName", "PositionReferenceIndicator"),
)
"""What the standard wants to be there, and allows to be empty."""


@dataclass(frozen=True)
class Source:
    """A series of CT slices.

    Attributes
    ----------
    slices : list of Dataset
        For each slice, in the order of the array, `CARRIED`, and nothing of the patient.
    identity : Dataset or None
        The header of a slice with everything, if identity is to be carried.
    """

    slices: list[Dataset]
    identity: Dataset | None

    @property
    def series(self) -> str:
        """The SeriesInstanceUID."""
        return self.slices[0].SeriesInstanceUID

    def uid(self, *parts: str) -> str:
        """A UID for something made of this series: the same parts give the same one."""
        from highdicom import UID

        text = "\n".join([self.series, *(one.SOPInstanceUID for one in self.slices), *parts])
        return UID.from_uuid(str(uuid.uuid5(NAMESPACE, text)))

    def identify(self, export: Dataset) -> None:
        """Write into an export whom it is of: patient and study as the series has them, or that they were left out."""
        if self.identity is not None:
            for name in ("PatientID", "PatientName"):
                export[name].value = None  # where the series has none
            export.copy_patient_and_study_information(self.identity)
        else:
            export.PatientIdentityRemoved = "YES"
            export.DeidentificationMethod = "Patient and study left out, UIDs kept"


def read_source(files: Sequence[Path], name: str, spacing: float, keep_identity: bool = False) -> Source:
    """Read the headers of a series.

    The name and ID of the patient are made up of the study's UID, which the export holds anyway: with none, or the
    same for all, archives would take the results of different patients for those of one.

    Parameters
    ----------
    files : sequence of Path
        The slices in the order of the array.
    name : str
        What to call the series in a sentence.
    spacing : float
        Distance of slices in mm, for series that do not say how thick they are.
    keep_identity : bool
        Carry patient and study.

    Raises
    ------
    InputError
        If the series is no stack of single slices, or its headers lack what an export needs.
    """
    import pydicom

    slices = []
    for file in files:
        header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=[*CARRIED, "NumberOfFrames"])
        if int(header.get("NumberOfFrames") or 1) > 1:
            raise InputError(f"{name} is one file of many slices; a DICOM export needs a series of single slices.")
        missing = [keyword for keyword in NEEDED if header.get(keyword) in (None, "")]
        if missing:
            raise InputError(f"The slices of {name} lack {missing[0]} in their headers; a DICOM export needs it.")
        slices.append(_anonymous(header, spacing))
    identity = None
    if keep_identity:
        identity = pydicom.dcmread(files[0], stop_before_pixels=True, force=True)
        identity.decode()
    return Source(slices, identity)


def _anonymous(header: Dataset, spacing: float) -> Dataset:
    from highdicom import UID
    from pydicom import Dataset

    one = Dataset()
    one.Modality = "CT"
    for keyword in CARRIED:
        if header.get(keyword) not in (None, ""):
            one.add(header[keyword])
    for keyword in EMPTY:
        setattr(one, keyword, None)
    one.PatientID = f"ANON-{hashlib.sha256(one.StudyInstanceUID.encode()).hexdigest()[:12].upper()}"
    one.PatientName = f"{one.PatientID}^"  # a name of one part
    if "SliceThickness" not in one:
        one.SliceThickness = round(spacing, 6)
    if "FrameOfReferenceUID" not in one:
        one.FrameOfReferenceUID = UID.from_uuid(str(uuid.uuid5(NAMESPACE, one.SeriesInstanceUID)))
    return one
