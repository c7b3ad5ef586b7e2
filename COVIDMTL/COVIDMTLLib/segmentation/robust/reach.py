"""Where dense lung may be inferred at all: between aerated lung and the chest wall, never below or above the lungs."""

from __future__ import annotations

import numpy as np

from ...imaging.coarse_grid import STEP, dilated, eroded, opened
from .atlas import Expected
from .tissue_classifier import smoothed

LEAST = 0.04
"""Aerated lung in a slice as a share of that in the slice with most, from which there is dense lung no higher."""

SELDOM = 0.15
"""Share of the anatomies from which a place may be dense lung that nothing but the chest wall encloses, and below which
it is taken for other tissue."""

GROUND_GLASS = -250
"""HU below which there is nothing but lung: fat and organs are denser."""

THICK = 3.1
"""Radius in mm of the ball that fits into ground glass, and not into the blurred boundary of aerated lung."""

BESIDE = 6.0
"""mm around such a ball that are ground glass, too."""

CLOSED = 9.0
"""mm by which aerated lung is closed: vessels, fissures and small opacities lie within."""


def closed(lung: np.ndarray) -> np.ndarray:
    """Aerated lung with the vessels, fissures and small opacities in it."""
    # The array may end in the lung.
    margin = int(CLOSED / STEP) + 2
    padded = np.pad(lung, margin, mode="edge")
    return eroded(dilated(padded, CLOSED), CLOSED)[(slice(margin, -margin),) * 3]


def ground_glass(coarse: np.ndarray, lung: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Lung that is denser than aerated lung and thinner than anything else, as far as it is no blurred boundary.

    Parameters
    ----------
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    lung, within : ndarray of bool, shape (z, y, x)
        Aerated lung, which it lies against, and where it may be.
    """
    from scipy import ndimage

    thin = (smoothed(coarse) < GROUND_GLASS) & within & ~lung
    thin &= dilated(opened(thin, THICK), BESIDE)
    parts, _ = ndimage.label(thin)
    return thin & np.isin(parts, np.unique(parts[dilated(lung, STEP)]))


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
    levels = np.arange(len(lung)) <= np.flatnonzero(areas > LEAST * areas.max())[-1]
    inferred = place.dense & levels[:, None, None] & (place.lung > SELDOM)
    return lung | closed(lung) | (((above & below) | inferred) & place.lateral)
