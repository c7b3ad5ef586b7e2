"""The wavelet sub-bands of a lung volume, at the voxels of the lungs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

WAVELET = "coif1"

MARGIN = 5
"""Voxels by which the filters of the wavelet reach to either side."""

SLAB = 64  # slices that are transformed at once, so that the eight sub-bands of a whole CT are never in memory


def sub_band_values(image: np.ndarray, mask: np.ndarray, letters: Sequence[str] = "LH") -> dict[str, np.ndarray]:
    """The stationary wavelet transform of one level, as PyRadiomics has it, inside a mask.

    Parameters
    ----------
    image : ndarray of shape (z, y, x)
        With at least `MARGIN` voxels of 0 at each face, since the transform wraps around; even along each axis.
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
    if not letters:
        return {}
    import pywt

    depth = len(image)
    first = np.concatenate([[0], np.cumsum(mask.sum(axis=(1, 2)))])
    found: dict[str, np.ndarray] = {}
    for start in range(MARGIN, depth - MARGIN, SLAB):
        stop = min(start + SLAB, depth - MARGIN)
        inside = mask[start:stop]
        slab = image[start - MARGIN : stop + MARGIN]
        slab = np.pad(slab, ((0, len(slab) % 2), (0, 0), (0, 0)))
        for letter, half in zip("LH", pywt.swt(slab, WAVELET, level=1, axis=2)[0], strict=True):
            # As `pywt.swtn` along all three axes would go on.
            bands = pywt.swtn(half, WAVELET, level=1, axes=(1, 0))[0] if letter in letters else {}
            for key, band in bands.items():
                name = letter + key.replace("a", "L").replace("d", "H")
                values = found.setdefault(name, np.empty(first[-1]))
                values[first[start] : first[stop]] = band[MARGIN : MARGIN + stop - start][inside]
    return found
