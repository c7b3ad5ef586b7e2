"""Where dense lung may be inferred at all: between aerated lung and the chest wall, never below or above the lungs."""

from __future__ import annotations

import numpy as np

from .atlas import Expected
from .grid import STEP, dilated, eroded

LEAST = 0.02
"""Aerated lung in a slice as a share of that in the slice with most, from which dense lung may lie beside it."""

CLOSED = 9.0
"""mm by which aerated lung is closed: vessels, fissures and small opacities lie within."""


def closed(lung: np.ndarray) -> np.ndarray:
    """Aerated lung with the vessels, fissures and small opacities in it."""
    # The array may end in the lung.
    margin = int(CLOSED / STEP) + 2
    padded = np.pad(lung, margin, mode="edge")
    return eroded(dilated(padded, CLOSED), CLOSED)[(slice(margin, -margin),) * 3]


def within_reach(lung: np.ndarray, place: Expected) -> np.ndarray:
    """Where dense lung may be.

    Parameters
    ----------
    lung : ndarray of bool, shape (z, y, x)
        Aerated lung on the coarse grid.
    place : Expected

    Returns
    -------
    ndarray of bool, shape (z, y, x)
    """
    above = np.logical_or.accumulate(lung[::-1], axis=0)[::-1]
    below = np.logical_or.accumulate(lung, axis=0)
    areas = lung.sum(axis=(1, 2))
    levels = (areas > LEAST * areas.max())[:, None, None]
    return lung | closed(lung) | (above & below) | (place.dense & levels)
