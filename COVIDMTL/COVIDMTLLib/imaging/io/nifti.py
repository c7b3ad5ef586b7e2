"""NIfTI files as SimpleITK takes them: under a name that fits their content, of version 1, with axes it believes."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...utils.errors import InputError
from ...utils.optional_imports import require
from ..ct_checks import SKEW

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

GZIP = b"\x1f\x8b"

MOST_VOXELS = 2**31
"""Beyond which a header is mistaken, or meant to use up the memory."""

AGREE = 0.01
"""How far what a header says of its axes twice may differ, as a share of a voxel's size, or as an angle."""


@contextmanager
def readable_nifti(path: Path) -> Iterator[Path]:
    """A NIfTI file that SimpleITK and nibabel read as it is meant; any other file as it is.

    A copy is made where a file is packed by gzip and not called so, or the other way round, of version 2, or where its
    axes are not quite at right angles, which SimpleITK refuses, but near enough to be taken for straight.

    Raises
    ------
    InputError
        If the header contradicts itself on its axes, or they are sheared.
    MissingPackage
        If nibabel is not installed.
    """
    if not path.is_file() or not path.name.lower().endswith((".nii", ".nii.gz")):
        yield path
        return
    require("nibabel")
    with tempfile.TemporaryDirectory(prefix="covid-mtl-") as folder:
        path = _rightly_called(path, Path(folder))
        yield _straight(path, Path(folder))


def is_unplaced(path: Path) -> bool:
    """Whether a file is NIfTI or Analyze and does not say how its axes lie in the patient."""
    if not path.name.lower().endswith((".nii", ".nii.gz", ".hdr", ".img")):
        return False
    require("nibabel")
    import nibabel

    with readable_nifti(path) as file:
        header = nibabel.load(file).header
    return not any(int(header[code]) for code in ("sform_code", "qform_code") if code in header)


def _rightly_called(path: Path, folder: Path) -> Path:
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    if packed == path.name.lower().endswith(".gz"):
        return path
    stem = path.name[: path.name.lower().rindex(".nii")]
    copy = folder / f"{stem}.nii{'.gz' if packed else ''}"
    shutil.copyfile(path, copy)
    return copy


def _straight(path: Path, folder: Path) -> Path:
    import nibabel

    try:
        image = nibabel.load(path)
        header = image.header
        codes = [int(header["sform_code"]), int(header["qform_code"])]
        forms = [form[:3, :3] for form, code in zip((image.get_sform(), image.get_qform()), codes, strict=True) if code]
        sizes = np.array(header.get_zooms()[:3], float)
        with (gzip.open if path.name.endswith(".gz") else open)(path, "rb") as file:
            raw = type(header).from_fileobj(file, check=False)
    except Exception:  # a damaged header is told of where the data are looked at
        return path
    if not forms or len(sizes) < 3 or not all(np.isfinite(form).all() for form in forms) or not (sizes > 0).all():
        return path
    turned = bool((raw["pixdim"][1:4] < 0).any())  # which SimpleITK takes for the direction of an axis
    for form in forms:
        _check_axes(form, sizes, path.name)
    if len(forms) == 2 and not np.allclose(forms[0] / sizes, forms[1] / sizes, atol=AGREE):
        raise InputError(
            f"The header of {path.name} contradicts itself on how its axes lie (sform and qform differ), as on which "
            "side is left; correct it, or convert the CT again."
        )
    axes = forms[0] / np.linalg.norm(forms[0], axis=0)
    if turned and not codes[0]:
        raise InputError(f"{path.name} has voxels of a negative size by its header (pixdim); correct it.")
    straight = np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    if not codes[0] or (straight and not turned):
        return path if header["sizeof_hdr"] == 348 else _version_1(image, image.affine, folder, path.name)
    left, _, right = np.linalg.svd(axes)
    affine = image.affine.copy()
    affine[:3, :3] = left @ right * np.linalg.norm(forms[0], axis=0)
    return _version_1(image, affine, folder, path.name)


def _check_axes(form: np.ndarray, sizes: np.ndarray, name: str) -> None:
    lengths = np.linalg.norm(form, axis=0)
    if not (lengths > 0).all():
        return
    axes = form / lengths
    if not np.allclose(axes.T @ axes, np.eye(3), atol=SKEW):
        raise InputError(f"The axes of {name} are not at right angles to each other; resample it to straight ones.")
    if not np.allclose(lengths, sizes, rtol=AGREE):
        raise InputError(
            f"The header of {name} contradicts itself on the size of voxels (sform and pixdim differ); correct it."
        )


def _version_1(image: SpatialImage, affine: np.ndarray, folder: Path, name: str) -> Path:
    """Write the values with other axes."""
    import nibabel

    copy = folder / "straight.nii"
    if prod(image.shape) > MOST_VOXELS:
        raise InputError(f"{name} has more voxels by its header than any CT; correct the header.")
    try:
        values = np.asanyarray(image.dataobj)
    except Exception as error:  # what damaged data make of it is anything
        raise InputError(f"{name} is damaged: it holds fewer values than its header says; get it again.") from error
    new = nibabel.Nifti1Image(values, affine, dtype=values.dtype)
    new.set_sform(affine, code=1)
    new.set_qform(affine, code=1)
    new.to_filename(copy)
    return copy
