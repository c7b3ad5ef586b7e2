"""How often a place in the chest is lung, in the synthetic anatomy of `phantom`."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from ...imaging.coarse_grid import STEP, without_small
from .chest_axes import Frame
from .chest_wall import DIRECTIONS
from .hemithorax import Half

FILE = Path(__file__).parent / "atlas.npy"
"""uint8, 255 for certain lung; shape (2, levels, angles, radii). Made by ``Training/lung_atlas.py``."""

LEVELS = -0.3, 0.1, 43
"""First level, step and number of levels below the apex, as shares of the width of a half of the chest."""

ANGLES = 24
RADII = 0.05, 22
"""Step and number of radii, as shares of the distance of the wall."""

HEIGHTS = np.arange(0.5, 1.75, 0.05)
"""Heights of a chest that are tried, as multiples of that in the atlas of one as wide."""

ABOVE = 0.0, 0.1, 0.2, 0.3, 0.4
"""Where above the highest aerated lung the apex is tried, as shares of the width of a half of the chest."""

TISSUE_COUNTS, CLIPPED = 0.2, (0.02, 0.98)
"""How much tissue counts against aerated lung where the atlas is fitted, and the bounds of what it says."""

RAISED = np.arange(1.0, 0.59, -0.05)
"""Heights that are tried of a half of the chest with gas in stomach or bowel, as shares of that of the chest."""

LEAST_GAS, BESIDE = 5.0, 30.0
"""ml of gas that show where the diaphragm is, at least, and mm from the middle: nearer lie oesophagus and trachea."""

AT_GAS = 0.15
"""Share of the anatomies that have lung at the gas, at most: it lies below the diaphragm."""

MEDIASTINUM, MEDIAL, MEDIALLY = 10.0, 20.0, 0.5
"""mm from the middle within which there is lung only where aerated lung shows it; mm within which dense lung needs more
of the anatomies to have lung there, and their share."""

COSTAL = 0.92
"""Radius at which lung means that the lung there lies against the wall, and not against heart or diaphragm."""


@dataclass(frozen=True)
class Expected:
    """What the atlas says of each voxel of the coarse grid, and how the voxel lies in its half of the chest.

    Attributes
    ----------
    lung : ndarray of float32, shape (z, y, x)
        Share of the anatomies that have lung there.
    costal : ndarray of float32, shape (z, y, x)
        The same for the place at the wall in that direction.
    radius, behind, beyond, dense : ndarray
        As of `Half`.
    left : ndarray of bool, shape (z, y, x)
        Whether the voxel goes with the left half.
    lateral : ndarray of bool, shape (z, y, x)
        Beside the mediastinum.
    """

    lung: np.ndarray
    costal: np.ndarray
    radius: np.ndarray
    behind: np.ndarray
    beyond: np.ndarray
    dense: np.ndarray
    left: np.ndarray
    lateral: np.ndarray


def expected(frame: Frame, halves: list[Half], lung: np.ndarray, other_air: np.ndarray, gas: np.ndarray) -> Expected:
    """The atlas laid over a chest; each voxel goes with the half in which it is likelier lung.

    Parameters
    ----------
    frame, halves
        As of `halves_of`.
    lung, other_air : ndarray of bool, shape (z, y, x)
        Aerated lung, and what says nothing: other air and what lies outside the field of view.
    gas : ndarray of bool, shape (z, y, x)
        Of that what may be gas in stomach or bowel.
    """
    frame = _over_lung(frame, halves, lung, other_air)
    x = (np.arange(gas.shape[2]) - frame.middle) * STEP
    parts = []
    for half, shares, beside in zip(halves, _shares(), (x < -BESIDE, x > BESIDE), strict=True):
        level, angle, radius = places(_above_gas(frame, half, shares, gas & beside), half)
        at_wall = np.full_like(radius, COSTAL / RADII[0] - 0.5)
        # From there on the wall of the patient says where the lung ends, and not that of the atlas.
        lung = _at(shares, level, angle, np.minimum(radius, at_wall))
        parts.append((np.where(half.radius < 1.1, lung, 0), _at(shares, level, angle, at_wall), half))
    (right, right_costal, one), (left, left_costal, other) = parts
    is_left = left > right
    share = np.where(is_left, left, right)
    return Expected(
        share,
        np.where(is_left, left_costal, right_costal),
        np.minimum(one.radius, other.radius),
        np.where(is_left, other.behind, one.behind),
        np.where(is_left, other.beyond, one.beyond),
        np.where(is_left, other.dense, one.dense),
        is_left,
        (np.abs(x) > MEDIAL) | ((np.abs(x) > MEDIASTINUM) & (share > MEDIALLY)),
    )


def _over_lung(frame: Frame, halves: list[Half], lung: np.ndarray, other_air: np.ndarray) -> Frame:
    """The frame with the apex and the height with which the atlas fits the aerated lung best.

    Chests of the same width differ in height by more than half, and tissue counts for little, for it may be dense lung.
    """
    cells = [_cells(frame, half, which, lung, other_air) for which, half in enumerate(halves)]
    z = np.arange(len(lung))

    def likelihood(apex: float, height: float) -> float:
        at = np.clip(_level(replace(frame, apex=apex, height=height), z), 0, LEVELS[2] - 1)
        found = 0.0
        for shares, (aerated, tissue) in zip(_shares(), cells, strict=True):
            before = np.minimum(at.astype(int), LEVELS[2] - 2)
            after = (at - before)[:, None, None]
            share = np.clip(shares[before] * (1 - after) + shares[before + 1] * after, *CLIPPED)[:, :ANGLES]
            found += np.sum(aerated * np.log(share)) + TISSUE_COUNTS * np.sum(tissue * np.log(1 - share))
        return found

    tried = itertools.product([frame.apex + shift * frame.width for shift in ABOVE], HEIGHTS)
    apex, height = max(tried, key=lambda both: likelihood(*both))
    return replace(frame, apex=apex, height=height)


def _above_gas(frame: Frame, half: Half, shares: np.ndarray, gas: np.ndarray) -> Frame:
    """The frame for one half of the chest, less high than the other where stomach or bowel show a raised diaphragm.

    Aerated lung does not show it where the lung above it is dense.
    """
    gas = without_small(gas & (half.radius < COSTAL), LEAST_GAS)
    if gas.any():
        z = np.nonzero(gas)[0]
        _, angle, radius = (place[gas] for place in places(frame, half))
        for share in RAISED:
            raised = replace(frame, height=share * frame.height)
            if np.quantile(_at(shares, _level(raised, z), angle, radius), 0.98) <= AT_GAS:
                return raised
    return frame


def _cells(
    frame: Frame, half: Half, which: int, lung: np.ndarray, other_air: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How many voxels of one half are aerated lung, and tissue, in each cell of the atlas: (z, ANGLES, radii)."""
    on_side = (np.arange(lung.shape[2]) >= frame.middle) == bool(which)
    _, angle, radius = places(frame, half)
    known = on_side & (half.radius < COSTAL) & ~other_air
    z = np.broadcast_to(np.arange(len(lung))[:, None, None], lung.shape)[known]
    cells = z, angle[known].astype(int) % ANGLES, np.maximum(np.rint(radius[known]), 0).astype(int)
    shape = len(lung), ANGLES, RADII[1]
    index, size = np.ravel_multi_index(cells, shape), int(np.prod(shape))
    aerated = np.bincount(index[lung[known]], minlength=size)
    return aerated.reshape(shape), (np.bincount(index, minlength=size) - aerated).reshape(shape)


def places(frame: Frame, half: Half) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the voxels lie in the atlas: level, angle, radius, as float32 of shape (z, y, x), whole at its cells."""
    z = np.arange(len(half.angle))
    level = np.broadcast_to(_level(frame, z).astype(np.float32)[:, None, None], half.angle.shape)
    return level, half.angle * np.float32(ANGLES / DIRECTIONS), half.radius / np.float32(RADII[0]) - np.float32(0.5)


def _level(frame: Frame, z: np.ndarray) -> np.ndarray:
    """Level in the atlas of slices, whole at its cells."""
    return ((frame.apex - z) / (frame.width * frame.height) - LEVELS[0]) / LEVELS[1]


def _at(shares: np.ndarray, level: np.ndarray, angle: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Shares of one half in the atlas at the places of voxels."""
    from scipy import ndimage

    return ndimage.map_coordinates(shares, [level, angle, radius], order=1, mode="nearest")


@cache
def _shares() -> np.ndarray:
    """The atlas, float32, with its first angle again after the last one."""
    shares = np.load(FILE, allow_pickle=False).astype(np.float32) / 255
    return np.concatenate([shares, shares[:, :, :1]], axis=2)
