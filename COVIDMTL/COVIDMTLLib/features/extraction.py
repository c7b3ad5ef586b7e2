"""The 375 lung CT features of the paper (section 4.1), as PyRadiomics defines them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.volume import HU_RANGE, Volume
from ..processes.helper import Aid
from ..utils.errors import InputError
from ..utils.optional_imports import require
from .names import FEATURE_NAMES
from .wavelet import AFTER

MODULES = ("scipy.ndimage", "skimage.feature", "skimage.measure")
"""What features import, for `optional_imports.require`."""

BUILT_IN, PYRADIOMICS = ENGINES = ("built-in", "pyradiomics")
"""What can compute the features: this package, or PyRadiomics, slowly, where somebody has installed it."""

MIN_VOXELS = 1000


def lung_features(
    ct: Volume,
    lungs: np.ndarray,
    progress: Callable[[float], None] = lambda fraction: None,
    aid: Aid | None = None,
    engine: str = BUILT_IN,
) -> dict[str, float]:
    """Compute the 375 features of a lung volume.

    They are those of the cohort table, what PyRadiomics finds on HU + 1024 inside the lung and 0 outside, mask
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
        Another process, which does about half of the work of the built-in engine.
    engine : {"built-in", "pyradiomics"}
        What computes them; values agree to 1e-9.

    Returns
    -------
    dict
        Value of each of `FEATURE_NAMES`, in that order.

    Raises
    ------
    InputError
        If the mask is too small for texture features, or there is no such engine.
    MissingPackage
        If scikit-image or, where it is asked for, PyRadiomics is not installed.
    """
    require(*engine_modules(engine))
    if np.count_nonzero(lungs) < MIN_VOXELS:
        raise InputError(
            f"The lungs hold fewer than {MIN_VOXELS} voxels, too few for texture features; give a mask of whole lungs."
        )
    from .groups import IMAGE, LOW, line_features, other_features, second_half

    image = _cropped(ct.array, lungs)
    if engine == PYRADIOMICS:
        from .pyradiomics_engine import pyradiomics_features

        return pyradiomics_features(image, progress)
    if aid is None:
        values = line_features(image, progress=progress) | other_features(image)
    else:
        other = aid.start(second_half, image)
        values = line_features(image, (IMAGE, LOW), progress) | other.result()
    return {name: values[name] for name in FEATURE_NAMES}


def low_pass_features(ct: Volume, lungs: np.ndarray) -> dict[str, float]:
    """Those of the 375 features that noise changes least, in a sixth of the time: first order, GLCM, GLCM of LLL.

    Parameters
    ----------
    ct, lungs
        As of `lung_features`.
    """
    from .groups import low_pass_features as of_image

    return of_image(_cropped(ct.array, lungs))


def engine_modules(engine: str) -> tuple[str, ...]:
    """What an engine imports, for `optional_imports.require`; raises `InputError` if there is none of that name."""
    if engine not in ENGINES:
        raise InputError(f"There is no engine {engine}; choose one of {', '.join(ENGINES)}.")
    return MODULES if engine == BUILT_IN else ("scipy.ndimage", "radiomics")


def _cropped(ct: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """The lung volume (HU + 1024, 0 outside), cropped to the lungs with a margin of 0."""
    box = box_of(lungs != 0)
    image = np.where(lungs[box] != 0, np.maximum(ct[box].astype(np.int32) - HU_RANGE[0], 0), 0)
    return np.pad(image, AFTER)
