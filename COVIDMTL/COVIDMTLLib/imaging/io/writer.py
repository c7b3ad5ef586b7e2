"""Writing volumes as image files."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ...utils.errors import InputError
from ...utils.text import name_for_libraries
from ..volume import Geometry, Volume, labels_on

MARK = "covid-mtl"
"""Key in the header of images that the program wrote; NIfTI has the text of it in its description."""

NOT_WRITTEN = "it was not written whole, as on a full disk"


def check_mask_format(path: str | Path) -> None:
    """Raise `InputError` unless the name of a mask to be written ends like a 3D image format."""
    if not str(path).lower().endswith((".nrrd", ".nii", ".nii.gz", ".mha")) and not is_dicom(path):
        raise InputError(f"A mask cannot be written as {Path(path).name}; use .nrrd, .nii.gz, .mha or .dcm.")


def is_dicom(path: str | Path) -> bool:
    """Whether the name of a file to be written ends like one of DICOM."""
    return str(path).lower().endswith(".dcm")


def write_volume(
    volume: Volume,
    path: str | Path,
    grid: Geometry | None = None,
    compress: bool = True,
    header: Mapping[str, str] | None = None,
) -> None:
    """Write a volume as an image file.

    Parameters
    ----------
    volume : Volume
        HU or labels (z, y, x).
    path : path
        Ends like an image format of SimpleITK's.
    grid : Geometry, optional
        For a label map: the grid to write it on, such as that of its CT.
    compress : bool
        Trade time for a smaller file.
    header : mapping, optional
        What else the header is to say, by keys.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> lungs = covidmtl.read_mask("lungs.nrrd")
    >>> covidmtl.write_volume(lungs, "lungs.nii.gz")
    """
    import SimpleITK as sitk

    if grid is not None:
        volume = labels_on(volume, grid)
    try:
        image = volume.to_image()
        for key, text in (header or {}).items():
            image.SetMetaData(key, text)
        image.SetMetaData(MARK, "1")
        image.SetMetaData("ITK_FileNotes", MARK)
        sitk.WriteImage(image, name_for_libraries(path), useCompression=compress)
        # On a full disk, SimpleITK writes a part of NIfTI, and all but the end of NRRD, without a word.
        whole = np.array_equal(_read_back(path), volume.array)
    except RuntimeError as error:
        raise OSError(errno.EIO, NOT_WRITTEN, Path(path).name) from error
    if not whole:
        raise OSError(errno.EIO, NOT_WRITTEN, Path(path).name)


def _read_back(path: str | Path) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ReadImage(name_for_libraries(path)))
