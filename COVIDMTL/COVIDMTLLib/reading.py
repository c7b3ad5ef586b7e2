"""Reading CTs and masks: NRRD, NIfTI, MetaImage and whatever else SimpleITK reads, and DICOM folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import checks, dicom
from .errors import InputError
from .packages import require
from .volume import Volume


def read_ct(path: str | Path, series: str | None = None) -> Volume:
    """Read a chest CT from an image file or a DICOM folder and check that it can be one.

    Parameters
    ----------
    path : path
        A 3D image file in HU, or a folder with the slices of a DICOM series.
    series : str, optional
        SeriesInstanceUID, needed where the folder holds several series.

    Returns
    -------
    Volume
        Array (z, y, x) in HU with the geometry of the file.

    Raises
    ------
    InputError
        If it cannot be read, is not 3D, or its values are no CT (see `checks.check_ct`).
    MissingPackage
        If SimpleITK, or nibabel for NIfTI, is not installed.
    """
    return read_ct_and_files(path, series)[0]


def read_ct_and_files(path: str | Path, series: str | None = None) -> tuple[Volume, list[Path]]:
    """`read_ct`, and the files that the volume was read from: those of a series in the order of its slices."""
    require("SimpleITK")
    path = Path(path)
    files = dicom.series_files(path, series) if path.is_dir() else [path]
    ct = Volume.from_image(dicom.read_files(files, path.name) if path.is_dir() else _read_file(path))
    checks.check_ct(ct, path.name)
    return ct, files


def read_mask(path: str | Path) -> Volume:
    """Read a mask or label map; every label but 0 is taken for lung.

    Returns
    -------
    Volume
        Array (z, y, x) of labels, uint8, with the geometry of the file.

    Raises
    ------
    InputError
        If it cannot be read, is not 3D, holds more than 255 labels or none, or is no label map.
    MissingPackage
        If SimpleITK, or nibabel for NIfTI, is not installed.
    """
    require("SimpleITK")
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path.name} is a folder; a mask has to be one image file, such as NRRD or NIfTI.")
    mask = Volume.from_image(_read_file(path))
    labels = np.unique(mask.array[np.isfinite(mask.array)])
    if not np.isfinite(mask.array).all() or labels[0] < 0 or labels[-1] > 255 or (labels % 1).any():
        raise InputError(f"{path.name} is not a mask: its values should be labels, whole numbers from 0 to 255.")
    if not labels.any():
        raise InputError(f"{path.name} is an empty mask: none of its voxels is labelled.")
    return mask.with_array(mask.array.astype(np.uint8))


def _read_file(path: Path):
    import SimpleITK as sitk

    if not path.is_file():
        raise InputError(f"There is no file or folder {path}; check the path.")
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(
            f"{path.name} cannot be read as an image; it may be damaged or of a format other than "
            "NRRD, NIfTI, MetaImage or DICOM."
        ) from error
    if path.name.lower().endswith((".nii", ".nii.gz")):
        _check_nifti(path)
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[..., 0]
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        what = "colour or vector" if image.GetNumberOfComponentsPerPixel() != 1 else f"{image.GetDimension()}D"
        raise InputError(f"{path.name} is not 3D: it is a {what} image; give one volume with one value a voxel.")
    if dicom.is_dicom(image):
        dicom.check_modality(dicom.modality(image), path.name)
        if image.GetSize()[2] == 1:
            raise InputError(f"{path.name} is a single DICOM slice; give the folder that holds the whole series.")
    return image


def _check_nifti(path: Path) -> None:
    """Raise `ImplausibleCT` for NaN and infinite values, which SimpleITK reads from NIfTI as 0."""
    require("nibabel")
    import nibabel

    content = nibabel.load(path)
    if content.get_data_dtype().kind == "f":
        checks.check_finite(np.asanyarray(content.dataobj), path.name)
