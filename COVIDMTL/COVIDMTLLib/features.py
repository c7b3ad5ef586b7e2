"""The 375 lung CT features of the paper (section 4.1), by PyRadiomics."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .errors import InputError
from .feature_names import FEATURE_NAMES, GLCM, WAVELET_GLCM
from .packages import require
from .texture.sub_bands import MARGIN, sub_band_values
from .volume import HU_RANGE, Volume

MODULES = ("scipy.ndimage", "skimage.measure", "radiomics")
"""What features import, for `packages.require`."""

MIN_VOXELS = 1000


def lung_features(
    ct: Volume, lungs: np.ndarray, progress: Callable[[float], None] = lambda fraction: None
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
    from .texture.formulas import co_occurrence, first_order, run_length, size_zone
    from .texture.levels import grey_levels
    from .texture.lines import line_matrices
    from .texture.zones import zone_matrix

    image = _cropped(ct.array, lungs)
    mask = image > 0
    bands = {"": image[mask], **sub_band_values(image, mask)}
    progress(0.2)
    levels = {prefix: grey_levels(values) for prefix, values in bands.items()}
    counted = line_matrices(list(levels.values()), mask, lambda fraction: progress(0.2 + 0.6 * fraction))
    values = {}
    for (prefix, found), (pairs, runs) in zip(levels.items(), counted, strict=True):
        occurring = np.unique(found)
        if prefix:
            texture = {"glcm": co_occurrence(pairs, occurring, WAVELET_GLCM), "glrlm": run_length(runs, occurring)}
            values |= {f"{prefix}_{kind}_{name}": v for kind, named in texture.items() for name, v in named.items()}
        else:
            on_grid = np.zeros(mask.shape, found.dtype)
            on_grid[mask] = found
            # Names have no class here, so GLSZM values take the place of GLRLM ones of the same name.
            values |= first_order(bands[prefix], found) | co_occurrence(pairs, occurring, GLCM)
            values |= run_length(runs, occurring) | size_zone(*zone_matrix(on_grid), occurring)
        progress(0.8 + 0.2 * len(values) / len(FEATURE_NAMES))
    return {name: float(values[name]) for name in FEATURE_NAMES}


def _cropped(ct: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """The lung volume (HU + 1024, 0 outside), cropped to the lungs with a margin, even along each axis."""
    from scipy import ndimage

    box = ndimage.find_objects((lungs != 0).astype(np.uint8))[0]
    image = np.where(lungs[box] != 0, np.maximum(ct[box].astype(np.int32) - HU_RANGE[0], 0), 0)
    return np.pad(image, [(MARGIN, MARGIN + n % 2) for n in image.shape])
