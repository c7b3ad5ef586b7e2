"""The part of an array that there is something in."""

from __future__ import annotations

import numpy as np


def box_of(mask: np.ndarray, margin: int = 0) -> tuple[slice, ...]:
    """The smallest box that holds a mask.

    Parameters
    ----------
    mask : ndarray of bool
        Not empty.
    margin : int
        How many voxels more the box has to each side, as far as the array reaches.

    Returns
    -------
    tuple of slice
        One for each axis.
    """
    from scipy import ndimage

    found = ndimage.find_objects(mask.astype(np.uint8))[0]
    return tuple(
        slice(max(0, side.start - margin), min(side.stop + margin, n))
        for side, n in zip(found, mask.shape, strict=True)
    )
