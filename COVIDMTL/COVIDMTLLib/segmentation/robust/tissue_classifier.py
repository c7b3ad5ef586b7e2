"""Dense lung told from other tissue by its looks, learned from the patient's own CT."""

from __future__ import annotations

import numpy as np

from ...imaging.coarse_grid import opened

FEWEST = 300
"""Voxels of each kind (8 ml) from which something is learned."""

MOST = 4000, 8000
"""Examples of dense lung and of other tissue, at most."""

NEIGHBOURS = 60
"""Examples that look most like a voxel, which say what it is."""

PRIOR = -0.2
"""Logarithm of the odds of lung where its looks say nothing."""

SURE = 3.0, 6.0
"""Most that the looks of one voxel, and those of its neighbourhood, may say, as logarithms of odds."""

OWN, AROUND = 0.5, 3.5
"""How much a voxel's own looks count, and the mean of what those of the tissue around it say."""

REACH = 2.0
"""Standard deviation of that mean, in coarse voxels."""

FAT = -140, -60
"""HU of fat."""


def looks_of(coarse: np.ndarray, deviation: np.ndarray, tissue: np.ndarray) -> np.ndarray:
    """Density and texture around each voxel of the coarse grid.

    Parameters
    ----------
    coarse, deviation : ndarray of shape (z, y, x)
        HU on the coarse grid, and the standard deviation within its blocks.
    tissue : ndarray of bool, shape (z, y, x)
        What is looked at, so that air nearby does not count as texture.

    Returns
    -------
    ndarray of float32, shape (z, y, x, 5)
        Means at two scales, the standard deviation of blocks, and those within blocks at two scales, in HU.
    """
    deviation = np.minimum(deviation, 400)
    density = np.clip(coarse, -400, 200)
    mean, squares = (_mean_within(tissue, values, 1.5) for values in (density, density**2))
    looks = [
        smoothed(density),
        mean,
        np.sqrt(np.maximum(squares - mean**2, 0)),
        _mean_within(tissue, deviation, 1),
        _mean_within(tissue, deviation, 2),
    ]
    return np.stack(looks, axis=-1).astype(np.float32)


def smoothed(values: np.ndarray, sigma: float = 0.8) -> np.ndarray:
    """A Gaussian mean on the coarse grid."""
    from scipy import ndimage

    return ndimage.gaussian_filter(values.astype(np.float32), sigma, truncate=2.5)


def _mean_within(mask: np.ndarray, values: np.ndarray, sigma: float) -> np.ndarray:
    return smoothed(np.where(mask, values, 0), sigma) / np.maximum(smoothed(mask, sigma), 1e-3)


def fat_like(coarse: np.ndarray) -> np.ndarray:
    """What is as dense as fat, on the coarse grid."""
    density = smoothed(coarse)
    return (density > FAT[0]) & (density < FAT[1])


def fat_in(coarse: np.ndarray, deviation: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Fat: as dense as fat, and as even as that of the chest wall is.

    Parameters
    ----------
    coarse, deviation : ndarray of shape (z, y, x)
        HU on the coarse grid, and the standard deviation within its blocks.
    wall : ndarray of bool, shape (z, y, x)
        Tissue outside the chest.
    """
    deviation, dense = smoothed(deviation, 1), fat_like(coarse)
    sample = deviation[dense & wall]
    noise = np.percentile(sample, 40) if len(sample) > 500 else 15.0
    return dense & (deviation < 2.5 * noise)


def learned(looks: np.ndarray, lung: np.ndarray, other: np.ndarray, asked: np.ndarray) -> np.ndarray | None:
    """What looks say of tissue, learned from examples in the same CT: the nearest neighbours say it.

    Parameters
    ----------
    looks : ndarray
        As from `looks_of`.
    lung, other : ndarray of bool, shape (z, y, x)
        Examples of dense lung, and of other tissue.
    asked : ndarray of bool, shape (z, y, x)
        The tissue in question.

    Returns
    -------
    ndarray of float32, shape (z, y, x), or None if there are too few examples
        Logarithm of the odds that it is lung, 0 where not asked.
    """
    from scipy.spatial import KDTree

    rng = np.random.default_rng(0)
    examples = [_some(rng, np.flatnonzero(kind), most) for kind, most in zip((lung, other), MOST, strict=True)]
    if min(map(len, examples)) < FEWEST:
        return None
    of_voxel = looks.reshape(-1, looks.shape[-1])
    known = [of_voxel[kind] for kind in examples]
    scale = 1 / np.maximum(np.min([kind.std(axis=0) for kind in known], axis=0), 1e-3)
    _, nearest = KDTree(np.concatenate(known) * scale).query(looks[asked] * scale, NEIGHBOURS, eps=1.0)
    of_lung, of_other = map(len, known)
    count = (nearest < of_lung).sum(axis=1)
    # As if there were as many examples of both, and one neighbour more that is as likely of one as of the other.
    one = 1 / (of_lung + of_other)
    odds = np.zeros(asked.shape, np.float32)
    odds[asked] = PRIOR + np.log((count / of_lung + one) / ((NEIGHBOURS - count) / of_other + one))
    odds = np.clip(odds, -SURE[0], SURE[0])
    # One block looks like anything; many that touch do not.
    together = OWN * odds + AROUND * _mean_within(asked, odds, REACH)
    return np.where(asked, np.clip(together, -SURE[1], SURE[1]), 0)


def sure_lung(mask: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Examples of dense lung without the thin ones, which are vessels and the edges of other things."""
    return opened(mask, 3.1) | (mask & (depth > 2.5))


def _some(rng: np.random.Generator, indices: np.ndarray, most: int) -> np.ndarray:
    return rng.choice(indices, min(len(indices), most), replace=False)
