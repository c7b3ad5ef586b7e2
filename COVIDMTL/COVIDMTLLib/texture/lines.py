"""Grey-level co-occurrence and run-length matrices, counted along the lines of a direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

DIRECTIONS = (
    *((0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1)),
    *((1, -1, -1), (1, -1, 0), (1, -1, 1), (1, 0, -1), (1, 0, 0), (1, 0, 1), (1, 1, -1), (1, 1, 0), (1, 1, 1)),
)
"""Steps (z, y, x) to one of each pair of the 26 neighbours of a voxel."""

CHUNK = 1 << 18  # voxels that are counted at once, few enough for the cache


def line_matrices(
    levels: Sequence[np.ndarray], mask: np.ndarray, progress: Callable[[float], None] = lambda fraction: None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Count pairs of neighbours and runs in all directions.

    Parameters
    ----------
    levels : sequence of ndarray of int, shape (n,)
        Grey levels, from 1, of one or several images at the n voxels of the mask, in the order of the array.
    mask : ndarray of bool, shape (z, y, x)
        False in all its faces.
    progress : callable, optional
        Is told the share done, 0 to 1.

    Returns
    -------
    list of (ndarray, ndarray)
        Of each image, how often level i + 1 is followed by j + 1, shape (levels, levels, 13), and how often it
        makes a run of j + 1 voxels, shape (levels, longest, 13); float64.
    """
    pairs, runs = [[] for _ in levels], [[] for _ in levels]
    for index, direction in enumerate(DIRECTIONS):
        order, last = _lines(mask, direction)
        for image, found_pairs, found_runs in zip(levels, pairs, runs, strict=True):
            one, other = _count(image, order, last, max(mask.shape))
            found_pairs.append(one)
            found_runs.append(other)
        progress((index + 1) / len(DIRECTIONS))
    return [(np.stack(one, -1), np.stack(other, -1)) for one, other in zip(pairs, runs, strict=True)]


def _lines(mask: np.ndarray, direction: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of a mask line by line, as indices (n,) among themselves, and which of them end a line."""
    step = int(np.dot(direction, (mask.shape[1] * mask.shape[2], mask.shape[2], 1)))
    number = np.zeros(mask.size + -mask.size % step, np.int32)
    inside = np.flatnonzero(mask)
    number[inside] = np.arange(1, len(inside) + 1, dtype=np.int32)
    # A step is as far everywhere in the flat array, so lines are columns; the margin keeps them from running on.
    number = number.reshape(-1, step).T.ravel()
    place = np.flatnonzero(number)
    last = np.ones(len(place), bool)
    last[:-1] = np.diff(place) != 1
    return number[place] - 1, last


def _count(levels: np.ndarray, order: np.ndarray, last: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (levels, levels) and runs (levels, longest) along lines, float64."""
    size = int(levels.max()) + 1
    pairs = np.zeros(size * size)
    runs = np.zeros(size * (longest + 1))
    # Chunks end where lines do.
    ends = np.flatnonzero(last) + 1
    cuts = ends[np.unique(np.searchsorted(ends, np.append(np.arange(CHUNK, len(order), CHUNK), len(order))))]
    for start, stop in zip(np.append(0, cuts[:-1]), cuts, strict=True):
        line = levels[order[start:stop]].astype(np.int32)
        end = last[start:stop].copy()
        following = line[:-1] * size + line[1:]
        following[end[:-1]] = 0
        pairs += np.bincount(following, minlength=len(pairs))
        end[:-1] |= line[1:] != line[:-1]
        at = np.flatnonzero(end)
        runs += np.bincount(line[at] * (longest + 1) + np.diff(at, prepend=-1), minlength=len(runs))
    return pairs.reshape(size, size)[1:, 1:], runs.reshape(size, longest + 1)[1:, 1:]
