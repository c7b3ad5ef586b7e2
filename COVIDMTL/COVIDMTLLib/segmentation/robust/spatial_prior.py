"""What to expect of tissue by where it lies, before looking at it."""

from __future__ import annotations

import numpy as np

from ...imaging.coarse_grid import STEP
from .atlas import Expected
from .tissue_classifier import smoothed

EDGE = -1.0
"""Most for tissue on the far side of aerated lung, at the heart or below: mostly the lung ends where its air does.
This and the next are logarithms of odds."""

AT_WALL = 3.0
"""Least for tissue between aerated lung and the chest wall."""

MOSTLY = 0.6
"""Share of the anatomies from which a place mostly is lung."""

SURELY = 0.85
"""Share of the anatomies from which a place surely is lung."""

COMMON = 0.5
"""How much it counts how common dense lung is nearby."""

NEARBY = 30 / STEP
"""Standard deviation of what is nearby, in coarse voxels."""


def surely_lung(place: Expected) -> np.ndarray:
    """Places that are lung in most anatomies, in directions in which it reaches the chest wall."""
    return (place.costal > 0.7) & (place.radius < 0.95) & (place.lung > SURELY)


def prior_odds(lung: np.ndarray, dense: np.ndarray, skin: np.ndarray, place: Expected) -> np.ndarray:
    """Logarithm of the odds that tissue is lung, from its place.

    Parameters
    ----------
    lung, dense : ndarray of bool, shape (z, y, x)
        Aerated lung, and tissue that is surely lung, on the coarse grid.
    skin : ndarray of bool, shape (z, y, x)
        What touches aerated lung, and is seen blurred with it.
    place : Expected
        Where voxels lie in the chest.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
    """
    # Mediastinum lies beyond the lung as seen from its axis, the diaphragm below it.
    beyond = place.beyond & (place.costal < 0.5)
    below = (np.cumsum(lung[::-1], axis=0)[::-1] >= 2) & (np.cumsum(lung, axis=0) < 1) & (place.radius < 0.9)
    at_wall = place.dense & place.behind & (place.costal > 0.7) & (place.lung > MOSTLY)
    share = np.clip(place.lung, 0.03, 0.97)
    odds = np.log(share / (1 - share))
    common = _log_share(dense, surely_lung(place))
    odds = np.where(beyond | below, np.minimum(odds, EDGE), odds) + COMMON * common
    odds = np.where(at_wall, np.maximum(odds, AT_WALL + COMMON * common), odds)
    # Its neighbours decide on the blurred rim.
    return np.where(at_wall & skin, np.minimum(odds, 0), odds).astype(np.float32)


def _log_share(dense: np.ndarray, lung: np.ndarray) -> np.ndarray:
    """Logarithm of the share of the lung nearby that is dense: tissue is likelier lung where much of the lung is."""
    overall = dense.sum() / max(np.count_nonzero(lung), 1)
    share = (smoothed(dense, NEARBY) + 0.02 * overall) / (smoothed(lung, NEARBY) + 0.02)
    return np.log(np.maximum(share, 0.005))
