"""Features of grey-level run-length (GLRLM) and size-zone (GLSZM) matrices: how long runs are, how large zones.

Formulas are the same for both, by level and by extent, the length of a run or the size of a zone.
"""

from __future__ import annotations

import numpy as np

from .first_order import EPSILON


def run_length(runs: np.ndarray, levels: np.ndarray) -> dict[str, float]:
    """The 16 GLRLM features of PyRadiomics, each the mean over directions (IBSI's 3D:avg).

    Parameters
    ----------
    runs : ndarray of shape (directions, levels, longest)
        How often level i + 1 makes a run of j + 1 voxels, as `line_matrices.line_matrices` counts it.
    levels : ndarray of int, shape (n,)
        The levels that occur.

    Returns
    -------
    dict
        Value by name, of `names.GLRLM`.
    """
    lengths = np.flatnonzero(runs.any(axis=(0, 1))) + 1
    return _features(
        runs[:, levels - 1][:, :, lengths - 1], levels, lengths, ("ShortRun", "LongRun", "Run", "RunLength")
    )


def size_zone(counts: np.ndarray, levels: np.ndarray, sizes: np.ndarray) -> dict[str, float]:
    """The 16 GLSZM features of PyRadiomics.

    Parameters
    ----------
    counts : ndarray of shape (n, sizes)
        How many zones there are of each level and size, as `zone_matrix.zone_matrix` counts them.
    levels : ndarray of int, shape (n,)
    sizes : ndarray of int, shape (sizes,)
        In voxels.

    Returns
    -------
    dict
        Value by name: of `names.GLSZM`, and the first three of `names.GLRLM`.
    """
    return _features(counts[np.newaxis], levels, sizes, ("SmallArea", "LargeArea", "Zone", "SizeZone"))


def _features(
    counts: np.ndarray, levels: np.ndarray, extents: np.ndarray, words: tuple[str, str, str, str]
) -> dict[str, float]:
    """Features of counts (directions, levels, extents), named with the words for little, large, one, and extent."""
    little, large, one, extent = words
    total = counts.sum(axis=(1, 2))
    counts, total = counts[total > 0], total[total > 0]
    p = counts / total[:, None, None]
    i, j = levels.astype(float), extents.astype(float)
    p_level, p_extent = p.sum(axis=2), p.sum(axis=1)

    def emphasis(of_level: int, of_extent: int) -> np.ndarray:
        return np.einsum("dij,i,j->d", p, i**of_level, j**of_extent)

    level_uniformity, extent_uniformity = np.sum(p_level**2, axis=1), np.sum(p_extent**2, axis=1)
    values = {
        f"{little}Emphasis": p_extent @ j**-2,
        f"{large}Emphasis": p_extent @ j**2,
        f"LowGrayLevel{one}Emphasis": p_level @ i**-2,
        f"HighGrayLevel{one}Emphasis": p_level @ i**2,
        f"{little}LowGrayLevelEmphasis": emphasis(-2, -2),
        f"{little}HighGrayLevelEmphasis": emphasis(2, -2),
        f"{large}LowGrayLevelEmphasis": emphasis(-2, 2),
        f"{large}HighGrayLevelEmphasis": emphasis(2, 2),
        "GrayLevelNonUniformity": level_uniformity * total,
        "GrayLevelNonUniformityNormalized": level_uniformity,
        f"{extent}NonUniformity": extent_uniformity * total,
        f"{extent}NonUniformityNormalized": extent_uniformity,
        f"{one}Percentage": 1 / (p_extent @ j),
        "GrayLevelVariance": _variance(p_level, i),
        f"{one}Variance": _variance(p_extent, j),
        f"{one}Entropy": -np.sum(p * np.log2(p + EPSILON), axis=(1, 2)),
    }
    return {name: float(np.mean(value)) for name, value in values.items()}


def _variance(p: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Variance of x (n,) by each of the distributions p (directions, n)."""
    return np.sum(p * (x - (p @ x)[:, None]) ** 2, axis=1)
