"""How often a place in the chest is lung, in the synthetic anatomy of `phantom`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from .chest_wall import DIRECTIONS
from .frame import Frame
from .halves import Half

FILE = Path(__file__).parent / "atlas.npy"
"""uint8, 255 for certain lung; shape (2, levels, angles, radii). Made by ``Training/lung_atlas.py``."""

LEVELS = -0.3, 0.1, 43
"""First level, step and number of levels below the apex, as shares of the width of a half of the chest."""

ANGLES = 24
RADII = 0.05, 22
"""Step and number of radii, as shares of the distance of the wall."""

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
    """

    lung: np.ndarray
    costal: np.ndarray
    radius: np.ndarray
    behind: np.ndarray
    beyond: np.ndarray
    dense: np.ndarray


def expected(frame: Frame, halves: list[Half]) -> Expected:
    """The atlas laid over a chest; each voxel goes with the half in which it is likelier lung."""
    from scipy import ndimage

    parts = []
    for half, shares in zip(halves, _shares(), strict=True):
        level, angle, radius = places(frame, half)
        at_wall = np.full_like(radius, COSTAL / RADII[0] - 0.5)
        # From there on the wall of the patient says where the lung ends, and not that of the atlas.
        lung = ndimage.map_coordinates(shares, [level, angle, np.minimum(radius, at_wall)], order=1, mode="nearest")
        costal = ndimage.map_coordinates(shares, [level, angle, at_wall], order=1, mode="nearest")
        parts.append((np.where(half.radius < 1.1, lung, 0), costal, half))
    (right, right_costal, one), (left, left_costal, other) = parts
    is_left = left > right
    return Expected(
        np.where(is_left, left, right),
        np.where(is_left, left_costal, right_costal),
        np.minimum(one.radius, other.radius),
        np.where(is_left, other.behind, one.behind),
        np.where(is_left, other.beyond, one.beyond),
        np.where(is_left, other.dense, one.dense),
    )


def places(frame: Frame, half: Half) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where the voxels lie in the atlas: level, angle, radius, as float32 of shape (z, y, x), whole at its cells."""
    first, step, _ = LEVELS
    below = (frame.apex - np.arange(len(half.angle))) / frame.width
    level = np.broadcast_to(((below - first) / step).astype(np.float32)[:, None, None], half.angle.shape)
    return level, half.angle * np.float32(ANGLES / DIRECTIONS), half.radius / np.float32(RADII[0]) - np.float32(0.5)


@cache
def _shares() -> np.ndarray:
    """The atlas, float32, with its first angle again after the last one."""
    shares = np.load(FILE, allow_pickle=False).astype(np.float32) / 255
    return np.concatenate([shares, shares[:, :, :1]], axis=2)
