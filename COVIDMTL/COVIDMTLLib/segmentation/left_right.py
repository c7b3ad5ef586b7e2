"""Telling the right lung from the left."""

from __future__ import annotations

import numpy as np

from ..imaging.labels import LEFT, RIGHT

STEP = 2  # mm; the lungs are told apart on a coarser grid, which is enough and eight times as fast


def right_and_left(lungs: np.ndarray, ct: np.ndarray) -> np.ndarray:
    """Label the right and the left lung of a mask, joined or not.

    The mask is eroded until what joins the lungs, the airways or the thin anterior junction, is gone.
    What remains are cores of one side each; every voxel goes with the core that is nearest.

    Parameters
    ----------
    lungs : ndarray of bool, shape (z, y, x)
        Both lungs, or one, on the 1 mm working grid (x runs from the patient's right to the left).
    ct : ndarray of shape (z, y, x)
        HU; shows where the middle of the body is when there is one lung only.

    Returns
    -------
    ndarray of uint8, shape (z, y, x)
        1 right lung, 2 left lung, 0 elsewhere.
    """
    from scipy import ndimage

    sides = np.zeros(lungs.shape, np.uint8)
    if not lungs.any():
        return sides
    box = tuple(slice(side.start // STEP * STEP, side.stop) for side in ndimage.find_objects(lungs.astype(np.uint8))[0])
    coarse = lungs[box][::STEP, ::STEP, ::STEP]
    cores = _cores(coarse)
    if cores is None:
        body = np.flatnonzero((ct > -300).sum(axis=(0, 1)))
        middle = (body[0] + body[-1]) / 2 if len(body) else lungs.shape[2] / 2
        center = np.average(np.arange(lungs.shape[2]), weights=lungs.sum(axis=(0, 1)))
        sides[lungs] = RIGHT if center < middle else LEFT
        return sides
    nearest = ndimage.distance_transform_edt(cores == 0, return_distances=False, return_indices=True)
    coarse_sides = cores[tuple(nearest)]
    fine = coarse_sides.repeat(STEP, 0).repeat(STEP, 1).repeat(STEP, 2)
    sides[box] = fine[tuple(slice(n) for n in lungs[box].shape)] * lungs[box]
    return sides


def _cores(mask: np.ndarray) -> np.ndarray | None:
    """Cores of the right (1) and left (2) lung, or None if the mask is of one lung."""
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
    total = np.count_nonzero(mask)
    for erosion in range(1, int(depth.max())):
        parts, count = ndimage.label(depth > erosion)
        sizes = np.bincount(parts.ravel())[1:]
        if count < 2:
            continue
        order = np.argsort(sizes)[::-1]
        centers = np.array([x for _, _, x in ndimage.center_of_mass(parts > 0, parts, order[:10] + 1)])
        first, second = sizes[order[:2]]
        # Two lobes of one lung lie above each other, two lungs side by side.
        apart = abs(centers[0] - centers[1]) > 0.25 * mask.shape[2]
        if second > 0.1 * first and first + second > 0.25 * total and apart:
            middle = centers[:2].mean()
            side_of = np.zeros(count + 1, np.uint8)
            side_of[order[:10] + 1] = np.where(centers < middle, RIGHT, LEFT)
            return side_of[parts]
    return None
