"""The series that a CT was read from, as far as an export needs its headers."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...imaging.dicom.headers import is_dicom_file, read_slices
from ...utils.errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

    from ...imaging.io.reader import Study
    from ...imaging.volume import Geometry

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/guoqingbao/COVID-MTL")

NEEDED = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"),
    *("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"),
)
"""Without these no export can be made."""

GEOMETRY = ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness")
"""What files of many frames have in the groups of each."""

CARRIED = (
    *NEEDED,
    *("FrameOfReferenceUID", "SliceThickness", "NumberOfFrames"),
    *("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"),
)
"""All that is ever read of a slice unless identity is asked for: nothing but these can get into an export."""

SHARED = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Rows", "Columns")
"""What all slices of an export's series have in common."""

IDENTITY_GROUPS = (0x0008, 0x0010, 0x0012, 0x0020, 0x0032, 0x0038, 0x0040)
"""Of tags, in which the attributes of patients and studies are; private ones are in none of them."""

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
        For each slice, in the order of the array, `CARRIED`, and nothing of the patient; of a file of many frames, one
        that says where they lie.
    identity : Dataset or None
        The header of a slice with everything, if identity is to be carried.
    frames : list of int, optional
        Of a file of many frames, which of them each slice of the array is.
    """

    slices: list[Dataset]
    identity: Dataset | None
    frames: Sequence[int] | None = None

    @property
    def series(self) -> str:
        """The SeriesInstanceUID."""
        return self.slices[0].SeriesInstanceUID

    def as_stored(self, array: np.ndarray) -> np.ndarray:
        """An array (z, y, x) of all slices, with those of a file of many frames in the order of its frames."""
        if self.frames is None:
            return array
        stored = np.zeros((self.slices[0].NumberOfFrames, *array.shape[1:]), array.dtype)
        stored[list(self.frames)] = array
        return stored

    def on(self, grid: Geometry, name: str) -> Source:
        """The same series, its slices in the order of a grid on which they lie; ``name`` is what messages call the CT.

        Raises
        ------
        InputError
            If the slices are not those of the grid, as of a CT that was cropped, resampled or moved.
        """
        numbers = [_number_on(grid, one) for one in self.slices]
        if sorted(numbers) != list(range(grid.size[2])):
            raise InputError(
                f"{name} does not lie on its DICOM slices, as if it was cropped, resampled or moved; load the series "
                "again and assess it."
            )
        return replace(self, slices=[self.slices[index] for index in np.argsort(numbers)])

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
    headers = [_header(file, name, list(CARRIED)) for file in files]
    for header in headers:
        if int(header.get("NumberOfFrames") or 1) > 1:
            raise InputError(f"{name} is one file of many slices; a DICOM export needs a series of single slices.")
    _check_needed(headers, name)
    for header in headers:
        differing = [keyword for keyword in SHARED if header.get(keyword) != headers[0].get(keyword)]
        if differing:
            raise InputError(f"The slices of {name} differ in {differing[0]}; a DICOM export needs a single series.")
    identity = _identity(files[0], name) if keep_identity else None
    return Source([_anonymous(header, spacing) for header in headers], identity)


def source_of(study: Study, name: str, keep_identity: bool = False) -> Source:
    """`read_source` of a study that was read, of single slices or of one file of many frames."""
    spacing = study.ct.geometry.spacing[2]
    if not is_dicom_file(study.files[0]):
        raise InputError(f"{name} is no DICOM, which DICOM results need; give the study with its series.")
    if study.frames is None:
        return read_source(study.files, name, spacing, keep_identity)
    if len(study.files) > 1:
        raise InputError(f"{name} is several files of many slices each; a DICOM export needs a single one.")
    header = _header(study.files[0], name, [one for one in CARRIED if one not in GEOMETRY])
    _check_needed([header], name, GEOMETRY)
    identity = _identity(study.files[0], name) if keep_identity else None
    return Source([_with_frames(_anonymous(header, spacing), study.files[0])], identity, study.frames)


def _with_frames(one: Dataset, file: Path) -> Dataset:
    """A header with the functional groups of where the frames of a file lie, and nothing else of them."""
    from pydicom import Dataset

    slices = read_slices(file)
    spacing, axes = slices[0].spacing, slices[0].axes
    assert spacing is not None and axes is not None, "frames that make a volume are placed"
    measures, plane = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(spacing), one.SliceThickness
    del one.SliceThickness
    plane.ImageOrientationPatient = axes.ravel().tolist()
    shared = Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    one.SharedFunctionalGroupsSequence, one.PerFrameFunctionalGroupsSequence = [shared], []
    for frame in slices:
        assert frame.position is not None, "as above"
        place, groups = Dataset(), Dataset()
        place.ImagePositionPatient = frame.position.tolist()
        groups.PlanePositionSequence = [place]
        one.PerFrameFunctionalGroupsSequence.append(groups)
    return one


def _number_on(grid: Geometry, one: Dataset) -> int:
    """The number of a slice along the third axis of a grid; -1 if it is none of the grid's."""
    index = grid.index_of([float(value) for value in one.ImagePositionPatient])
    nearest = np.rint(index)
    rows_and_columns = np.reshape([float(value) for value in one.ImageOrientationPatient], (2, 3))
    fits = (
        (one.Columns, one.Rows) == tuple(grid.size[:2])
        and np.allclose([float(value) for value in one.PixelSpacing][::-1], grid.spacing[:2], rtol=1e-3)
        and np.allclose(rows_and_columns, grid.axes.T[:2], atol=1e-3)
        and not nearest[:2].any()
        and np.abs(index - nearest).max() < 0.25
    )
    return int(nearest[2]) if fits else -1


def _check_needed(headers: Sequence[Dataset], name: str, but: Sequence[str] = ()) -> None:
    for header in headers:
        missing = [keyword for keyword in NEEDED if keyword not in but and not _holds(header, keyword)]
        if missing:
            raise InputError(f"The slices of {name} lack {missing[0]} in their headers; a DICOM export needs it.")


def _identity(file: Path, name: str) -> Dataset:
    from pydicom.datadict import DicomDictionary

    return _header(file, name, [tag for tag in DicomDictionary if tag >> 16 in IDENTITY_GROUPS])


def _header(file: Path, name: str, tags: list[str] | list[int]) -> Dataset:
    """Some attributes of a file, its texts decoded."""
    import pydicom

    header = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=tags)
    try:
        header.decode()
    except ValueError as error:
        raise InputError(
            f"The header of a slice of {name} is damaged ({error}); export the series again or leave out DICOM results."
        ) from error
    return header


def _holds(header: Dataset, keyword: str) -> bool:
    """Whether a header holds an attribute, and numbers where there have to be some: pydicom leaves others a text."""
    if header.get(keyword) in (None, ""):
        return False
    values = header[keyword].value if header[keyword].VM > 1 else [header[keyword].value]
    return header[keyword].VR != "DS" or all(isinstance(value, Number) for value in values)


def _anonymous(header: Dataset, spacing: float) -> Dataset:
    from highdicom import UID
    from pydicom import Dataset

    one = Dataset()
    one.Modality = "CT"
    for keyword in CARRIED:
        if _holds(header, keyword):
            one.add(header[keyword])
    for keyword in EMPTY:
        setattr(one, keyword, None)
    one.PatientID = f"ANON-{hashlib.sha256(one.StudyInstanceUID.encode()).hexdigest()[:12].upper()}"
    one.PatientName = f"{one.PatientID}^"  # a name of one part
    if not one.get("SliceThickness", 0) > 0:
        one.SliceThickness = round(spacing, 6)
    if "FrameOfReferenceUID" not in one:
        one.FrameOfReferenceUID = UID.from_uuid(str(uuid.uuid5(NAMESPACE, one.SeriesInstanceUID)))
    return one
