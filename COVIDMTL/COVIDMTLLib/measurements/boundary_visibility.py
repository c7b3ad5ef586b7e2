"""How much of the boundary of a lung mask the image shows, whatever the mask comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import Volume

SHOWN, INFERRED = 1, 2
"""Labels of the boundary."""

CONTRAST = 200
"""HU by which what lies outside the boundary has to be denser than the lung inside."""

DEPTH = 3
"""Voxels of 1 mm on either side of the boundary that are compared: a mask that is 2 mm off is not doubted for it."""

CELL = 3
"""Side in mm of the cells in which densities are averaged, each together with the cells around it."""

WARN_SHARE = 0.8
"""Share of the boundary of a lung below which there is a warning."""

Shares = Mapping[str, float | None]


@dataclass(frozen=True)
class Boundary:
    """The boundary of the lungs.

    Attributes
    ----------
    labels : Volume
        uint8 on the grid of the lungs: `SHOWN` or `INFERRED` in their outermost voxels, 0 elsewhere.
    shares : dict
        For ``both``, ``right`` and ``left`` the share of the boundary that the image shows, 0 to 1; None for a lung
        that is not there.
    """

    labels: Volume
    shares: Shares


def find_boundary(ct: Volume, lungs: Volume) -> Boundary:
    """Find the boundary of the lungs, and where the image shows it.

    That is where, on the average over about a centimetre, the lung is less dense than what lies around it, which
    against an airway is the wall of it. It is not where dense lung meets tissue, where a mask ends within aerated lung
    or well outside of it, nor where the image ends. Of lung that a mask leaves out this says nothing.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : Volume
        1 right lung, 2 left lung, on the same grid.

    Returns
    -------
    Boundary
    """
    labels = np.zeros(lungs.array.shape, np.uint8)
    if lungs.array.any():
        box = box_of(lungs.array > 0, DEPTH)
        mask = lungs.array[box] > 0
        inside, outside = (_means(ct.array[box], _rim(part)) for part in (mask, ~mask))
        shown = outside - inside >= CONTRAST  # never of NaN
        # Beyond the image there is no lung that could be seen.
        surface = np.nonzero(mask & _grown(np.pad(~mask, 1, constant_values=True))[1:-1, 1:-1, 1:-1])
        labels[box][surface] = np.where(shown[tuple(at // CELL for at in surface)], SHOWN, INFERRED)
    sides = {"both": labels, "right": labels[lungs.array == RIGHT], "left": labels[lungs.array == LEFT]}
    return Boundary(lungs.with_array(labels), {side: _share(part) for side, part in sides.items()})


def warnings(shares: Shares) -> list[str]:
    """Warnings about lungs of whose boundary the image shows too little.

    Parameters
    ----------
    shares : dict
        As in `Boundary`.
    """
    little = [
        f"{1 - share:.0%} of the boundary of the {side} lung"
        for side in ("right", "left")
        if (share := shares[side]) is not None and share < WARN_SHARE
    ]
    if not little:
        return []
    return [
        f"The CT does not show {' and '.join(little)}: it was inferred, and is dashed in reports. Look at the lungs, "
        "and give a better mask if they are wrong."
    ]


def _grown(mask: np.ndarray) -> np.ndarray:
    """A mask with the six neighbours of its voxels; ten times as fast as by `scipy.ndimage`."""
    grown = mask.copy()
    for axis in range(mask.ndim):
        along, given = np.moveaxis(grown, axis, 0), np.moveaxis(mask, axis, 0)
        along[1:] |= given[:-1]
        along[:-1] |= given[1:]
    return grown


def _rim(mask: np.ndarray) -> np.ndarray:
    """The voxels of a mask within `DEPTH` steps of what is not in it."""
    near = ~mask
    for _ in range(DEPTH):
        near = _grown(near)
    return near & mask


def _means(hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Mean HU in a mask around each cell, NaN where the mask is far: shape (z, y, x) in cells."""
    from scipy import ndimage

    shape = tuple(-(-n // CELL) for n in mask.shape)
    inside = np.nonzero(mask)
    cells = np.ravel_multi_index(tuple(at // CELL for at in inside), shape)
    count, total = (
        ndimage.uniform_filter(np.bincount(cells, weights, np.prod(shape)).reshape(shape), 3, mode="constant")
        for weights in (np.ones(len(cells)), hu[inside])
    )
    return np.divide(total, count, out=np.full(shape, np.nan), where=count > 1e-3)


def _share(labels: np.ndarray) -> float | None:
    shown, inferred = (np.count_nonzero(labels == label) for label in (SHOWN, INFERRED))
    return round(float(shown / (shown + inferred)), 4) if shown + inferred else None
