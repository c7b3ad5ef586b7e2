"""What the headers of DICOM slices say, as far as choosing and stacking them needs it."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...utils.errors import InputError
from ...utils.optional_imports import require
from ...utils.text import name_for_libraries
from .elements import check_elements

if TYPE_CHECKING:
    from pydicom import Dataset

GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")

KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "ImageType"),
    *("BodyPartExamined", "ConvolutionKernel", "AcquisitionNumber", "AcquisitionTime", "TemporalPositionIdentifier"),
    *("InstanceNumber", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "NumberOfFrames"),
    *("PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "RescaleSlope", "RescaleIntercept"),
    *GROUPS,
)

UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


@dataclass(frozen=True, eq=False)
class Slice:
    """What the header of one slice, or of one frame of several, says; None or empty is what it does not.

    Attributes
    ----------
    size : tuple of 2 int
        Rows and columns.
    spacing : tuple of 2 float
        Between rows and between columns in mm.
    position, axes : ndarray of shape (3,) and (2, 3)
        LPS, in mm; the axes along a row and along a column.
    rescale : tuple of 2 float
        Slope and intercept.
    acquisition, time, phase : str
        Number and time of the acquisition, and the temporal position.
    number : int
        Of the instance.
    frame : int
        Index in its file; None of a slice that is a file of its own.
    """

    path: Path
    uid: str
    sop_class: str
    series: str
    description: str
    modality: str
    image_type: tuple[str, ...]
    body_part: str
    kernel: str
    acquisition: str
    time: str
    phase: str
    number: int | None
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    position: np.ndarray | None
    axes: np.ndarray | None
    rescale: tuple[float, float] | None
    frame: int | None = None

    @property
    def normal(self) -> np.ndarray:
        """Unit vector (3,) at right angles to the slice, LPS."""
        assert self.axes is not None, "a slice that is not placed has no normal"
        return np.cross(self.axes[0], self.axes[1])

    @property
    def height(self) -> float:
        """Position along the normal of the slice in mm."""
        assert self.position is not None, "a slice that is not placed has no height"
        return float(self.position @ self.normal)

    @property
    def placed(self) -> bool:
        """Whether the header says where the slice lies."""
        return self.position is not None and self.axes is not None


def files_below(folder: Path) -> Iterator[Path]:
    """The regular files of a folder and its subfolders, linked ones included, each once, in the order of names."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (path for name in sorted(files) if (path := Path(place, name)).is_file())


def read_slices(path: Path) -> list[Slice]:
    """The slice of a DICOM file, or its frames; none if it holds no image.

    Raises
    ------
    InputError
        If it is shorter than its header says.
    """
    if path.name.upper() == "DICOMDIR" or not is_dicom_file(path):
        return []
    check_elements(path)
    name_for_libraries(path)
    import pydicom

    with pydicom.config.disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what a header should not hold, of which what matters is told
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(KEYWORDS))
            one = _slice(header, path)
            frames = int(_number(header, "NumberOfFrames") or 1)
        except Exception:  # what a damaged header makes of it is anything; the slice is then missing, which is told
            return []
        if one is None:
            return []
        _check_length(header, path, one.size, frames)
        if frames == 1 and not any(name in header for name in GROUPS):
            return [one]
        return _frames(header, one, frames)


def has_frames(path: Path) -> bool:
    """Whether a file is DICOM of more than one frame."""
    if not is_dicom_file(path):
        return False
    require("pydicom")
    import pydicom

    try:
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["NumberOfFrames"])
        return (_number(header, "NumberOfFrames") or 1) > 1
    except Exception:  # what a damaged header makes of it is anything
        return False


def is_dicom_file(path: Path) -> bool:
    """Whether a file begins as DICOM does, with or without its preamble."""
    with path.open("rb") as file:
        start = file.read(132)
    if start[128:] == b"DICM":
        return True
    # Without a preamble the first element is of the group 2 or 8: its number, and in most a known kind or length.
    return start[:2] in (b"\2\0", b"\x08\0") and start[3:4] == b"\0" and len(start) == 132 and start[4:6] != b"\0\0"


def _slice(header: Dataset, path: Path) -> Slice | None:
    rows, columns = _number(header, "Rows"), _number(header, "Columns")
    if not rows or not columns:
        return None
    number = _number(header, "InstanceNumber")
    return Slice(
        path=path,
        uid=_text(header, "SOPInstanceUID"),
        sop_class=_text(header, "SOPClassUID"),
        series=_text(header, "SeriesInstanceUID"),
        description=_text(header, "SeriesDescription"),
        modality=_text(header, "Modality") or "CT",
        image_type=tuple(_text(header, "ImageType").upper().split("\\")),
        body_part=_text(header, "BodyPartExamined"),
        kernel=_text(header, "ConvolutionKernel"),
        acquisition=_text(header, "AcquisitionNumber"),
        time=_text(header, "AcquisitionTime"),
        phase=_text(header, "TemporalPositionIdentifier"),
        number=None if number is None else int(number),
        size=(int(rows), int(columns)),
        **_geometry(header),
    )


def _geometry(*headers: Dataset) -> dict[str, Any]:
    """Spacing, position, axes and rescale, each of the first header that has it."""

    def first(keyword: str, count: int) -> np.ndarray | None:
        return next((found for one in headers if (found := _numbers(one, keyword, count)) is not None), None)

    spacing, axes = first("PixelSpacing", 2), first("ImageOrientationPatient", 6)
    slope, intercept = first("RescaleSlope", 1), first("RescaleIntercept", 1)
    return {
        "spacing": None if spacing is None or not (spacing > 0).all() else tuple(spacing.tolist()),
        "position": first("ImagePositionPatient", 3),
        "axes": None if axes is None else _axes(axes.reshape(2, 3)),
        "rescale": None if slope is None or intercept is None else (float(slope[0]), float(intercept[0])),
    }


def _axes(axes: np.ndarray) -> np.ndarray | None:
    """Unit vectors; None if they are at no right angles."""
    lengths = np.linalg.norm(axes, axis=1)
    if not np.allclose(lengths, 1, atol=0.01) or abs(axes[0] @ axes[1]) > 0.01:
        return None
    return axes / lengths[:, None]


def _frames(header: Dataset, one: Slice, count: int) -> list[Slice]:
    shared = next(iter(_groups(header.get(GROUPS[0]))), [])
    each = _groups(header.get(GROUPS[1]))
    if each and len(each) != count:
        raise InputError(f"{one.path.name} has {count} frames and says of {len(each)} where they lie; export it again.")
    if not each and count > 1:
        one = replace(one, position=None)  # of the file, not of its frames
    found = []
    for frame in range(count):
        parts: list[Dataset] = [*(each[frame] if each else []), *shared, header]
        phase = next((text for part in parts if (text := _text(part, "TemporalPositionIndex"))), one.phase)
        kinds = next((text for part in parts if (text := _text(part, "FrameType"))), "")
        image_type = tuple(kinds.upper().split("\\")) if kinds else one.image_type
        stack = next((text for part in parts if (text := _text(part, "StackID"))), "")
        acquisition = one.acquisition or stack
        places = _geometry(*parts) if each or count == 1 else {}
        found.append(
            replace(
                one, frame=frame, number=frame, phase=phase, acquisition=acquisition, image_type=image_type, **places
            )
        )
    return found


def _groups(sequence: Iterable[Dataset] | None) -> list[list[Dataset]]:
    """The items within the functional groups of each item."""
    return [[part for element in item if element.VR == "SQ" for part in element.value[:1]] for item in sequence or ()]


def _check_length(header: Dataset, path: Path, size: tuple[int, int], frames: int) -> None:
    """Raise `InputError` if a file is shorter than the pixels it should hold, of which GDCM makes up the rest."""
    if str(header.file_meta.get("TransferSyntaxUID", "")) not in UNCOMPRESSED:
        return
    bits = int(_number(header, "BitsAllocated") or 0) * int(_number(header, "SamplesPerPixel") or 1)
    if path.stat().st_size < size[0] * size[1] * frames * bits // 8:
        raise InputError(f"{path.name} is damaged: it holds fewer pixels than its header says; export it again.")


def _text(header: Dataset, keyword: str) -> str:
    value = header.get(keyword)
    parts = value if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue" else [value]
    return "\\".join("" if part is None else str(part).strip(" \0") for part in parts)


def _number(header: Dataset, keyword: str) -> float | None:
    found = _numbers(header, keyword, 1)
    return None if found is None else float(found[0])


def _numbers(header: Dataset, keyword: str, count: int) -> np.ndarray | None:
    """Finite numbers of an attribute, shape (count,); None if it holds anything else."""
    try:
        numbers = [float(part) for part in _text(header, keyword).split("\\")]
    except ValueError:
        return None
    return np.array(numbers) if len(numbers) == count and all(map(isfinite, numbers)) else None
