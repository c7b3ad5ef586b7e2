"""Shapes of the synthetic thorax: signed distances on a coarse grid, tubes, and trees of tubes.

Everything here is in mm of an adult, z, y, x, with the patient's centre near 0 (z to the head, y to
the back, x to the left). A distance is an array (z, y, x) on `AXES`, in mm, negative inside. Tubes
are an array (n, 8) of rows ``z0, y0, x0, z1, y1, x1, r0, r1``: two ends and the radii there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter

Floats = Sequence[float] | np.ndarray

FIELD_OF_VIEW = ((-185.0, 165.0), (-142.0, 158.0), (-200.0, 200.0))
"""What a scan of the adult shows along z, y, x, in mm."""

STEP = 3.5
"""Spacing of the coarse grid in mm: shapes are smooth, so that their distances can be interpolated."""

AXES = tuple(np.arange(low - STEP, high + 2 * STEP, STEP, dtype=np.float32) for low, high in FIELD_OF_VIEW)
"""Coordinates of the coarse grid along z, y, x in mm."""

Z, Y, X = np.meshgrid(*AXES, indexing="ij", sparse=True)

FAR = 40.0
"""Distances to tubes are not told apart beyond this, in mm."""


def inside_all(*distances: np.ndarray) -> np.ndarray:
    """Distance to the intersection of shapes, of which at least one is 3D."""
    result = distances[0]
    for distance in distances[1:]:
        result = np.maximum(result, distance)
    return result


def profile(z: Floats, values: Floats) -> PchipInterpolator:
    """A smooth function of z with the given values at the given, rising z."""
    return PchipInterpolator(z, values)


def to_distance(field: np.ndarray) -> np.ndarray:
    """A field that is 0 on a surface as a distance, right to first order near the surface."""
    slope = np.sqrt(sum(g * g for g in np.gradient(field, STEP)))
    return field / np.maximum(slope, 0.3)


def hull(
    half_width: PchipInterpolator, front: PchipInterpolator, back: PchipInterpolator, roundness: float
) -> np.ndarray:
    """Distance to a trunk whose axial sections are superellipses (2 is an ellipse, more is boxier)."""
    z = AXES[0][:, None, None]
    a, b, centre = half_width(z), (back(z) - front(z)) / 2, (back(z) + front(z)) / 2
    # The back is hollow along the spine.
    y = Y + 8 * np.exp(-((X / 40) ** 2)) * np.clip(Y / 60, 0, 1)
    share = np.abs(X / a) ** roundness + np.abs((y - centre) / b) ** roundness
    return to_distance((b * (share ** (1 / roundness) - 1)).astype(np.float32))


def ellipsoid(centre: Floats, radii: Floats, long_axis: Floats = (1, 0, 0)) -> np.ndarray:
    """Distance to an ellipsoid; the first radius is the one along `long_axis`."""
    axes = np.linalg.qr(np.column_stack([long_axis, (0, 1, 0), (0, 0, 1)]))[0].T
    z, y, x = Z - np.float32(centre[0]), Y - np.float32(centre[1]), X - np.float32(centre[2])
    scaled = [
        (np.float32(u[0] / r) * z + np.float32(u[1] / r) * y + np.float32(u[2] / r) * x, r)
        for u, r in zip(axes, radii, strict=True)
    ]
    norm = np.sqrt(sum(s * s for s, _ in scaled))
    slope = np.sqrt(sum((s / np.float32(r)) ** 2 for s, r in scaled))
    return norm * (norm - 1) / np.maximum(slope, 1e-6)


def texture(rng: np.random.Generator, scale: float) -> np.ndarray:
    """Random field (z, y, x) of mean 0 and standard deviation 1 with structures of about `scale` mm."""
    shape = tuple(len(axis) for axis in AXES)
    field = gaussian_filter(rng.standard_normal(shape, np.float32), scale / STEP / 2, mode="wrap", truncate=2.5)
    return field / field.std()


def path(points: Sequence[Floats], radius: float, last_radius: float | None = None) -> np.ndarray:
    """Tubes along a smooth curve through points (z, y, x)."""
    nodes = np.array(points, float)
    lengths = np.linalg.norm(np.diff(nodes, axis=0), axis=1)
    at = np.concatenate([[0], np.cumsum(lengths)])
    fine = np.linspace(0, at[-1], max(2, round(at[-1] / 8)))
    curve = PchipInterpolator(at, nodes)(fine)
    radii = np.linspace(radius, radius if last_radius is None else last_radius, len(fine))[:, None]
    return np.hstack([curve[:-1], curve[1:], radii[:-1], radii[1:]])


def tree(rng: np.random.Generator, root: Floats, targets: np.ndarray, leaf_radius: float) -> np.ndarray:
    """A tree of tubes from a root to each of the targets (n, 3).

    Each tube heads for the middle of the targets that it has to supply and splits them in two across
    their longest extent, so that the tree fills the organ. Radii follow Murray's law.
    """
    tubes = []
    stack = [(np.array(root, float), targets, None)]
    while stack:
        start, cloud, radius_before = stack.pop()
        radius = leaf_radius * len(cloud) ** (1 / 2.8)
        radius_before = radius if radius_before is None else radius_before
        centre = cloud.mean(axis=0)
        end = start + (centre - start) * (rng.uniform(0.3, 0.5) if len(cloud) > 1 else 1)
        tubes.append((*start, *end, (radius_before + radius) / 2, radius))
        if len(cloud) > 1:
            longest = np.linalg.svd(cloud - centre, full_matrices=False)[2][0]
            order = np.argsort((cloud - centre) @ longest, kind="stable")
            cut = min(max(1, round(len(cloud) * rng.uniform(0.3, 0.7))), len(cloud) - 1)
            stack += [(end, cloud[order[:cut]], radius), (end, cloud[order[cut:]], radius)]
    return np.array(tubes)


def wavy(rng: np.random.Generator, tubes: np.ndarray) -> np.ndarray:
    """The same tubes bent: long ones are halved, again and again, at a point a little off their middle."""
    length = np.linalg.norm(tubes[:, 3:6] - tubes[:, :3], axis=1)
    long = tubes[length > 9]
    if not len(long):
        return tubes
    middle = (long[:, :3] + long[:, 3:6]) / 2
    middle += rng.normal(size=middle.shape) * 0.05 * length[length > 9, None]
    radius = long[:, 6:].mean(axis=1, keepdims=True)
    halves = np.concatenate(
        [np.hstack([long[:, :3], middle, long[:, 6:7], radius]), np.hstack([middle, long[:, 3:6], radius, long[:, 7:]])]
    )
    return np.concatenate([tubes[length <= 9], wavy(rng, halves)])


def near_tubes(
    axes: Sequence[np.ndarray], tubes: np.ndarray, reach: float
) -> Iterator[tuple[np.ndarray, list[tuple[slice, ...]], np.ndarray]]:
    """The parts of a grid within `reach` mm of tubes (their bounding boxes), and the distances there.

    Tubes whose boxes have the same shape come together, in any order: they are thousands, of few shapes.

    Parameters
    ----------
    axes : sequence of array
        Evenly spaced coordinates of the grid along z, y, x in mm.
    tubes : array (n, 8)
    reach : float
        In mm.

    Yields
    ------
    ndarray of int, list of tuple of slice, ndarray
        Which tubes, their boxes, and the distances (tube, z, y, x) in them.
    """
    starts, ends = tubes[:, :3], tubes[:, 3:6]
    margin = tubes[:, 6:].max(axis=1) + reach
    first, count = np.empty(starts.shape, int), np.empty(starts.shape, int)
    for i, axis in enumerate(axes):
        step = (axis[-1] - axis[0]) / (len(axis) - 1)
        low, high = np.minimum(starts[:, i], ends[:, i]) - margin, np.maximum(starts[:, i], ends[:, i]) + margin
        first[:, i] = np.maximum(0, np.ceil((low - axis[0]) / step))
        last = np.minimum(len(axis), ((high - axis[0]) / step).astype(int) + 1)
        count[:, i] = np.maximum(0, last - first[:, i])
    shapes, shape_of = np.unique(count, axis=0, return_inverse=True)
    for number, shape in enumerate(shapes):
        if shape.all():
            members = np.flatnonzero(shape_of.ravel() == number)
            corners = first[members]
            z, y, x = (axis[corners[:, i, None] + np.arange(shape[i])] for i, axis in enumerate(axes))
            boxes = [tuple(map(slice, corner, corner + shape)) for corner in corners]
            yield members, boxes, _distances(tubes[members], z, y, x)


def _distances(tubes: np.ndarray, z: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distances (n, z, y, x) to each of n tubes on a grid of its own, whose coordinates are (n, z), (n, y), (n, x)."""
    start, radius, last_radius = tubes[:, :3], tubes[:, 6], tubes[:, 7]

    def over_grid(values: np.ndarray) -> np.ndarray:
        return values.astype(np.float32)[:, None, None, None]

    z = (z - start[:, 0, None]).astype(np.float32)[:, :, None, None]
    y = (y - start[:, 1, None]).astype(np.float32)[:, None, :, None]
    x = (x - start[:, 2, None]).astype(np.float32)[:, None, None, :]
    way = (tubes[:, 3:6] - start).astype(np.float32)
    along = way / np.array([[max(float(one @ one), 1e-6)] for one in way], np.float32)
    share = z * over_grid(along[:, 0]) + y * over_grid(along[:, 1]) + x * over_grid(along[:, 2])
    np.clip(share, 0, 1, out=share)
    square = (z - share * over_grid(way[:, 0])) ** 2
    square += (y - share * over_grid(way[:, 1])) ** 2
    square += (x - share * over_grid(way[:, 2])) ** 2
    return np.sqrt(square) - over_grid(radius) - share * over_grid(last_radius - radius)


def tubes_distance(tubes: np.ndarray) -> np.ndarray:
    """Distance to the union of tubes, at most `FAR`."""
    result = np.full(tuple(len(axis) for axis in AXES), FAR, np.float32)
    for _, boxes, distances in near_tubes(AXES, tubes, FAR):
        for box, distance in zip(boxes, distances, strict=True):
            np.minimum(result[box], distance, out=result[box])
    return result
