"""The inner surface of the chest wall, from the ribs and from the aerated lung that lies against it.

For each half of the chest it is a distance from an axis in each direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .frame import BONE, Frame
from .grid import STEP

DIRECTIONS = 96
ANGLES = np.linspace(-np.pi, np.pi, DIRECTIONS, endpoint=False)
"""Directions from an axis: 0 to the side, pi to the middle of the body, those above 0 to the back."""

FAR = 1e3
"""Distance of lung that is not met."""

APICAL = 28
"""mm below the apex down to which ribs say nothing of the front."""

WRAP = ("nearest", "wrap")


@dataclass(frozen=True)
class Rays:
    """Distances from an axis in coarse voxels, of shape (z, DIRECTIONS): of the wall, and of the first and the last
    aerated lung, far away where there is none."""

    wall: np.ndarray
    first: np.ndarray
    last: np.ndarray


def rays_of(frame: Frame, which: int, coarse: np.ndarray, lung: np.ndarray) -> Rays:
    """What is met from the axis of one half of the chest.

    Parameters
    ----------
    frame : Frame
    which : int
        The half: which way along x it lies, -1 or 1.
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    lung : ndarray of bool, shape (z, y, x)
        Aerated lung.
    """
    reach = int(1.8 * frame.width)
    aerated = _along_rays(frame, which, lung, reach)
    # Beyond the middle the lung is the other one.
    steps = np.arange(reach)
    to_middle = np.full((len(lung), DIRECTIONS), reach - 1.0)
    inward = np.cos(ANGLES) < -0.05
    to_middle[:, inward] = (frame.aside[:, None] + 3) / -np.cos(ANGLES[inward])
    aerated &= steps < to_middle[..., None]
    some = aerated.any(axis=2)
    last = np.where(some, reach - 1 - aerated[:, :, ::-1].argmax(axis=2), 0)
    bone = _along_rays(frame, which, coarse > BONE, reach)
    bone &= steps >= np.maximum(last - 1, 15 / STEP)[..., None]
    wall = np.minimum(_wall(bone, last.astype(np.float32), to_middle), to_middle)
    return Rays(wall, np.where(some, aerated.argmax(axis=2), FAR), np.where(some, last, FAR))


def without_collarbone(frame: Frame, rays: Rays) -> np.ndarray:
    """The wall, but near the lung in front of the apex: the first rib and the collarbone do not lie against it."""
    from scipy import ndimage

    apical = ((frame.apex - np.arange(len(rays.wall))) * STEP < APICAL)[:, None] & (np.sin(ANGLES) < 0.2)
    reached = ndimage.maximum_filter(np.where(rays.last < FAR, rays.last, 0), (3, 5), mode=WRAP)
    return np.where(apical & (reached > 0), np.minimum(rays.wall, reached + 1.5), rays.wall)


def _along_rays(frame: Frame, which: int, mask: np.ndarray, reach: int) -> np.ndarray:
    """A mask along the rays from an axis, a coarse voxel a step: bool of shape (z, DIRECTIONS, reach)."""
    steps = np.arange(reach)
    y = frame.depth[:, None, None] + steps * np.sin(ANGLES)[:, None]
    x = frame.middle + which * (frame.aside[:, None, None] + steps * np.cos(ANGLES)[:, None])
    y, x = (np.clip(np.rint(at).astype(np.int32), 0, size - 1) for at, size in zip((y, x), mask.shape[1:], strict=True))
    return mask[np.arange(len(mask))[:, None, None], y, x]


def _smoothed(values: np.ndarray, weights: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Weighted Gaussian means on a surface, and how much weight there is around."""
    from scipy import ndimage

    around = ndimage.gaussian_filter(weights, sigma, mode=WRAP)
    return ndimage.gaussian_filter(values * weights, sigma, mode=WRAP) / np.maximum(around, 1e-6), around


def _wall(bone: np.ndarray, lung: np.ndarray, to_middle: np.ndarray) -> np.ndarray:
    """Distance of the wall from the axis: of the ribs, and of the lung where it lies against them.

    Parameters
    ----------
    bone : ndarray of bool, shape (z, DIRECTIONS, reach)
        Bone along the rays, beyond the aerated lung.
    lung : ndarray of float32, shape (z, DIRECTIONS)
        Distance of the last aerated lung, 0 if there is none.
    to_middle : ndarray of shape (z, DIRECTIONS)
        Distance of the middle of the body.
    """
    hit = bone.any(axis=2)
    ribs = np.where(hit, bone.argmax(axis=2) - 1, 0).astype(np.float32)
    usable = (hit & (ribs < to_middle)).astype(np.float32)
    if usable.sum() < DIRECTIONS:
        return lung + 1
    # Between the ribs a ray meets the shoulder blade or nothing, so the nearer hits count for more; beside the
    # spine there is no shoulder blade, and what is nearer may be the spine itself.
    farther = np.where((np.sin(ANGLES) > 0) & (np.cos(ANGLES) < -0.1), 0.5, 0.1)
    weight, wall = usable, ribs
    for sigma in (8, 6, 4, 3, 3):
        wall, _ = _smoothed(ribs, weight, sigma)
        weight = usable * np.where(ribs > wall + 1, farther, 1) * (ribs < wall + 5) * (ribs > wall - 4)

    # How far the lung lies from the ribs. Where it is dense it seems to lie farther.
    gap = (lung - wall)[:, np.cos(ANGLES) > -0.3]
    gap = gap[(lung[:, np.cos(ANGLES) > -0.3] > 0) & (np.abs(gap) < 3)]
    usual = float(np.percentile(gap, 75)) if len(gap) > 200 else 0.0
    wall, ribs = wall + usual, ribs + usual
    near_ribs = usable * (np.abs(ribs - wall) < 2.5)
    touching = 2.0 * ((lung > 0) & (lung > wall - 0.3))
    weight = (near_ribs + touching).astype(np.float32)
    values = (ribs * near_ribs + (lung + 0.3) * touching) / np.maximum(weight, 1e-6)
    for sigma in (5, 3, 2, 1):
        found, around = _smoothed(values.astype(np.float32), weight, sigma)
        share = np.clip(4 * around, 0, 1)
        wall = share * found + (1 - share) * wall
    return wall
