"""Painting the shapes of the synthetic thorax on the grid of a CT."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..imaging.volume import HU_RANGE, Geometry
from .shapes import AXES, STEP, near_tubes

NOISE = 17.0
"""Standard deviation of the noise in HU."""

BLUR = 2.1
"""Width in mm over which an edge is spread, as by a point spread function of 0.6 mm sigma."""


class Canvas:
    """The CT while it is being painted, slice by slice: what is worked on stays in the processor's cache.

    Lengths are in mm of the adult.
    """

    def __init__(self, geometry: Geometry, size: float):
        self.hu = np.full(geometry.shape, -1000, np.float32)
        self.axes = tuple(
            ((origin + spacing * np.arange(n)) / size).astype(np.float32)
            for n, spacing, origin in zip(geometry.shape, geometry.spacing[::-1], geometry.origin[::-1], strict=True)
        )
        self.edge = float(np.hypot(BLUR, np.mean(geometry.spacing))) / size
        steps = ((axis - coarse[0]) / np.float32(STEP) for axis, coarse in zip(self.axes, AXES, strict=True))
        # Beyond the coarse grid everything goes on as it is at its end.
        self._places = [
            _split(np.clip(position, 0, len(coarse) - 1.001)) for position, coarse in zip(steps, AXES, strict=True)
        ]

    def section(self, field: np.ndarray, k: int, rows: slice, columns: slice) -> np.ndarray:
        """A coarse field (z, y, x) in a part (y, x) of slice `k`, interpolated linearly."""
        (z, z_share), (y, y_share), (x, x_share) = self._places
        plane = field[z[k]] + (field[z[k] + 1] - field[z[k]]) * z_share[k]
        # Whole rows are quick to copy, so x is interpolated on the transposed plane.
        return _between(_between(plane.T, x[columns], x_share[columns]).T, y[rows], y_share[rows])

    def sections(self, distance: np.ndarray) -> Iterator[tuple[tuple[int, slice, slice], np.ndarray]]:
        """Slice by slice the part of the CT that a shape may touch, as an index, and the distances there."""
        near = distance < self.edge / 2 + STEP
        box = []
        for axis, (index, _) in enumerate(self._places):
            touched = np.flatnonzero(near.any(axis=tuple({0, 1, 2} - {axis})))
            if not len(touched):
                return
            box.append(slice(*np.searchsorted(index, (touched[0] - 1, touched[-1] + 1))))
        for k in range(box[0].start, box[0].stop):
            where = k, box[1], box[2]
            yield where, self.section(distance, *where)

    def cover(self, distance: np.ndarray) -> np.ndarray:
        """Share of each voxel that a shape takes, edges blurred."""
        return np.clip(0.5 - distance / np.float32(self.edge), 0, 1)

    def paint(self, distance: np.ndarray, hu: float) -> None:
        """Paint a shape given by its distance on the coarse grid."""
        for where, d in self.sections(distance):
            self.blend(where, d, hu)

    def blend(self, where: tuple, distance: np.ndarray, hu: float | np.ndarray) -> None:
        """Paint a part of a slice given the distances there."""
        part = self.hu[where]
        part += (hu - part) * self.cover(distance)

    def paint_tubes(self, tubes: np.ndarray, hu: float, over: float) -> None:
        """Paint tubes on a background of about `over` HU, as partial volumes where they are thin."""
        stronger = np.maximum if hu > over else np.minimum
        thin = np.minimum(1, 2 * tubes[:, 6:].mean(axis=1) / self.edge).astype(np.float32)
        for members, boxes, distances in near_tubes(self.axes, tubes, self.edge / 2):
            cover = self.cover(distances) * thin[members, None, None, None]
            painted = over + np.float32(hu - over) * cover
            for box, values, where in zip(boxes, painted, cover > 0, strict=True):
                part = self.hu[box]
                stronger(part, values, out=part, where=where)

    def scanned(self, seed: int) -> np.ndarray:
        """The CT in HU, int16, with noise that neighbours within a slice share a part of."""
        rng = np.random.default_rng([seed, 2])
        ct = np.empty(self.hu.shape, np.int16)
        rows, columns = ct.shape[1:]
        for k, plane in enumerate(self.hu):
            noise = rng.standard_normal((rows + 1, columns + 1), np.float32)
            noise = noise[1:] + noise[:-1]
            noise = (noise[:, 1:] + noise[:, :-1]) * np.float32(NOISE / 2)
            ct[k] = np.clip(np.rint(plane + noise), *HU_RANGE)
        return ct


def _split(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    whole = np.floor(position).astype(int)
    return whole, (position - whole).astype(np.float32)


def _between(rows: np.ndarray, index: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Rows interpolated between `index` and the next."""
    lower, between = rows.take(index, axis=0), rows.take(index + 1, axis=0)
    between -= lower
    between *= share[:, None]
    between += lower
    return between
