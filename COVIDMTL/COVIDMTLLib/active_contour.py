"""Algorithm 1 of the paper: unsupervised refinement of a lung segmentation with active contours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

from .volume import HU_RANGE

MIN_LUNG_AREA = 15000  # mm2 of lung in a slice, below which it is only closed
SNAKE = {"alpha": 0.02, "beta": 20, "max_num_iter": 20}


def refine_active_contour(
    ct: np.ndarray, initial: np.ndarray, progress: Callable[[float], None] = lambda fraction: None
) -> np.ndarray:
    """Refine an initial lung segmentation slice by slice (Algorithm 1).

    In every axial slice the largest region is one lung and all else the other. The contours of each,
    closed, seed snakes on the CT with everything outside that lung blanked; what the snakes enclose
    joins the initial mask.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.
    initial : ndarray of bool, shape (z, y, x)
        Initial lungs, as from `segment_classical`.
    progress : callable, optional
        Is told the share of slices done, 0 to 1.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The refined lungs.
    """
    refined = np.zeros(initial.shape, bool)
    for z in np.flatnonzero(initial.any(axis=(1, 2))):
        progress(z / len(initial))
        window = _window(initial[z])
        refined[z][window] = _refine_slice(ct[z][window], initial[z][window])
    return refined


def _window(mask: np.ndarray, margin: int = 15) -> tuple[slice, slice]:
    """The box around a mask with more margin than any closing or snake below can reach."""
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)


def _refine_slice(ct: np.ndarray, initial: np.ndarray) -> np.ndarray:
    from skimage.measure import label
    from skimage.morphology import isotropic_closing, isotropic_erosion

    regions = label(initial)
    if regions.max() < 2 or initial.sum() < MIN_LUNG_AREA:
        return isotropic_closing(initial, 5)
    largest = regions == np.bincount(regions.ravel())[1:].argmax() + 1

    joined = initial.copy()
    for lung in (largest, initial & ~largest):
        joined |= _enclosed_by_snakes(ct, lung)

    regions = label(joined)
    refined = np.zeros_like(initial)
    for region in np.argsort(np.bincount(regions.ravel())[1:])[-2:] + 1:
        refined |= isotropic_closing(isotropic_erosion(regions == region, 2), 10)
    return refined


def _enclosed_by_snakes(ct: np.ndarray, lung: np.ndarray) -> np.ndarray:
    from skimage.draw import polygon2mask
    from skimage.measure import find_contours
    from skimage.morphology import isotropic_closing
    from skimage.segmentation import active_contour

    # Integers, as in the paper's implementation: scikit-image then scales intensities by the range of
    # the type, and the edges pull at the snake as gently as they did there.
    image = np.where(lung, np.clip(ct, *HU_RANGE) - HU_RANGE[0], 0).astype(np.int16)
    enclosed = np.zeros_like(lung)
    for contour in find_contours(isotropic_closing(lung, 10).astype(float), 0.8):
        snake = active_contour(image, contour, **SNAKE)
        enclosed |= polygon2mask(lung.shape, snake)
        enclosed[tuple(np.rint(snake).astype(int).T)] = True
    return enclosed
