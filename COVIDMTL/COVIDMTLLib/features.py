"""The 375 lung CT features of the paper (section 4.1), by PyRadiomics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .aid import Aid
from .boxes import box_of
from .errors import InputError
from .feature_names import FEATURE_NAMES
from .packages import require
from .texture.sub_bands import AFTER
from .volume import HU_RANGE, Volume

MODULES = ("scipy.ndimage", "skimage.feature", "skimage.measure")
"""What features import, for `packages.require`."""

MIN_VOXELS = 1000


def lung_features(
    ct: Volume,
    lungs: np.ndarray,
    progress: Callable[[float], None] = lambda fraction: None,
    aid: Aid | None = None,
) -> dict[str, float]:
    """Compute the 375 features of a lung volume.

    They are those of the cohort table: PyRadiomics on HU + 1024 inside the lung and 0 outside, mask
    where that is over 0, bin width 25, nothing normalised. Cropping to the lungs leaves every value what
    it is on the paper's box of 340 x 390 x 390.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid, or on voxels of another size, whose features are then others, too.
    lungs : ndarray of shape (z, y, x)
        Lung mask or labels on the same grid; every value but 0 is lung.
    progress : callable, optional
        Is told the share done, 0 to 1.
    aid : Aid, optional
        Another process, which does about half of the work.

    Returns
    -------
    dict
        Value of each of `FEATURE_NAMES`, in that order.

    Raises
    ------
    InputError
        If the mask is too small for texture features.
    MissingPackage
        If PyRadiomics or scikit-image is not installed.
    """
    require(*MODULES)
    if np.count_nonzero(lungs) < MIN_VOXELS:
        raise InputError(
            f"The lungs hold fewer than {MIN_VOXELS} voxels, too few for texture features; give a mask of whole lungs."
        )
    from .texture.parts import IMAGE, LOW, line_features, other_features, second_half

    image = _cropped(ct.array, lungs)
    if aid is None:
        values = line_features(image, progress=progress) | other_features(image)
    else:
        other = aid.start(second_half, image)
        values = line_features(image, (IMAGE, LOW), progress) | other.result()
    return {name: values[name] for name in FEATURE_NAMES}


def _cropped(ct: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """The lung volume (HU + 1024, 0 outside), cropped to the lungs with a margin of 0."""
    box = box_of(lungs != 0)
    image = np.where(lungs[box] != 0, np.maximum(ct[box].astype(np.int32) - HU_RANGE[0], 0), 0)
    return np.pad(image, AFTER)
