"""Reading CTs and masks: NRRD, NIfTI, MetaImage and whatever else SimpleITK reads, and DICOM folders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...utils.errors import InputError
from ...utils.optional_imports import require
from ...utils.text import name_for_libraries
from .. import ct_checks
from ..dicom import reader as dicom_reader
from ..dicom.elements import check_elements
from ..dicom.headers import is_dicom_file
from ..volume import Volume
from .archives import opened
from .header_checks import check_header
from .nifti import MOST_VOXELS, is_unplaced, readable_nifti

if TYPE_CHECKING:
    import SimpleITK as sitk

PACKED = (".7z", ".rar", ".bz2", ".xz", ".zst", ".lz4")

MOST_LAYERS = 64
"""Of a mask."""


def read_ct(path: str | Path, series: str | None = None) -> Volume:
    """Read a chest CT from an image file or a DICOM folder and check that it can be one.

    Parameters
    ----------
    path : path
        A 3D image file in HU, or DICOM: a folder with the slices of a series among others, its DICOMDIR, a file of
        many frames, or a .zip or .tar.gz of it.
    series : str, optional
        SeriesInstanceUID, needed where the folder holds several that would do; with ``#2``, say, for the second of
        several volumes in one series (see `inspection`).

    Returns
    -------
    Volume
        Array (z, y, x) in HU with the geometry of the file.

    Raises
    ------
    InputError
        If it cannot be read, is not 3D, or its values are no CT (see `ct_checks.check_ct`).
    MissingPackage
        If SimpleITK, or nibabel for NIfTI, is not installed.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> ct = covidmtl.read_ct("ct.nrrd")
    >>> ct.array.shape == ct.geometry.size[::-1]
    True
    """
    return read_study(path, series).ct


def read_ct_and_files(path: str | Path, series: str | None = None) -> tuple[Volume, list[Path]]:
    """`read_ct`, and the files that the volume was read from: those of a series in the order of its slices."""
    study = read_study(path, series)
    return study.ct, study.files


@dataclass(frozen=True)
class Study:
    """A CT that was read, and from what.

    Attributes
    ----------
    ct : Volume
        HU.
    files : list of Path
        Those of a series in the order of its slices.
    frames : list of int or None
        Of a file of many frames, which of them each slice is.
    series : str or None
        Name of the series that was taken.
    warnings : list of str
        Of a choice among several series.
    """

    ct: Volume
    files: list[Path]
    frames: list[int] | None = None
    series: str | None = None
    warnings: list[str] = field(default_factory=list)


def read_study(path: str | Path, series: str | None = None) -> Study:
    """`read_ct`, and what was read of a DICOM study."""
    with opened_study(path, series) as study:
        pass
    # What was unpacked is gone.
    return study if study.files[0].exists() else replace(study, files=[Path(path)])


@contextmanager
def opened_study(path: str | Path, series: str | None = None) -> Iterator[Study]:
    """`read_study`, with the files of an archive there until the end of the context."""
    require("SimpleITK")
    with opened(Path(path)) as place:
        yield _read_study(place, series)


def _read_study(path: Path, series: str | None) -> Study:
    if path.is_dir() or (path.is_file() and is_dicom_file(path)):
        choice = dicom_reader.choose_series(path, series)
        stack = choice.taken
        if path.is_file() and len(stack.slices) == 1:
            raise InputError(f"{path.name} is a single DICOM slice; give the folder that holds the whole series.")
        image = dicom_reader.read_stack(stack, path.name)
        _check_scalar(image.GetSize(), image.GetNumberOfComponentsPerPixel(), image.GetPixelID(), path.name)
        files = list(dict.fromkeys(one.path for one in stack.slices))
        frames = None if stack.first.frame is None else [one.frame for one in stack.slices if one.frame is not None]
        study = Study(Volume.from_image(image), files, frames, stack.name or None, choice.warnings)
    else:
        image = _read_file(path)
        study = Study(Volume.from_image(image), [path], warnings=_of_axes(image, path))
    ct_checks.check_ct(study.ct, path.name)
    return study


def _of_axes(image: sitk.Image, path: Path) -> list[str]:
    """A warning if an image file does not say how its axes lie in the patient."""
    nrrd = image.HasMetaDataKey("NRRD_kinds[0]") and not image.HasMetaDataKey("NRRD_space")
    if not nrrd and not is_unplaced(path):
        return []
    return [f"The header of {path.name} does not say how its axes lie: left and right may have changed sides."]


def read_mask(path: str | Path, empty: bool = False) -> Volume:
    """Read a mask or label map.

    Parameters
    ----------
    path : path
        An image file, such as NRRD or NIfTI.
    empty : bool
        Whether there may be no label in it: there are CTs without opacities, but none without lungs.

    Returns
    -------
    Volume
        Array (z, y, x) of labels, uint8, with the geometry of the file.

    Raises
    ------
    InputError
        If it cannot be read, is not 3D, holds more than 255 labels, or none unless it may be ``empty``, or is no label
        map.
    MissingPackage
        If SimpleITK, or nibabel for NIfTI, is not installed.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> str(covidmtl.read_mask("lungs.nrrd").array.dtype)
    'uint8'
    """
    require("SimpleITK")
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path.name} is a folder; a mask has to be one image file, such as NRRD or NIfTI.")
    mask = Volume.from_image(_read_file(path))
    check_labels(mask.array, path.name, empty)
    return mask.with_array(mask.array.astype(np.uint8))


def check_labels(array: np.ndarray, name: str, empty: bool = False) -> list[int]:
    """The labels of an array but 0.

    Raises `InputError` if its values are no labels, or if there is none and it may not be ``empty``.
    """
    labels = np.unique(array[np.isfinite(array)])
    if not np.isfinite(array).all() or labels[0] < 0 or labels[-1] > 255 or (labels % 1).any():
        raise InputError(f"{name} is not a mask: its values should be labels, whole numbers from 0 to 255.")
    if not (empty or labels.any()):
        raise InputError(f"{name} is an empty mask: none of its voxels is labelled.")
    return [int(label) for label in labels if label]


def read_layers(path: Path) -> sitk.Image:
    """Read the image file of a mask, which may be of several layers, one a component of its voxels; see `masks`."""
    return _read_file(path, layers=True)


def _read_file(path: Path, layers: bool = False) -> sitk.Image:
    if not path.is_file():
        raise InputError(f"There is no file or folder {path}; check the path.")
    if path.name.lower().endswith(PACKED):
        raise InputError(f"{path.name} is packed in a way that is not read here; unpack it, or pack it as .zip.")
    name_for_libraries(path)
    with readable_nifti(path) as file:
        image = _read_with_simpleitk(file, path.name, layers)
    if image.GetDimension() == 4:
        image = image[..., 0]
    if dicom_reader.is_dicom(image):
        dicom_reader.check_modality(dicom_reader.modality(image), path.name)
    return image


def _read_with_simpleitk(path: Path, name: str, layers: bool) -> sitk.Image:
    import SimpleITK as sitk

    file = name_for_libraries(path)
    unpacked = check_header(path)
    check_elements(path)
    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(file)
        reader.ReadImageInformation()
        components = reader.GetNumberOfComponents()
        as_layers = layers and reader.GetImageIOFromFileName(file) == "NrrdImageIO" and components <= MOST_LAYERS
        _check_scalar(reader.GetSize(), 1 if as_layers else components, reader.GetPixelID(), name)
        kind = reader.GetImageIOFromFileName(file)
        if kind == "NiftiImageIO":
            _check_nifti(path, unpacked, name)
        elif unpacked is not None and unpacked < _bytes(reader):
            raise InputError(f"{name} is damaged: it holds fewer values than its header says; get it again.")
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"{name} cannot be read as an image; it may be damaged or of a format other than "
            "NRRD, NIfTI, MetaImage or DICOM."
        ) from error
    return image


def _check_scalar(size: tuple[int, ...], components: int, pixel: int, name: str) -> None:
    """Raise `InputError` unless an image is 3D, or 4D with one of them, of one real number a voxel, and no monster."""
    import SimpleITK as sitk

    complex_numbers = pixel in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64)
    if components != 1 or complex_numbers or len(size) != 3 + (len(size) == 4 and size[3] == 1):
        flat = components == 1 and not complex_numbers
        what = f"{len(size)}D" if flat else "complex" if complex_numbers else "colour or vector"
        raise InputError(f"{name} is not 3D: it is a {what} image; give one volume with one value a voxel.")
    if prod(size) > MOST_VOXELS:
        raise InputError(
            f"{name} has {' x '.join(map(str, size[:3]))} voxels by its header, more than any CT; correct the header."
        )


def _bytes(reader: sitk.ImageFileReader) -> int:
    """How long the values of an image are by its header."""
    import SimpleITK as sitk

    component = sitk.Image([1, 1], reader.GetPixelID()).GetSizeOfPixelComponent()
    return prod(reader.GetSize()) * reader.GetNumberOfComponents() * component


def _check_nifti(path: Path, unpacked: int | None, name: str) -> None:
    """Raise `InputError` for what SimpleITK makes 0 of in NIfTI: missing, NaN and infinite values."""
    require("nibabel")
    import nibabel

    damaged = f"{name} is damaged: it holds fewer values than its header says; get it again."
    try:
        content = nibabel.load(path)
        data = content.dataobj
        file = Path(content.file_map["image"].filename)
        unpacked = unpacked if file == path else check_header(file)
        holds = file.stat().st_size if unpacked is None else unpacked
        whole = holds >= data.offset + prod(data.shape) * data.dtype.itemsize
        array = np.asanyarray(data) if whole and content.get_data_dtype().kind == "f" else np.zeros(1)
    # What a damaged header makes of it is anything: nibabel's own errors, ValueError, OverflowError, OSError.
    except Exception as error:
        raise InputError(damaged) from error
    if not whole:
        raise InputError(damaged)
    ct_checks.check_finite(array, name)
