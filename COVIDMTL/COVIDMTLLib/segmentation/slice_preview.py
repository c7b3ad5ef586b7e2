"""A preview: which slices to work on for one slice of a CT."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from ..imaging.volume import Geometry
from ..utils.errors import InputError

TIE = 1e-3
"""Voxels about the middle between two slices within which either may be the nearest, for rounding decides."""


def slices_through(point: Sequence[float], grid: Geometry, working: Geometry, name: str = "The volume") -> list[int]:
    """The slices of the working grid that one axial slice of a CT takes its mask from.

    A mask comes back to the CT by nearest neighbour, so that is the slice nearest to the CT's, wherever
    within the CT's slice the point lies; midway between two it is both.

    Parameters
    ----------
    point : sequence of 3 float
        LPS, in mm.
    grid : Geometry
        Of the CT.
    working : Geometry
        Of the CT on the working grid.
    name : str
        What to call the CT in an error.

    Returns
    -------
    list of int
        Indices along z; none where the working grid ends before the CT's last slice.

    Raises
    ------
    InputError
        If the point lies outside the CT.
    """
    index = grid.index_of(point)
    # A comparison with NaN is never true.
    if not all(-0.5 <= i <= n - 0.5 for i, n in zip(index, grid.size, strict=True)):
        raise InputError(
            f"The point {in_words(point)} lies outside {name}; give one inside it, as LPS coordinates in mm."
        )
    axial = int(np.abs(grid.axes.T @ working.axes[:, 2]).argmax())
    index[axial] = min(floor(index[axial] + 0.5), grid.size[axial] - 1)
    height = working.index_of(grid.point_at(index))[2]
    nearest = {floor(height + 0.5 - TIE), floor(height + 0.5 + TIE)}
    return sorted(z for z in nearest if 0 <= z < working.size[2])


def in_words(point: Sequence[float]) -> str:
    """A point (x, y, z) in mm as text."""
    return f"({', '.join(f'{coordinate:.1f}' for coordinate in point)}) mm"
