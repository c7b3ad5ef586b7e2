"""The wavelet sub-bands of a lung volume, at the voxels of the lungs."""

from __future__ import annotations

import numpy as np

WAVELET = "coif1"

MARGIN = 5
"""Voxels by which the filters of the wavelet reach to either side."""

SLAB = 64  # slices that are transformed at once, so that the eight sub-bands of a whole CT are never in memory


def sub_band_values(image: np.ndarray, mask: np.ndarray) -> dict[str, np.ndarray]:
    """The stationary wavelet transform of one level, as PyRadiomics has it, inside a mask.

    Parameters
    ----------
    image : ndarray of shape (z, y, x)
        With at least `MARGIN` voxels of 0 at each face, since the transform wraps around; even along each axis.
    mask : ndarray of bool, shape (z, y, x)
        Where values are wanted, not in that margin.

    Returns
    -------
    dict
        For each sub-band, such as ``LLH``, its values in the mask, in the order of the array: float64 of shape (n,).
        The letters go by the axes x, y, z.
    """
    import pywt

    depth = len(image)
    first = np.concatenate([[0], np.cumsum(mask.sum(axis=(1, 2)))])
    found: dict[str, np.ndarray] = {}
    for start in range(MARGIN, depth - MARGIN, SLAB):
        stop = min(start + SLAB, depth - MARGIN)
        inside = mask[start:stop]
        slab = image[start - MARGIN : stop + MARGIN]
        slab = np.pad(slab, ((0, len(slab) % 2), (0, 0), (0, 0)))
        for key, band in pywt.swtn(slab, WAVELET, level=1, axes=(2, 1, 0))[0].items():
            values = found.setdefault(key.replace("a", "L").replace("d", "H"), np.empty(first[-1]))
            values[first[start] : first[stop]] = band[MARGIN : MARGIN + stop - start][inside]
    return found
