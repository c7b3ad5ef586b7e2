"""Resampling with a cubic B-spline, axis by axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor

import numpy as np

MODULES = ("scipy.ndimage", "threadpoolctl")
"""What resampling imports, for `optional_imports.require`."""

REACH = 24
"""Samples to either side of a point beyond which none sways the spline there by 1e-8 of its value."""

BLOCK = 32  # samples of the result that are made at once of those of the image around them
SLICES = 8  # of the image that are in memory as float64 at once


def resample_cubic(
    array: np.ndarray, steps: Sequence[float], shape: Sequence[int], limits: tuple[float, float]
) -> np.ndarray:
    """Resample a volume on a grid with the same axes and the same first voxel.

    SimpleITK's ``sitkBSpline`` with nearest-neighbour extrapolation, sooner: where the axes stay what they are, an
    interpolation in space is three along them, and each of these a product with a matrix whose entries fade away from
    its diagonal.

    Parameters
    ----------
    array : ndarray of shape (z, y, x)
    steps : sequence of 3 float
        Of the grid along z, y, x, in voxels of the array.
    shape : sequence of 3 int
        Voxels (z, y, x) of the grid.
    limits : (float, float)
        What values are clipped to before.

    Returns
    -------
    ndarray of int16
        Rounded values on the grid.
    """
    from threadpoolctl import threadpool_limits

    found = np.empty(shape, np.int16)
    # Products as small as these are no sooner with several threads, and far later where these wait for each other.
    with threadpool_limits(1, user_api="blas"):
        _interpolate(found, array, steps, limits)
    _extrapolate(found, array, steps, limits)
    return found


def _interpolate(found: np.ndarray, array: np.ndarray, steps: Sequence[float], limits: tuple[float, float]) -> None:
    sizes = list(zip(array.shape, steps, found.shape, strict=True))
    along_z, along_y, along_x = (_weights(*size) for size in sizes)
    plane = np.empty((len(array), *found.shape[1:]))
    for first in range(0, len(array), SLICES):
        slices = np.s_[first : first + SLICES]
        rows = np.empty((len(array[slices]), array.shape[1], found.shape[2]))
        clipped = np.clip(array[slices], *limits).astype(float)
        for there, here in _blocks(*sizes[2]):
            rows[..., there] = clipped[..., here] @ along_x[there, here].T
        for there, here in _blocks(*sizes[1]):
            plane[slices, there] = along_y[there, here] @ rows[:, here]
    for there, here in _blocks(*sizes[0]):
        found[there] = np.rint(np.tensordot(along_z[there, here], plane[here], 1))


def _weights(samples: int, step: float, points: int) -> np.ndarray:
    """The part that each sample has in the spline at each point: (points, samples)."""
    from scipy import ndimage

    places = np.meshgrid(np.arange(points) * step, np.arange(samples), indexing="ij")
    return ndimage.map_coordinates(np.eye(samples), places, order=3, mode="mirror")


def _blocks(samples: int, step: float, points: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of points, and the samples that count for them."""
    for first in range(0, points, BLOCK):
        stop = min(first + BLOCK, points)
        yield (
            slice(first, stop),
            slice(max(0, floor(first * step) - REACH), min(samples, ceil((stop - 1) * step) + 1 + REACH)),
        )


def _extrapolate(found: np.ndarray, array: np.ndarray, steps: Sequence[float], limits: tuple[float, float]) -> None:
    """Where the grid leaves the last voxel behind, take the nearest."""
    at = [np.arange(n) * step for n, step in zip(found.shape, steps, strict=True)]
    nearest = [np.minimum(np.floor(a + 0.5).astype(int), n - 1) for a, n in zip(at, array.shape, strict=True)]
    for axis, (a, n) in enumerate(zip(at, array.shape, strict=True)):
        beyond = np.flatnonzero(a >= n - 0.5)
        if len(beyond):
            here = [beyond if other == axis else np.arange(m) for other, m in enumerate(found.shape)]
            places = [index[where] for index, where in zip(nearest, here, strict=True)]
            found[np.ix_(*here)] = np.clip(array[np.ix_(*places)], *limits)
