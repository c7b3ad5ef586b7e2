"""The two halves of a chest, and how voxels lie in them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .chest_axes import Frame, frame_of
from .chest_wall import (
    ANGLES,
    COSTAL,
    DIRECTIONS,
    FAR,
    Rays,
    aerated_levels,
    away_from_wall,
    rays_of,
    tissue_of,
    without_collarbone,
)

RIGHT_HALF, LEFT_HALF = -1, 1
"""Which way along x a half of the chest lies."""

MOST_AWAY, MUCH_AWAY, LITTLE_AWAY = 0.10, 0.03, 0.01
"""Share of the directions in which aerated lung lies away from the chest wall, from which lung may be dense anywhere in
one half of the chest; from which it may be so far around these, and where there is no aerated lung; and from which that
is so in the other half then. Below, it may be dense in these directions alone."""

AROUND, FAR_AROUND = (3, 5), (13, 61)
"""Levels and directions that belong to one of them, at its middle. A lobe that is dense goes a long way around the
chest."""

ASIDE = 0.65
"""Where between the middle of the body and its sides the axes lie: from there a ray meets the ribs behind the lung
and not the spine beside it."""


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
    dense : ndarray of bool, shape (z, y, x)
        Where lung may be dense: there the aerated lung lies away from the wall, or there is none.
    """

    angle: np.ndarray
    radius: np.ndarray
    behind: np.ndarray
    beyond: np.ndarray
    dense: np.ndarray


def halves_of(coarse: np.ndarray, aerated: np.ndarray, glass: np.ndarray) -> tuple[Frame, list[Half]]:
    """The frame of a chest, its axes in the middle of what the walls enclose, and its right and its left half.

    Parameters
    ----------
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    aerated : ndarray of bool, shape (z, y, x)
        Aerated lung; not empty.
    glass : ndarray of bool, shape (z, y, x)
        Ground glass, as of `reach.ground_glass`.
    """
    lung = aerated | glass
    # Dense lung leaves the aerated lung's axes off the middle, from where its recesses would not be seen.
    around_lung = frame_of(coarse, lung)
    tissue = tissue_of(around_lung, coarse)
    frame = _centred(around_lung, [rays_of(around_lung, which, tissue, lung).wall for which in (RIGHT_HALF, LEFT_HALF)])
    rays = {which: rays_of(frame, which, tissue, lung) for which in (RIGHT_HALF, LEFT_HALF)}
    away = _away(frame, rays, lung, glass)
    dense = {which: _wider(directions, AROUND) for which, (_, directions) in away.items()}
    if any(share > MUCH_AWAY for share, _ in away.values()):
        # Where one lung is dense, the other often is to a lesser degree, and ground glass tells of that.
        lesser = _away(frame, {which: rays_of(frame, which, tissue, aerated) for which in rays}, lung, glass)
        for which, (share, directions) in away.items():
            less, more_directions = lesser[which]
            if share <= MUCH_AWAY and less <= LITTLE_AWAY:
                continue
            everywhere = max(share, less) > MOST_AWAY
            missing = rays[which].last >= FAR
            if np.count_nonzero(directions[:, COSTAL]) < 0.5 * np.count_nonzero(directions):
                # Where lung is dense in front, that there is none beside it may be because of the heart.
                missing &= COSTAL
            dense[which] = everywhere | _wider(directions | more_directions | missing, FAR_AROUND)
            rays[which] = rays_of(frame, which, tissue, lung, certain=False)
    return frame, [_half_of(frame, which, one, dense[which], lung.shape) for which, one in rays.items()]


def _wider(directions: np.ndarray, around: tuple[int, int]) -> np.ndarray:
    """Directions (z, DIRECTIONS) with those around them."""
    from scipy import ndimage

    return ndimage.maximum_filter(directions, around, mode=("nearest", "wrap"))


def _away(
    frame: Frame, rays: dict[int, Rays], lung: np.ndarray, glass: np.ndarray
) -> dict[int, tuple[float, np.ndarray]]:
    """For each half how much of its lung keeps away from the wall, and where, as of `away_from_wall`."""
    lowest, highest = zip(*(aerated_levels(one) for one in rays.values()), strict=True)
    away = {}
    for which, one in rays.items():
        side = which * (np.arange(lung.shape[2]) - frame.middle) > 0
        share = np.count_nonzero(glass[..., side]) / max(int(np.count_nonzero(lung[..., side])), 1)
        away[which] = away_from_wall(without_collarbone(frame, one), one, (min(lowest), max(highest)), share)
    return away


def _centred(frame: Frame, walls: list[np.ndarray]) -> Frame:
    """A frame whose axes lie in the middle of what the walls enclose, back to front, and `ASIDE` of the way to them."""
    from scipy import ndimage

    radii = np.concatenate(walls, axis=1)
    moment = (radii**3 * np.sin(np.tile(ANGLES, len(walls)))).sum(axis=1) / 3
    down, area, to_side = (
        ndimage.gaussian_filter1d(values, 3.5, mode="nearest")
        for values in (moment, (radii**2).sum(axis=1) / 2, radii[:, np.tile(np.cos(ANGLES) > 0.95, 2)].mean(axis=1))
    )
    return replace(frame, aside=ASIDE * (frame.aside + to_side), depth=frame.depth + down / area)


def _half_of(frame: Frame, which: int, rays: Rays, dense: np.ndarray, shape: tuple[int, ...]) -> Half:
    """One half of the chest: `RIGHT_HALF` or `LEFT_HALF`."""
    y, x = np.indices(shape[1:], dtype=np.float32)
    down = y - frame.depth[:, None, None].astype(np.float32)
    out = which * (x - np.float32(frame.middle)) - frame.aside[:, None, None].astype(np.float32)
    distance = np.hypot(down, out)
    angle = (np.arctan2(down, out) + np.float32(np.pi)) * np.float32(DIRECTIONS / (2 * np.pi))
    return Half(
        angle,
        distance / np.maximum(_at(without_collarbone(frame, rays), angle), 1),
        distance > _at(rays.first, angle),
        distance > _at(rays.last, angle),
        _at(dense, angle) > 0.5,
    )


def _at(surface: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Values of a surface (z, DIRECTIONS) at the directions of an array of voxels."""
    from scipy import ndimage

    z = np.broadcast_to(np.arange(len(angle), dtype=np.float32)[:, None, None], angle.shape)
    closed = np.concatenate([surface, surface[:, :1]], axis=1).astype(np.float32)
    return ndimage.map_coordinates(closed, [z, angle], order=1, mode="nearest")
