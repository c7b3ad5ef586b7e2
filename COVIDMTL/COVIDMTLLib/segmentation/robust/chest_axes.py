"""Where the two halves of a chest lie: each has an axis along z."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...imaging.coarse_grid import opened

BONE = 160
"""HU of bone on the coarse grid."""


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
    apex : float
        Highest slice with aerated lung; once the atlas is laid over the chest, that with any lung.
    height : float
        What the heights of the atlas, which are shares of the width, are multiplied with in this chest.
    """

    middle: float
    aside: np.ndarray
    depth: np.ndarray
    width: float
    apex: float
    height: float = 1.0


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
        middle = np.interp(0.5, np.cumsum(spine) / spine.sum(), x)

    distance = np.abs(x - middle)
    weight = lung.sum(axis=(1, 2)).astype(float)
    moments = (lung.sum(axis=1) * distance).sum(axis=1), (lung.sum(axis=2) * np.arange(lung.shape[1])).sum(axis=1)
    smooth = [ndimage.gaussian_filter1d(values, 5, mode="nearest") for values in (weight, *moments)]
    known = np.flatnonzero(smooth[0] > 0.02 * smooth[0].max())
    axes = [np.interp(np.arange(len(lung)), known, moment[known] / smooth[0][known]) for moment in smooth[1:]]
    width = max(float(np.percentile(np.broadcast_to(distance, lung.shape)[lung], 99)), 1.0)
    return Frame(float(middle), axes[0], axes[1], width, float(slices[-1]))
