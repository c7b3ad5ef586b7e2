"""The coarse grid on which dense lung is inferred, and shapes measured in mm."""

from __future__ import annotations

import numpy as np

from .bounding_box import box_of

STEP = 3
"""Voxels of the 1 mm working grid along each side of a coarse one, and so its size in mm."""


def block_mean(array: np.ndarray) -> np.ndarray:
    """Means of the blocks of `STEP`³ voxels, float32; what lacks at the far ends is repeated from the last voxel."""
    blocks = _padded(array)
    z, y, x = (n // STEP for n in blocks.shape)
    sums = blocks.reshape(z, STEP, y, STEP, x, STEP).sum(axis=(1, 3, 5), dtype=np.int32)
    return sums.astype(np.float32) / STEP**3


def block_deviation(array: np.ndarray) -> np.ndarray:
    """Standard deviation within the axial squares of a block, float32, so that the slice thickness does not matter."""
    blocks = _padded(array)
    z, y, x = (n // STEP for n in blocks.shape)
    found = np.empty((z, y, x), np.float32)
    for k in range(z):
        slab = blocks[k * STEP : (k + 1) * STEP].reshape(STEP, y, STEP, x, STEP).astype(np.float32)
        found[k] = slab.var(axis=(2, 4)).mean(axis=0)
    return np.sqrt(found)


def _padded(array: np.ndarray) -> np.ndarray:
    missing = [(0, -n % STEP) for n in array.shape]
    return np.pad(array, missing, mode="edge") if any(after for _, after in missing) else array


def repeated(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A coarse array on the working grid of a shape (z, y, x), each voxel as its block."""
    z, y, x = shape
    return coarse.repeat(STEP, 0).repeat(STEP, 1).repeat(STEP, 2)[:z, :y, :x]


def interpolated(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A coarse array on the working grid of a shape (z, y, x), linear between the centres of the blocks."""
    found = coarse.astype(np.float32)
    for axis, n in enumerate(shape):
        last = coarse.shape[axis] - 1
        at = np.clip((np.arange(n) - (STEP - 1) / 2) / STEP, 0, last)
        before = np.minimum(at.astype(int), max(last - 1, 0))
        share = (at - before).astype(np.float32).reshape([-1 if axis == other else 1 for other in range(3)])
        after = np.minimum(before + 1, last)
        found = np.take(found, before, axis) * (1 - share) + np.take(found, after, axis) * share
    return found


def dilated(mask: np.ndarray, radius: float, spacing: float = STEP) -> np.ndarray:
    """A mask with all that lies up to ``radius`` mm from it."""
    from scipy import ndimage

    found = mask.copy()
    if mask.any():
        near = box_of(mask, int(radius / spacing))
        found[near] = ndimage.distance_transform_edt(~mask[near], sampling=spacing) <= radius
    return found


def eroded(mask: np.ndarray, radius: float, spacing: float = STEP) -> np.ndarray:
    """What lies more than ``radius`` mm inside a mask, which goes on beyond the array."""
    from scipy import ndimage

    found = mask.copy()
    if mask.any() and not mask.all():
        near = box_of(mask, 1)
        found[near] = ndimage.distance_transform_edt(mask[near], sampling=spacing) > radius
    return found


def opened(mask: np.ndarray, radius: float, spacing: float = STEP) -> np.ndarray:
    """The parts of a mask that are more than about twice ``radius`` mm thick."""
    return dilated(eroded(mask, radius, spacing), radius, spacing)


def without_small(mask: np.ndarray, least: float, spacing: float = STEP) -> np.ndarray:
    """The connected parts of a mask that have at least so many ml."""
    from scipy import ndimage

    parts, _ = ndimage.label(mask, np.ones((3, 3, 3)))
    large = np.bincount(parts.ravel()) * spacing**3 / 1000 >= least
    large[0] = False
    return large[parts]
