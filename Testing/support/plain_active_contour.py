"""Algorithm 1 as plainly as scikit-image allows: whole slices, its `active_contour` and its polygons.

The yardstick that the tests hold the refinement against, and benchmarks its time.
"""

import numpy as np
from COVIDMTLLib.imaging.volume import HU_RANGE
from COVIDMTLLib.segmentation import active_contour as algorithm
from skimage.draw import polygon2mask
from skimage.measure import find_contours, label
from skimage.morphology import flood_fill, isotropic_closing, isotropic_erosion
from skimage.segmentation import active_contour


def refine_plainly(ct, initial, truncate=False):
    """The lungs (z, y, x) of `refine_active_contour`, with the published parameters, from the same arrays.

    With ``truncate`` the points of the snakes are cut to integers and then flooded from outside, which leaves what they
    enclose: the rule of the paper's release.
    """
    pairs = zip(ct, initial, strict=True)
    return np.array([_refine(*slices, truncate) if slices[1].any() else slices[1] for slices in pairs])


def _refine(ct, initial, truncate):
    regions = label(initial)
    if regions.max() < 2 or initial.sum() < algorithm.MIN_LUNG_AREA:
        return isotropic_closing(initial, 5)
    largest = regions == np.bincount(regions.ravel())[1:].argmax() + 1
    joined = initial.copy()
    for lung in (largest, initial & ~largest):
        image = np.where(lung, np.clip(ct, *HU_RANGE) - HU_RANGE[0], 0).astype(np.int16)
        for contour in find_contours(isotropic_closing(lung, 10).astype(float), 0.8):
            snake = active_contour(image, contour, alpha=0.02, beta=20, max_num_iter=20)
            if truncate:
                line = np.zeros(np.add(lung.shape, 2), np.uint8)
                line[tuple(snake.astype(int).T + 1)] = 1
                joined |= (flood_fill(line, (0, 0), 2, connectivity=1) != 2)[1:-1, 1:-1]
                continue
            joined |= polygon2mask(lung.shape, snake)
            joined[tuple(np.rint(snake).astype(int).T)] = True
    regions = label(joined)
    refined = np.zeros_like(initial)
    for region in np.argsort(np.bincount(regions.ravel())[1:])[-2:] + 1:
        refined |= isotropic_closing(isotropic_erosion(regions == region, 2), 10)
    return refined
