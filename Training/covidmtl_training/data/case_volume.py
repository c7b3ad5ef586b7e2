"""From what a table of cases gives of a case to its lung volume, as networks are trained on it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
from COVIDMTLLib.features.extraction import lung_features
from COVIDMTLLib.imaging.io.reader import read_ct
from COVIDMTLLib.imaging.lung_crop import BOX
from COVIDMTLLib.imaging.masks.reader import read_lungs
from COVIDMTLLib.imaging.volume import HU_RANGE, WORKING_SPACING, Geometry, Volume, to_working_grid
from COVIDMTLLib.segmentation import plausibility
from COVIDMTLLib.segmentation.methods import DEFAULT_METHOD, mask_on, segment
from COVIDMTLLib.utils.errors import InputError

from .case_table import Case
from .release_volumes import SUFFIXES, read_release_volume
from .store import centred, in_box

WHOLE = 0.7
"""Share of voxels over 0 from which on a volume shows more than lungs."""


class Settings(NamedTuple):
    """How cases are prepared.

    Attributes
    ----------
    box : tuple of 3 int
        Voxels (z, y, x).
    spacing : float
        In mm.
    method : str
        How lungs are found where none are given, one of `methods.METHODS`.
    compute_features : bool
        Of cases whose features are not known.
    """

    box: tuple[int, int, int] = BOX
    spacing: float = WORKING_SPACING
    method: str = DEFAULT_METHOD
    compute_features: bool = True


def lung_volume(case: Case, settings: Settings) -> np.ndarray:
    """The lung volume of a case.

    Returns
    -------
    ndarray of int16, shape ``settings.box``
        HU + 1024 in the lungs and 0 elsewhere, the CT in the middle, as `COVIDMTLLib.imaging.lung_crop.prepare` puts
        it.

    Raises
    ------
    InputError
        If a file cannot be used, or the box does not hold the lungs.
    """
    volume, expected = _finished(case, settings) if case.volume else _of_ct(case, settings)
    if np.count_nonzero(volume) < expected / 2:
        raise InputError(
            f"The box of {' x '.join(map(str, settings.box))} voxels holds less than half of the lungs; prepare with a "
            "larger one."
        )
    return volume


def features_of(volume: np.ndarray) -> np.ndarray:
    """The 375 features of a lung volume as `lung_volume` gives it, in the order of `FEATURE_NAMES`."""
    ct = Volume(volume.astype(np.int32) + HU_RANGE[0], Geometry(volume.shape[::-1]))
    return np.array(list(lung_features(ct, volume).values()))


def source_of(case: Case, settings: Settings) -> str:
    """A text that is another one when a file of the case or a setting for its volume has changed.

    Files are told apart by name, size and time of change.

    Raises
    ------
    InputError
        If one is missing.
    """
    made_of = {column: _stamps(path) for column, path in case.sources.items()}
    how = {"box": settings.box, "spacing": settings.spacing}
    if case.ct and not case.lungs:
        how["method"] = settings.method
    return hashlib.sha256(json.dumps([made_of, how]).encode()).hexdigest()


def _of_ct(case: Case, settings: Settings) -> tuple[np.ndarray, float]:
    """The volume of a CT, and how many voxels of lung it should have."""
    ct = read_ct(case.ct)
    given = read_lungs(case.lungs, ct).volume if case.lungs else None
    on_grid = _is_on_grid(ct.geometry, settings.spacing)
    ct = ct.with_array(np.rint(np.clip(ct.array, *HU_RANGE)).astype(np.int16)) if on_grid else to_working_grid(ct)
    lungs = (segment(ct, settings.method, name=case.name) if given is None else mask_on(given, ct)).array
    spacing = settings.spacing if on_grid else WORKING_SPACING
    if spacing == WORKING_SPACING:
        plausibility.check_lungs(lungs, case.name)
    expected = np.count_nonzero((lungs != 0) & (ct.array > HU_RANGE[0])) * (spacing / settings.spacing) ** 3
    # From 1 mm as the main job does it for a network on such voxels.
    resampled = {} if on_grid else {"spacing": settings.spacing}
    return centred(ct, lungs, settings.box, **resampled), expected


def _finished(case: Case, settings: Settings) -> tuple[np.ndarray, float]:
    """As `_of_ct`, of a case that comes as a lung volume."""
    read = _read_release if case.volume.suffix.lower() in SUFFIXES else _read_image
    volume, spacing = read(case.volume)
    if not np.allclose(spacing, settings.spacing, rtol=0.01):
        raise InputError(
            f"{case.volume.name} has voxels of {' x '.join(f'{one:g}' for one in spacing)} mm, and the store is to "
            f"have {settings.spacing:g} mm; give --spacing, or a volume that is resampled."
        )
    if not np.isfinite(volume).all() or volume.min() < 0 or volume.max() > np.iinfo(np.int16).max:
        raise InputError(
            f"{case.volume.name} is no lung volume: its values should be HU + 1024 in the lungs and 0 elsewhere."
        )
    if case.lungs:
        lungs = read(case.lungs)[0]
        if lungs.shape != volume.shape:
            raise InputError(f"{case.lungs.name} has another shape than {case.volume.name}; give the mask of it.")
        volume = np.where(lungs != 0, volume, 0)
    volume = np.rint(volume).astype(np.int16)
    lungs = np.count_nonzero(volume)
    if not 0 < lungs < WHOLE * volume.size:
        what = "shows a whole CT rather than lungs alone" if lungs else "is empty"
        raise InputError(f"{case.volume.name} {what}; give HU + 1024 in the lungs and 0 elsewhere, or a mask of them.")
    return in_box(volume, settings.box), lungs


def _read_release(path):
    return read_release_volume(path), (WORKING_SPACING,) * 3


def _read_image(path):
    """An image file as an array (z, y, x) in axial slices, feet first, and its spacing."""
    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path.")
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path.name} cannot be read as an image; it may be damaged.") from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise InputError(f"{path.name} is not 3D; give one volume with one value a voxel.")
    image = sitk.DICOMOrient(image, "LPS")
    return sitk.GetArrayFromImage(image), image.GetSpacing()


def _is_on_grid(geometry: Geometry, spacing: float) -> bool:
    """Whether a CT has isotropic voxels of this spacing in axial slices already."""
    axial = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(geometry.direction) == "LPS"
    return axial and np.allclose(geometry.spacing, spacing, rtol=0, atol=1e-4)


def _stamps(path: Path) -> list:
    if not path.exists():
        raise InputError(f"There is no file or folder {path}; check the path.")
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
