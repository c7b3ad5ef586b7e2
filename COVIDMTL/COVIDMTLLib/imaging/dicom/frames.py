"""Values of DICOM slices, and CTs of many frames in one file: each frame with its own place and rescale."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...utils.text import name_for_libraries
from .headers import GROUPS, Slice

if TYPE_CHECKING:
    import SimpleITK as sitk

GDCM = "GDCMImageIO"
"""Which has to be asked for by name where a file has no preamble."""


def read_frames(slices: Sequence[Slice]) -> sitk.Image:
    """The volume of the slices of a stack, in the order of their positions, in HU.

    Raises
    ------
    RuntimeError
        If the pixel data cannot be read.
    """
    import SimpleITK as sitk

    stored = {path: _stored(path) for path in {one.path for one in slices}}
    _stored.cache_clear()
    scales = [one.rescale or (1.0, 0.0) for one in slices]
    whole = all(number.is_integer() for scale in scales for number in scale)
    array = np.empty((len(slices), *slices[0].size), np.int32 if whole else np.float32)
    for z, (one, (slope, intercept)) in enumerate(zip(slices, scales, strict=True)):
        array[z] = stored[one.path][one.frame] * slope + intercept
    if whole and np.iinfo(np.int16).min <= array.min() and array.max() <= np.iinfo(np.int16).max:
        array = array.astype(np.int16)
    first, last = slices[0], slices[-1]
    image = sitk.GetImageFromArray(array)
    # `stacks` takes no slices for a volume that lack any of these.
    assert first.spacing is not None and first.axes is not None
    assert first.position is not None and last.position is not None
    along = (last.position - first.position) / max(len(slices) - 1, 1)
    image.SetSpacing((first.spacing[1], first.spacing[0], float(np.linalg.norm(along)) or 1.0))
    image.SetOrigin(first.position.tolist())
    image.SetDirection(np.stack([*first.axes, first.normal], axis=1).ravel().tolist())
    return image


def values_of(one: Slice) -> np.ndarray:
    """The values of a slice in HU, float32 (row, column), however it is stored.

    Raises
    ------
    RuntimeError
        If the pixel data cannot be read.
    """
    import SimpleITK as sitk

    if one.frame is None:
        return sitk.GetArrayFromImage(sitk.ReadImage(name_for_libraries(one.path), sitk.sitkFloat32, GDCM))[0]
    slope, intercept = one.rescale or (1.0, 0.0)
    return (_stored(one.path)[one.frame] * slope + intercept).astype(np.float32)


@lru_cache(maxsize=2)
def _stored(path: Path) -> np.ndarray:
    """The values of a file as they are stored, (frame, row, column).

    GDCM decodes all transfer syntaxes, but applies one rescale to all frames: it is given a copy that says nothing of
    frames.
    """
    import pydicom
    import SimpleITK as sitk

    content = pydicom.dcmread(path, force=True)
    for keyword in (*GROUPS, "RescaleSlope", "RescaleIntercept"):
        if keyword in content:
            delattr(content, keyword)
    with tempfile.TemporaryDirectory(prefix="covid-mtl-") as folder:
        copy = Path(folder, "frames.dcm")
        with pydicom.config.disable_value_validation():
            content.save_as(copy)
        values = sitk.GetArrayFromImage(sitk.ReadImage(name_for_libraries(copy), imageIO=GDCM))
    return values if values.ndim == 3 else values[None]
