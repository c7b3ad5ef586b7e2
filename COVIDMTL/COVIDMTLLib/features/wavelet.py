"""The wavelet sub-bands of a lung volume, at the voxels of the lungs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LOW_PASS = (
    *(-0.015655728135791993, -0.07273261951252645, 0.3848648468648578),
    *(0.8525720202116004, 0.3378976624574818, -0.07273261951252645),
)
"""Taps of the wavelet coif1, to the last digit those of PyWavelets, which PyRadiomics takes."""

TAPS = {"L": LOW_PASS, "H": tuple(tap * (-1) ** (at + 1) for at, tap in enumerate(reversed(LOW_PASS)))}

BEFORE, AFTER = 2, 3
"""Voxels by which the filters reach to either side."""

BLOCK = (16, 16)  # slices and rows that are filtered at once, few enough for the cache


def sub_band_values(image: np.ndarray, mask: np.ndarray, letters: Sequence[str] = "LH") -> dict[str, np.ndarray]:
    """The stationary (undecimated) wavelet transform of one level, as PyRadiomics has it, inside a mask.

    Parameters
    ----------
    image : ndarray of shape (z, y, x)
        With `AFTER` voxels of 0 or more at each face.
    mask : ndarray of bool, shape (z, y, x)
        Where values are wanted, not in that margin.
    letters : sequence of {"L", "H"}
        What the names of the sub-bands that are wanted begin with.

    Returns
    -------
    dict
        For each sub-band, such as ``LLH``, its values in the mask, in the order of the array: float64 of shape (n,).
        The letters go by the axes x, y, z.
    """
    rows = mask.shape[1]
    first = np.append(0, np.cumsum(mask.sum(axis=2)))  # of each row, in the order of the array
    found = {letter + y + z: np.empty(first[-1]) for letter in letters for y in "LH" for z in "LH"}
    for z in range(0, mask.shape[0], BLOCK[0]):
        for y in range(0, rows, BLOCK[1]):
            box = _shrunk(mask, (slice(z, z + BLOCK[0]), slice(y, y + BLOCK[1])))
            if box is None:
                continue
            inside = mask[box]
            at = np.concatenate([np.arange(first[n + box[1].start], first[n + box[1].stop]) for n in _rows(box, rows)])
            block = image[tuple(slice(side.start - BEFORE, side.stop + AFTER) for side in box)].astype(float)
            for letter in letters:
                along_x = _filter(block, 2, letter)
                for letter_y in "LH":
                    along_y = _filter(along_x, 1, letter_y)
                    for letter_z in "LH":
                        found[letter + letter_y + letter_z][at] = _filter(along_y, 0, letter_z)[inside]
    return found


def _shrunk(mask: np.ndarray, block: tuple[slice, slice]) -> tuple[slice, slice, slice] | None:
    """The box of a mask within some slices and rows; None if there is nothing in it."""
    inside = mask[block]
    box = []
    for axis, start in enumerate((block[0].start, block[1].start, 0)):
        places = np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis})))
        if not len(places):
            return None
        box.append(slice(start + int(places[0]), start + int(places[-1]) + 1))
    return box[0], box[1], box[2]


def _rows(box: tuple[slice, slice, slice], rows: int) -> range:
    """The number of the first row of each slice of a box."""
    return range(box[0].start * rows, box[0].stop * rows, rows)


def _filter(block: np.ndarray, axis: int, letter: str) -> np.ndarray:
    """A block, shorter by `BEFORE` + `AFTER` along an axis, filtered along it.

    Taps are added up in PyWavelets' order: where the image is flat, what is left of 0 after rounding decides between
    two grey levels.
    """
    length = block.shape[axis] - BEFORE - AFTER
    filtered: np.ndarray | None = None
    product: np.ndarray | None = None
    for number, tap in enumerate(TAPS[letter]):
        start = BEFORE + AFTER - number
        part = block[(slice(None),) * axis + (slice(start, start + length),)]
        if filtered is None:
            filtered, product = part * tap, np.empty(part.shape)
        else:
            filtered += np.multiply(part, tap, out=product)
    assert filtered is not None, "a filter has taps"
    return filtered
