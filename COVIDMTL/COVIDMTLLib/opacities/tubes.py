"""Where density is curved as that of a tube is.

Across a tube the density falls to two sides, across a fissure to one, and in a ball to three: the second derivatives
tell (Sato et al., Medical Image Analysis 2, 1998). They are computed where lung is dense alone, so that no Hessian of a
whole CT is in memory.
"""

from __future__ import annotations

import numpy as np


def tubes(
    dense: np.ndarray, where: np.ndarray, scale: float, least: float, *, balls: bool = True, spacing: float = 1.0
) -> np.ndarray:
    """Where the density falls to two sides as steeply as is asked for, from a ridge not farther away than the scale.

    At the edge of an opacity, which is no tube, it falls to two sides as well, but the ridge is far away.

    Parameters
    ----------
    dense : ndarray of float32, shape (z, y, x)
        HU above healthy lung.
    where : ndarray of bool, shape (z, y, x)
        Where it is looked at.
    scale : float
        Standard deviation in mm of the Gaussian filter, best for tubes of 1.4 times that radius.
    least : float
        Curvature across a tube, at least, in HU: the second derivative times the square of the scale.
    balls : bool
        Whether what falls to a third side a quarter as steeply, as where tubes branch, is found, too.
    spacing : float
        Of the voxels, in mm.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
    """
    from scipy import ndimage

    width = scale / spacing
    # A voxel around, which all differences stay within.
    values = np.pad(ndimage.gaussian_filter(dense, width, truncate=3), 1, mode="edge")
    at, steps = np.flatnonzero(np.pad(where, 1)), [stride // values.itemsize for stride in values.strides]
    flat = values.ravel()
    hessian, slope = np.empty((len(at), 3, 3), np.float32), np.zeros(len(at), np.float32)
    for i, one in enumerate(steps):
        slope += ((flat[at + one] - flat[at - one]) / 2) ** 2
        hessian[:, i, i] = flat[at + one] - 2 * flat[at] + flat[at - one]
        for j, other in enumerate(steps[:i]):
            same = flat[at + one + other] + flat[at - one - other]
            hessian[:, i, j] = hessian[:, j, i] = (same - flat[at + one - other] - flat[at - one + other]) / 4
    third, curvature, _first = -np.linalg.eigvalsh(hessian).T[::-1]
    ridge = (curvature * width**2 > least) & (np.sqrt(slope) < curvature * width)
    if not balls:
        ridge &= np.abs(third) < curvature / 4
    found = np.zeros(values.size, bool)
    found[at] = ridge
    return found.reshape(values.shape)[1:-1, 1:-1, 1:-1]
