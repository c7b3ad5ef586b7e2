"""The boundary of the lungs to a millimetre: by density where the image shows it, as inferred elsewhere."""

from __future__ import annotations

import numpy as np

from ...imaging.bounding_box import box_of
from ...imaging.coarse_grid import STEP, dilated, eroded, interpolated, opened, repeated

SHARE = 0.5
"""Where between the densities inside and outside the boundary lies."""

CONTRAST = 200
"""HU between inside and outside, below which density does not show the boundary."""


def fine_boundary(
    ct: np.ndarray,
    coarse: np.ndarray,
    probability: np.ndarray,
    other_air: np.ndarray,
    radius: np.ndarray,
    airways: np.ndarray | None,
) -> np.ndarray:
    """The lungs on the working grid.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.
    coarse, probability, other_air, radius : ndarray on the coarse grid
        HU; probability of lung; air outside the body and in the airways; distance from the axis over that of
        the wall.
    airways : ndarray of bool, shape (z, y, x), or None
        Trachea and main bronchi.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
    """
    from scipy import ndimage

    lung = probability > 0.5
    core = eroded(lung, 3.1)
    rim = dilated(lung, 3.1) & ~core
    density = np.clip(coarse, -900, 100)
    inner = _mean_near(density, core, -700)
    outer = _mean_near(density, ~dilated(lung, 1.5) & ~other_air, 0)
    threshold = np.clip(inner + SHARE * (outer - inner), -500, -150)
    dense = dilated(opened(lung & (coarse > -500), 3.1), 3.1)
    inferred = rim & (dense | (outer - inner < CONTRAST))

    # Away from the lungs there is nothing to find, and a voxel more keeps the edges of the box out of it.
    near = box_of(rim | core, 1)
    box = tuple(slice(side.start * STEP, min(side.stop * STEP, n)) for side, n in zip(near, ct.shape, strict=True))
    shape = ct[box].shape
    found = ct[box] < interpolated(threshold[near], shape)
    found &= repeated((rim & (radius < 1.15))[near], shape)
    found |= repeated(inferred[near], shape) & (interpolated(probability[near], shape) > 0.5)
    found |= repeated(core[near], shape)
    if airways is not None:
        found &= ~airways[box]
    lungs = np.zeros(ct.shape, bool)
    lungs[box] = ndimage.gaussian_filter(found.astype(np.float32), 0.7, truncate=2) > 0.5
    return lungs


def _mean_near(values: np.ndarray, mask: np.ndarray, otherwise: float) -> np.ndarray:
    """The mean of the values in a mask around each voxel, or a constant where the mask is far."""
    from scipy import ndimage

    weight = ndimage.gaussian_filter(mask.astype(np.float32), 1.3)
    mean = ndimage.gaussian_filter(np.where(mask, values, 0), 1.3) / np.maximum(weight, 1e-3)
    return np.where(weight > 0.005, mean, np.float32(otherwise))
