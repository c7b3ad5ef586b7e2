"""Lungs in DICOM segmentations (SEG) and structure sets of radiotherapy (RTSTRUCT)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...utils.errors import InputError
from ...utils.optional_imports import require
from ..dicom.elements import check_elements
from ..volume import Geometry, Volume, triple
from .segment_names import Segment, listed, lungs_among

if TYPE_CHECKING:
    from pydicom import Dataset

FLAT = 0.5
"""Voxels by which the points of a contour may lie off a slice."""


def is_dicom_file(path: Path) -> bool:
    """Whether a file is DICOM by its beginning, or by its name."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM" or path.suffix.lower() == ".dcm"


def read_dicom_lungs(path: Path, grid: Geometry | None) -> tuple[Volume, list[str], int]:
    """The lungs of a DICOM segmentation or structure set.

    Parameters
    ----------
    path : Path
    grid : Geometry, optional
        Of the CT, which contours are drawn on; a segmentation has its own.

    Returns
    -------
    Volume
        uint8: 1 where there is lung.
    list of str
        The segments or structures that were taken for lung.
    int
        How many others there are.

    Raises
    ------
    InputError
        If it is another kind of DICOM, damaged, or has no lungs.
    MissingPackage
        If pydicom, or highdicom for a segmentation, is not installed.
    """
    require("pydicom")
    import pydicom

    check_elements(path)
    try:
        modality = str(pydicom.dcmread(path, force=True, specific_tags=["Modality"]).get("Modality", "")).strip()
    # What a damaged file makes of pydicom is anything: its own errors, struct.error, ValueError, MemoryError.
    except Exception as error:
        raise InputError(f"{path.name} is damaged DICOM; export it again.") from error
    if modality == "SEG":
        return _read_segmentation(path)
    if modality == "RTSTRUCT":
        return _read_structures(path, grid)
    raise InputError(
        f"{path.name} is no mask: its DICOM header says modality {modality[:20] or 'none'}; give a DICOM segmentation "
        "(SEG), a structure set (RTSTRUCT), NRRD or NIfTI."
    )


def _read_segmentation(path: Path) -> tuple[Volume, list[str], int]:
    require("highdicom")
    from highdicom.seg import segread

    try:
        content = segread(path)
        numbers = [int(one.SegmentNumber) for one in content.SegmentSequence]
        segments = [_segment(one) for one in content.SegmentSequence]
    except Exception as error:  # as above
        raise InputError(f"{path.name} is a damaged DICOM segmentation; export it again.") from error
    chosen = lungs_among(segments, path.name)
    # One after the other: many segments of a whole body would not fit in the memory.
    lungs: np.ndarray | None = None
    geometry: Geometry | None = None
    for place in chosen:
        try:
            part = content.get_volume(segment_numbers=[numbers[place]])
        except Exception as error:  # as above
            raise InputError(
                f"{path.name} cannot be read: the frames of {listed([segments[place].name])} are damaged or no even "
                "stack of slices; export it again, as NRRD, say."
            ) from error
        inside = part.array[..., 0] >= 0.5
        geometry = _geometry(part.affine, inside.shape)
        lungs = inside if lungs is None else lungs | inside
    assert lungs is not None and geometry is not None, "lungs_among gives a segment at least"
    if not lungs.any():
        raise InputError(f"{path.name} has no voxel of {listed([segments[place].name for place in chosen])}.")
    taken = [segments[place].name for place in chosen]
    return Volume(lungs.astype(np.uint8), geometry), taken, len(segments) - len(taken)


def _segment(one: Dataset) -> Segment:
    codes = one.get("SegmentedPropertyTypeCodeSequence") or []
    return Segment(str(one.get("SegmentLabel") or ""), str(codes[0].get("CodeValue", "")) if codes else "")


def _geometry(affine: np.ndarray, shape: tuple[int, ...]) -> Geometry:
    """A geometry by a matrix (4, 4) from indices (z, y, x) to LPS in mm."""
    steps = affine[:3, 2::-1]
    spacing = np.linalg.norm(steps, axis=0)
    direction = (steps / spacing).ravel()
    origin = triple(map(float, affine[:3, 3]))
    return Geometry(triple(shape[::-1]), triple(map(float, spacing)), origin, tuple(direction))


def _read_structures(path: Path, grid: Geometry | None) -> tuple[Volume, list[str], int]:
    import pydicom

    if grid is None:
        raise InputError(f"{path.name} has contours, which are a mask on the slices of a CT alone; give NRRD or NIfTI.")
    try:
        content = pydicom.dcmread(path, force=True)
        names = {int(one.ROINumber): str(one.get("ROIName") or "") for one in content.StructureSetROISequence}
        contours = defaultdict(list)
        for structure in content.get("ROIContourSequence") or []:
            for contour in structure.get("ContourSequence") or []:
                if contour.get("ContourGeometricType", "CLOSED_PLANAR") in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
                    points = np.array(contour.ContourData, float).reshape(-1, 3)
                    contours[int(structure.ReferencedROINumber)].append(points)
    except Exception as error:  # as above
        raise InputError(f"{path.name} is a damaged DICOM structure set; export it again.") from error
    # A structure is often listed without ever having been drawn.
    drawn = [number for number in names if contours[number]]
    chosen = [drawn[place] for place in lungs_among([Segment(names[number]) for number in drawn], path.name)]
    lungs = np.zeros(grid.shape, bool)
    for number in chosen:
        lungs |= _filled(contours[number], grid, path.name)
    taken = [names[number] for number in chosen]
    if not lungs.any():
        raise InputError(f"The contours of {listed(taken)} in {path.name} lie outside the CT; give those of this CT.")
    return Volume(lungs.astype(np.uint8), grid), taken, len(names) - len(taken)


def _filled(contours: list[np.ndarray], grid: Geometry, name: str) -> np.ndarray:
    """What lies within contours (LPS, mm), slice by slice; one within another is a hole."""
    from skimage.draw import polygon

    points = [np.linalg.solve(grid.axes * grid.spacing, (one - grid.origin).T).T for one in contours]
    spread = np.max([np.ptp(one, axis=0) for one in points], axis=0)
    axis = int(spread.argmin())
    if not spread[axis] <= FLAT:
        raise InputError(f"The contours of {name} lie askew to the slices of the CT; give those of this CT.")
    others = [other for other in (2, 1, 0) if other != axis]
    planes: dict[float, list[np.ndarray]] = defaultdict(list)
    for one in points:
        planes[round(float(one[:, axis].mean()), 1)].append(one)
    heights = np.array(sorted(planes))
    gap = float(np.median(np.diff(heights))) if len(heights) > 1 else 1.0
    filled = np.zeros(grid.shape, bool)
    slices = np.moveaxis(filled, 2 - axis, 0)
    for number, one_slice in enumerate(slices):
        nearest = heights[np.abs(heights - number).argmin()]
        if abs(nearest - number) <= max(FLAT, gap / 2):
            for one in planes[float(nearest)]:
                one_slice[polygon(one[:, others[0]], one[:, others[1]], one_slice.shape)] ^= True
    return filled
