"""The inner surface of the chest wall, from the ribs and from the aerated lung that lies against it.

Each half of the chest has an axis along z, and its wall is a distance from that axis in each direction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .grid import STEP, opened

DIRECTIONS = 96
ANGLES = np.linspace(-np.pi, np.pi, DIRECTIONS, endpoint=False)
"""Directions from an axis: 0 to the side, pi to the middle of the body, those above 0 to the back."""

BONE = 160
"""HU of bone on the coarse grid."""

RIGHT_HALF, LEFT_HALF = -1, 1
"""Which way along x a half of the chest lies."""

WRAP = ("nearest", "wrap")


@dataclass(frozen=True)
class Frame:
    """Where the two halves of the chest lie, in coarse voxels.

    Attributes
    ----------
    middle : float
        x of the plane between the halves.
    aside, depth : ndarray of shape (z,)
        Of the axes: distance from that plane, and y.
    width : float
        From the plane to the sides of the lungs.
    apex : int
        Highest slice with lung.
    """

    middle: float
    aside: np.ndarray
    depth: np.ndarray
    width: float
    apex: int


@dataclass(frozen=True)
class Half:
    """One half of the chest on the coarse grid.

    Attributes
    ----------
    angle : ndarray of float32, shape (z, y, x)
        Direction from the axis, 0 to `DIRECTIONS`.
    radius : ndarray of float32, shape (z, y, x)
        Distance from the axis as a share of that of the wall: above 1 outside the chest.
    behind, beyond : ndarray of bool, shape (z, y, x)
        Farther from the axis than the first, and than the last, aerated lung in that direction.
    """

    angle: np.ndarray
    radius: np.ndarray
    behind: np.ndarray
    beyond: np.ndarray


def frame_of(coarse: np.ndarray, lung: np.ndarray) -> Frame:
    """The frame of a chest.

    Parameters
    ----------
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    lung : ndarray of bool, shape (z, y, x)
        Aerated lung; not empty.
    """
    from scipy import ndimage

    slices = np.flatnonzero(lung.any(axis=(1, 2)))
    rows = np.flatnonzero(lung.any(axis=(0, 2)))
    levels = slice(slices[0], slices[-1] + 1)
    # The spine, or where there is none the body, is in the middle.
    x = np.arange(lung.shape[2])
    tissue = np.cumsum((coarse[levels] > -300).sum(axis=(0, 1)))
    right, middle, left = np.interp([0.25, 0.5, 0.75], tissue / tissue[-1], x)
    spine = opened(coarse > BONE, 8)[levels, (rows[0] + rows[-1]) // 2 :].sum(axis=(0, 1)).astype(float)
    spine[(x < right) | (x > left)] = 0
    if spine.sum() > 50:
        middle = float(np.interp(0.5, np.cumsum(spine) / spine.sum(), x))

    distance = np.abs(x - middle)
    weight = lung.sum(axis=(1, 2)).astype(float)
    moments = (lung.sum(axis=1) * distance).sum(axis=1), (lung.sum(axis=2) * np.arange(lung.shape[1])).sum(axis=1)
    smooth = [ndimage.gaussian_filter1d(values, 5, mode="nearest") for values in (weight, *moments)]
    known = np.flatnonzero(smooth[0] > 0.02 * smooth[0].max())
    axes = [np.interp(np.arange(len(lung)), known, moment[known] / smooth[0][known]) for moment in smooth[1:]]
    width = max(float(np.percentile(np.broadcast_to(distance, lung.shape)[lung], 99)), 1.0)
    return Frame(float(middle), *axes, width, int(slices[-1]))


def half_of(frame: Frame, which: int, coarse: np.ndarray, lung: np.ndarray) -> Half:
    """One half of the chest: `RIGHT_HALF` or `LEFT_HALF`."""
    reach = int(1.8 * frame.width)
    aerated = _along_rays(frame, which, lung, reach) > 0.5
    # Beyond the middle the lung is the other one.
    steps = np.arange(reach)
    to_middle = np.full((len(lung), DIRECTIONS), reach - 1.0)
    inward = np.cos(ANGLES) < -0.05
    to_middle[:, inward] = (frame.aside[:, None] + 3) / -np.cos(ANGLES[inward])
    aerated &= steps < to_middle[..., None]
    some = aerated.any(axis=2)
    first = np.where(some, aerated.argmax(axis=2), 1e3)
    last = np.where(some, reach - 1 - aerated[:, :, ::-1].argmax(axis=2), 0)

    bone = _along_rays(frame, which, coarse > BONE, reach) > 0.4
    bone &= steps >= np.maximum(last - 1, 15 / STEP)[..., None]
    wall = np.minimum(_wall(bone, last.astype(np.float32), to_middle), to_middle)

    y, x = np.indices(lung.shape[1:], dtype=np.float32)
    down = y - frame.depth[:, None, None].astype(np.float32)
    out = which * (x - np.float32(frame.middle)) - frame.aside[:, None, None].astype(np.float32)
    distance = np.hypot(down, out)
    angle = (np.arctan2(down, out) + np.float32(np.pi)) * np.float32(DIRECTIONS / (2 * np.pi))
    return Half(
        angle,
        distance / np.maximum(_at(wall, angle), 1),
        distance > _at(first, angle),
        distance > _at(np.where(some, last, 1e3), angle),
    )


def _along_rays(frame: Frame, which: int, mask: np.ndarray, reach: int) -> np.ndarray:
    """A mask along the rays from an axis: float32 of shape (z, DIRECTIONS, reach)."""
    from scipy import ndimage

    steps = np.arange(reach, dtype=np.float32)
    z = np.arange(len(mask), dtype=np.float32)[:, None, None]
    y = frame.depth[:, None, None] + steps * np.sin(ANGLES)[:, None]
    x = frame.middle + which * (frame.aside[:, None, None] + steps * np.cos(ANGLES)[:, None])
    return ndimage.map_coordinates(mask.astype(np.float32), np.broadcast_arrays(z, y, x), order=1, mode="nearest")


def _at(surface: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Values of a surface (z, DIRECTIONS) at the directions of an array of voxels."""
    from scipy import ndimage

    z = np.broadcast_to(np.arange(len(angle), dtype=np.float32)[:, None, None], angle.shape)
    closed = np.concatenate([surface, surface[:, :1]], axis=1).astype(np.float32)
    return ndimage.map_coordinates(closed, [z, angle], order=1, mode="nearest")


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
    # Between the ribs a ray meets the shoulder blade or nothing, so the nearer hits count for more.
    weight, wall = usable, ribs
    for sigma in (8, 6, 4, 3, 3):
        wall, _ = _smoothed(ribs, weight, sigma)
        weight = usable * np.where(ribs > wall + 1, 0.1, 1) * (ribs < wall + 5) * (ribs > wall - 4)

    # How far the lung lies from the ribs, where it reaches them: what is dense at the wall does not count.
    gap = lung - wall
    near = ((lung > 0) & (np.abs(gap) < 3)).astype(np.float32)
    sideways = near[:, np.cos(ANGLES) > -0.3] > 0
    usual = float(np.percentile(gap[:, np.cos(ANGLES) > -0.3][sideways], 93)) if sideways.sum() > 200 else 0.0
    between = np.full(gap.shape, usual, np.float32)
    for _ in range(4):
        found, around = _smoothed(gap, near * np.where(gap > between, 0.93, 0.07), 10)
        share = np.clip(10 * around, 0, 1)
        between = share * found + (1 - share) * usual

    wall = wall + between
    ribs = ribs + between
    near_ribs = usable * (np.abs(ribs - wall) < 2.5)
    touching = 4.0 * ((lung > 0) & (lung > wall - 0.7))
    weight = (near_ribs + touching).astype(np.float32)
    values = (ribs * near_ribs + (lung + 0.3) * touching) / np.maximum(weight, 1e-6)
    for sigma in (5, 3, 1.5):
        found, around = _smoothed(values.astype(np.float32), weight, sigma)
        share = np.clip(4 * around, 0, 1)
        wall = share * found + (1 - share) * wall
    return wall
