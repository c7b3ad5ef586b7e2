"""Grey-level co-occurrence and run-length matrices, counted along the lines of a direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

DIRECTIONS = (
    *((0, 0, 1), (0, 1, -1), (0, 1, 0), (0, 1, 1)),
    *((1, -1, -1), (1, -1, 0), (1, -1, 1), (1, 0, -1), (1, 0, 0), (1, 0, 1), (1, 1, -1), (1, 1, 0), (1, 1, 1)),
)
"""Steps (z, y, x) to one of each pair of the 26 neighbours of a voxel."""

CHUNK = 1 << 18  # voxels that are counted at once, few enough for the cache


def line_matrices(
    levels: Sequence[np.ndarray],
    mask: np.ndarray,
    progress: Callable[[float], None] = lambda fraction: None,
    count_runs: bool = True,
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
    count_runs : bool
        Whether runs are wanted; all 0 otherwise, in half of the time.

    Returns
    -------
    list of (ndarray, ndarray)
        Of each image, how often level i + 1 is followed by j + 1, shape (13, levels, levels), and how often it
        makes a run of j + 1 voxels, shape (13, levels, longest); float64.
    """
    longest = max(mask.shape)
    numbers = np.zeros(2 * mask.size, np.int32)
    numbers[np.flatnonzero(mask)] = np.arange(1, len(levels[0]) + 1, dtype=np.int32)
    levels = [np.append(np.uint16(0), one) for one in levels]  # of voxel 0, which is outside, and 1 to n
    sizes = [int(one.max()) + 1 for one in levels]
    pairs = [np.zeros((len(DIRECTIONS), size, size)) for size in sizes]
    runs = [np.zeros((len(DIRECTIONS), size, longest + 1)) for size in sizes]
    for number, direction in enumerate(DIRECTIONS):
        for voxels in _lines(numbers, mask.shape, direction):
            for one, found_pairs, found_runs in zip(levels, pairs, runs, strict=True):
                line = one.take(voxels)
                _count_pairs(line, found_pairs[number])
                if count_runs:
                    _count_runs(line, len(found_pairs[number]), found_runs[number])
        progress((number + 1) / len(DIRECTIONS))
    return [(one[:, 1:, 1:], other[:, 1:, 1:]) for one, other in zip(pairs, runs, strict=True)]


def _lines(numbers: np.ndarray, shape: tuple[int, ...], direction: tuple[int, int, int]) -> Iterator[np.ndarray]:
    """The voxels of a mask line by line, with a 0 after each line.

    Parameters
    ----------
    numbers : ndarray of int32, shape (2 z y x,)
        The number of each voxel of the mask, from 1 in the order of the array, and 0 elsewhere and after all of it.
    shape : (z, y, x)

    Yields
    ------
    ndarray of intp
        Numbers of some whole lines, about `CHUNK` voxels.
    """
    step = int(np.dot(direction, (shape[1] * shape[2], shape[2], 1)))
    rows = -(-int(np.prod(shape)) // step)
    # A step is as far everywhere in the flat array, so lines are columns; the margin keeps them from running on.
    number = numbers[: rows * step].reshape(rows, step).T.ravel()
    kept = number != 0
    kept[1:] |= kept[:-1].copy()
    lines = number[kept]
    ends = np.flatnonzero(lines == 0) + 1
    wanted = np.append(np.arange(CHUNK, len(lines), CHUNK), len(lines))
    cuts = np.unique(ends[np.searchsorted(ends, wanted)])
    for start, stop in zip(np.append(0, cuts[:-1]), cuts, strict=True):
        yield lines[start:stop].astype(np.intp)


def _count_pairs(line: np.ndarray, pairs: np.ndarray) -> None:
    """Add pairs (level, level) along lines, which are levels with a 0 after each line."""
    from skimage.feature import graycomatrix

    pairs += graycomatrix(line[np.newaxis], [1], [0], len(pairs))[..., 0, 0]


def _count_runs(line: np.ndarray, levels: int, runs: np.ndarray) -> None:
    """Add runs (level, length) along such lines."""
    from skimage.feature import graycomatrix

    ends = np.flatnonzero(line[1:] != line[:-1])
    places = ends.astype(np.uint16)  # of which differences are right, though they wrap around
    found = np.empty((2, len(ends)), np.uint16)
    found[0] = line[ends]
    found[1] = np.diff(places, prepend=np.uint16(-1 % (1 << 16)))
    # A level and, below it in the other row, the length of its run are a pair, too.
    size = max(levels, int(found[1].max()) + 1)
    counted = graycomatrix(found, [1], [np.pi / 2], size)[..., 0, 0]
    longest = min(size, runs.shape[1])
    runs[:, :longest] += counted[: len(runs), :longest]
