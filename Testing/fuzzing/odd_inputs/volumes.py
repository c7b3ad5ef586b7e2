"""Odd arrays and odd geometry."""

from __future__ import annotations

import numpy as np
from COVIDMTLLib.imaging.volume import Geometry, Volume
from scipy.spatial.transform import Rotation

from .image_files import TYPES


def retyped(volume: Volume, dtype: str) -> Volume:
    """A CT in another type: clipped to what it holds."""
    array = volume.array
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        array = np.clip(array, max(limits.min, -(2**15)), min(limits.max, 2**15))
    return volume.with_array(array.astype(dtype))


def restored(volume: Volume, rng: np.random.Generator) -> Volume:
    """The same CT in the same place, its voxels stored in another order of axes and directions."""
    order = rng.permutation(3)
    flips = rng.choice([1, -1], 3)
    geometry = volume.geometry
    array = np.transpose(volume.array, tuple(2 - order[::-1]))[tuple(slice(None, None, one) for one in flips[::-1])]
    corner = [0 if flip > 0 else geometry.size[axis] - 1 for axis, flip in zip(order, flips, strict=True)]
    index = np.zeros(3)
    index[order] = corner
    axes = geometry.axes[:, order] * flips
    spacing = tuple(geometry.spacing[axis] for axis in order)
    return Volume(
        np.ascontiguousarray(array),
        Geometry(array.shape[::-1], spacing, tuple(geometry.point_at(index).tolist()), tuple(axes.ravel().tolist())),
    )


def turned(volume: Volume, rng: np.random.Generator, degrees: float = 30.0) -> Volume:
    """The same voxels as of a patient who lay obliquely."""
    turn = Rotation.from_euler("xyz", rng.uniform(-degrees, degrees, 3), degrees=True).as_matrix()
    geometry = volume.geometry
    axes = turn @ geometry.axes
    origin = turn @ np.array(geometry.origin)
    return Volume(
        volume.array, Geometry(geometry.size, geometry.spacing, tuple(origin.tolist()), tuple(axes.ravel().tolist()))
    )


def resliced(volume: Volume, count: int) -> Volume:
    """The same chest in another number of slices, nearest neighbours."""
    geometry = volume.geometry
    z = np.linspace(0, geometry.size[2] - 1, count).round().astype(int)
    spacing = (*geometry.spacing[:2], geometry.extent[2] / count)
    return Volume(volume.array[z], Geometry((*geometry.size[:2], count), spacing, geometry.origin, geometry.direction))


def odd_values(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values that are no CT, or one with something odd about it."""
    real = array.astype(np.float32)
    bad = rng.choice([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10])
    kinds = (
        lambda: np.full_like(array, rng.choice([0, -1024, 3000])),
        lambda: np.where(rng.random(array.shape) < rng.choice([1e-5, 1e-2, 1]), bad, real).astype(np.float32),
        lambda: array + 1024,
        lambda: np.where(np.hypot(*np.indices(array.shape[1:]) - 16) > 14, -32768, array).astype(np.int16),
        lambda: np.interp(array, [-1000, -900, -150, -50, 50, 300], [5, 20, 60, 600, 250, 40]).astype(np.int16),
        lambda: (real + 1024) / 4095,
        lambda: -array,
        lambda: rng.normal(rng.uniform(-1000, 1000), rng.choice([0.1, 30, 1e4]), array.shape).astype(np.float32),
        lambda: real * rng.choice([1e-3, 10, 1e6]),
        lambda: np.clip(array, -1024, rng.choice([-900, -300, 0, 300])),
        lambda: rng.permutation(array.ravel()).reshape(array.shape),
        lambda: (array < -500).astype(np.uint8),
    )
    return kinds[rng.integers(len(kinds))]()


def odd_geometry(volume: Volume, rng: np.random.Generator) -> Volume:
    """Spacing, origin and axes that are wrong, or right and unusual."""
    geometry = volume.geometry
    spacing, origin, axes = np.array(geometry.spacing), np.array(geometry.origin), geometry.axes.copy()
    what = rng.integers(5)
    if what == 0:
        factor = rng.choice([0, -1, 1e-3, 1e-30, 0.1, 1000, 1e30, np.nan, np.inf])
        spacing = spacing * (factor if rng.random() < 0.5 else np.where(np.arange(3) == rng.integers(3), factor, 1))
    elif what == 1:
        origin[rng.integers(3)] = rng.choice([np.nan, np.inf, 1e30, 1e6, -1e4, 1e-300])
    elif what == 2:
        axes[rng.integers(3), rng.integers(3)] += rng.choice([0.3, 1, -1, 100, np.nan, 0.004])
    elif what == 3:
        axes = rng.choice([np.zeros((3, 3)), np.ones((3, 3)), axes * 2, axes * -1, axes[:, [1, 0, 2]], axes * 1e-8])
    else:
        axes = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    said = Geometry(
        geometry.size, tuple(spacing.tolist()), tuple(origin.tolist()), tuple(np.asarray(axes, float).ravel().tolist())
    )
    return Volume(volume.array, said)


def odd_size(volume: Volume, rng: np.random.Generator) -> Volume:
    """1 to 700 slices, of the same chest or cut out of it."""
    if rng.random() < 0.4:
        return resliced(volume, int(rng.choice([1, 2, 19, 20, 21, 100, 300, 700], p=[0.1] * 3 + [0.2] * 2 + [0.1] * 3)))
    box = []
    for n in volume.array.shape:
        start = int(rng.integers(0, n)) if rng.random() < 0.5 else 0
        box.append(slice(start, start + int(rng.integers(1, n - start + 1))))
    array = np.ascontiguousarray(volume.array[tuple(box)])
    geometry = volume.geometry
    return Volume(array, Geometry(array.shape[::-1], geometry.spacing, geometry.origin, geometry.direction))


def odd_type(rng: np.random.Generator) -> str:
    """The name of any type of numbers."""
    return str(rng.choice(TYPES))
