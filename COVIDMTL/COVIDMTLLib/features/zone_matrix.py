"""Grey-level size zone matrices: connected voxels of one level."""

from __future__ import annotations

import numpy as np


def zone_matrix(levels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count zones, connected by faces, edges or corners, of each level and size.

    Parameters
    ----------
    levels : ndarray of int, shape (z, y, x)
        Grey levels, from 1; 0 outside.

    Returns
    -------
    counts : ndarray of float64, shape (levels, sizes)
    levels : ndarray of int, shape (levels,)
        The levels that occur.
    sizes : ndarray of int, shape (sizes,)
        The sizes that occur, in voxels.
    """
    from skimage.measure import label

    zones, levels = label(levels, background=0, connectivity=3).ravel(), levels.ravel()
    size = np.bincount(zones)
    level = np.zeros(len(size), levels.dtype)
    level[zones] = levels
    sizes, column = np.unique(size[1:], return_inverse=True)
    occurring, row = np.unique(level[1:], return_inverse=True)
    counts = np.zeros((len(occurring), len(sizes)))
    np.add.at(counts, (row, column), 1)
    return counts, occurring, sizes
