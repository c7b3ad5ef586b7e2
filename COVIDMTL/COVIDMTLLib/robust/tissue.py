"""Dense lung told from other tissue by its looks, learned from the patient's own CT."""

from __future__ import annotations

import numpy as np

from .grid import block_deviation, opened

FEWEST = 300
"""Voxels of each kind (8 ml) from which something is learned."""

SURE = 3.0
"""Most that looks may say, as a logarithm of odds."""

FAT = -140, -60
"""HU of fat."""


def looks_of(ct: np.ndarray, coarse: np.ndarray) -> np.ndarray:
    """Density and texture around each voxel of the coarse grid.

    Parameters
    ----------
    ct, coarse : ndarray of shape (z, y, x)
        HU on the working grid and on the coarse one.

    Returns
    -------
    ndarray of float32, shape (z, y, x, 5)
        Means at two scales, standard deviations within blocks at two scales, and the median, in HU.
    """
    from scipy import ndimage

    deviation = block_deviation(ct)
    looks = [
        ndimage.gaussian_filter(coarse, 0.8),
        ndimage.gaussian_filter(coarse, 1.6),
        ndimage.gaussian_filter(deviation, 1),
        ndimage.gaussian_filter(deviation, 2),
        ndimage.median_filter(coarse, 3),
    ]
    return np.clip(np.stack(looks, axis=-1), -400, 200).astype(np.float32)


def fat_in(looks: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Fat: as dense as fat, and as even as that of the chest wall is.

    Parameters
    ----------
    looks : ndarray
        As from `looks_of`.
    wall : ndarray of bool, shape (z, y, x)
        Tissue outside the chest.
    """
    dense = (looks[..., 0] > FAT[0]) & (looks[..., 0] < FAT[1])
    sample = looks[..., 2][dense & wall]
    noise = np.percentile(sample, 40) if len(sample) > 500 else 15.0
    return dense & (looks[..., 2] < 2.5 * noise)


def learned(looks: np.ndarray, lung: np.ndarray, other: np.ndarray, asked: np.ndarray) -> np.ndarray | None:
    """What looks say of tissue, learned from examples in the same CT by boosted trees.

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
    from sklearn.ensemble import HistGradientBoostingClassifier

    rng = np.random.default_rng(0)
    examples = [_some(rng, np.flatnonzero(kind), most) for kind, most in ((lung, 8000), (other, 15000))]
    if min(map(len, examples)) < FEWEST:
        return None
    of_voxel = looks.reshape(-1, looks.shape[-1])
    classifier = HistGradientBoostingClassifier(
        max_iter=40, min_samples_leaf=40, class_weight="balanced", early_stopping=False, random_state=0
    )
    classifier.fit(of_voxel[np.concatenate(examples)], np.repeat([1, 0], [len(kind) for kind in examples]))
    odds = np.zeros(asked.shape, np.float32)
    odds[asked] = np.clip(classifier.decision_function(looks[asked]), -SURE, SURE)
    return odds


def sure_lung(mask: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Examples of dense lung without the thin ones, which are vessels and the edges of other things."""
    return opened(mask, 3.1) | (mask & (depth > 2.5))


def _some(rng: np.random.Generator, indices: np.ndarray, most: int) -> np.ndarray:
    return rng.choice(indices, min(len(indices), most), replace=False)
