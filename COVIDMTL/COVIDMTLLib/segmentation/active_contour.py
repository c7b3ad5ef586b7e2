"""Algorithm 1 of the paper: unsupervised refinement of a lung segmentation with active contours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil

import numpy as np

from ..imaging.volume import HU_RANGE
from .parameters import PUBLISHED, Parameters
from .snakes import edges_of, enclosed, moved

MIN_LUNG_AREA = 15000  # mm2 of lung in a slice, below which it is only closed


def refine_active_contour(
    ct: np.ndarray,
    initial: np.ndarray,
    progress: Callable[[float], None] = lambda fraction: None,
    parameters: Parameters = PUBLISHED,
    slices: Iterable[int] | None = None,
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
    parameters : Parameters, optional
        Of the snakes and of the closing.
    slices : iterable of int, optional
        The slices to refine; all by default.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The refined lungs; the initial ones in slices that are not refined.
    """
    refined = initial.copy()
    for z in range(len(initial)) if slices is None else slices:
        if initial[z].any():
            progress(z / len(initial))
            window = _window(initial[z], parameters)
            refined[z][window] = _refine_slice(ct[z][window], initial[z][window], parameters)
    return refined


def _window(mask: np.ndarray, parameters: Parameters) -> tuple[slice, slice]:
    """The box around a mask with more margin than any closing or snake below can reach."""
    margin = ceil(parameters.closing) + 5
    sides = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    rows, columns = (slice(max(0, side[0] - margin), side[-1] + 1 + margin) for side in sides)
    return rows, columns


def _refine_slice(ct: np.ndarray, initial: np.ndarray, parameters: Parameters) -> np.ndarray:
    from scipy.ndimage import binary_erosion
    from skimage.measure import label
    from skimage.morphology import disk, isotropic_closing

    regions = label(initial)
    if regions.max() < 2 or initial.sum() < MIN_LUNG_AREA:
        return isotropic_closing(initial, parameters.closing / 2)
    largest = regions == np.bincount(regions.ravel())[1:].argmax() + 1

    joined = initial.copy()
    for lung in (largest, initial & ~largest):
        window = _window(lung, parameters)
        joined[window] |= _enclosed_by_snakes(ct[window], lung[window], parameters)

    regions = label(joined)
    refined = np.zeros_like(initial)
    for number in np.argsort(np.bincount(regions.ravel())[1:])[-2:] + 1:
        region = regions == number
        window = _window(region, parameters)
        eroded = binary_erosion(region[window], disk(2), border_value=1)
        refined[window] |= isotropic_closing(eroded, parameters.closing)
    return refined


def _enclosed_by_snakes(ct: np.ndarray, lung: np.ndarray, parameters: Parameters) -> np.ndarray:
    from skimage.measure import find_contours
    from skimage.morphology import isotropic_closing

    # Integers, as in the paper's implementation: scikit-image then scales intensities by the range of
    # the type, and the edges pull at the snake as gently as they did there.
    image = np.where(lung, np.clip(ct, *HU_RANGE) - HU_RANGE[0], 0).astype(np.int16)
    edges = edges_of(image)
    alpha, beta, iterations = parameters.alpha, parameters.beta, int(parameters.iterations)
    found = np.zeros_like(lung)
    for contour in find_contours(isotropic_closing(lung, parameters.closing).astype(float), 0.8):
        snake = moved(contour, edges, alpha, beta, iterations)
        found |= _filled_after_truncation(snake, lung.shape) if parameters.truncate else enclosed(snake, lung.shape)
    return found


def _filled_after_truncation(snake: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels that the points of a snake are truncated to, and the holes that they enclose.

    Points that come to lie further apart than neighbouring pixels enclose nothing, as in the authors' implementation.
    """
    from scipy.ndimage import binary_fill_holes

    points = np.zeros(shape, bool)
    points[tuple(snake.astype(int).T)] = True
    return binary_fill_holes(points)
