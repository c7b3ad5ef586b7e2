"""Features of the grey-level co-occurrence matrix (GLCM): which levels are neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .first_order import EPSILON


def co_occurrence(pairs: np.ndarray, levels: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """GLCM features, each the mean over directions (IBSI's 3D:avg) of symmetric matrices.

    Parameters
    ----------
    pairs : ndarray of shape (directions, levels, levels)
        How often level i + 1 is followed by j + 1, as `line_matrices.line_matrices` counts it; directions without any
        pair do not count.
    levels : ndarray of int, shape (n,)
        The levels that occur, in ascending order.
    names : sequence of str
        Of `names.GLCM`.

    Returns
    -------
    dict
        Value by name. Formulas and their names are PyRadiomics'; IBSI calls ``Idm`` and ``Id`` inverse difference
        (moment), ``Imc1`` and ``Imc2`` information correlation, ``JointEnergy`` angular second moment,
        ``MaximumProbability`` joint maximum, ``SumSquares`` joint variance; ``MCC`` is not IBSI's.
    """
    counts = pairs[:, levels - 1][:, :, levels - 1]
    counts = counts + counts.transpose(0, 2, 1)
    total = counts.sum(axis=(1, 2))
    p = counts[total > 0] / total[total > 0, None, None]

    i, most = levels.astype(float), int(levels[-1])
    px = p.sum(axis=2)  # and p_y, for matrices are symmetric
    mean = px @ i
    variance = np.sum(px * (i - mean[:, None]) ** 2, axis=1)
    away = i - mean[:, None]
    covariance = np.einsum("dij,di,dj->d", p, away, away)
    k_sum, p_sum = _along(p, levels[:, None] + levels, 2 * most)
    k_difference, p_difference = _along(p, abs(levels[:, None].astype(int) - levels), most - 1)
    central = k_sum - 2 * mean[:, None]
    difference = p_difference @ k_difference

    independent = px[:, :, None] * px[:, None, :]
    logarithm = np.log2(independent + EPSILON)
    entropy, marginal = _entropy(p), _entropy(px)
    entropy_1, entropy_2 = (-np.sum(one * logarithm, axis=(1, 2)) for one in (p, independent))
    information = np.maximum(entropy_2 - entropy, 0)

    flat = variance == 0
    values = {
        "Autocorrelation": np.einsum("dij,i,j->d", p, i, i),
        "ClusterProminence": np.sum(p_sum * central**4, axis=1),
        "ClusterShade": np.sum(p_sum * central**3, axis=1),
        "ClusterTendency": np.sum(p_sum * central**2, axis=1),
        "Contrast": p_difference @ k_difference**2,
        "Correlation": np.where(flat, 1.0, covariance / (variance + EPSILON)),
        "DifferenceAverage": difference,
        "DifferenceEntropy": _entropy(p_difference),
        "DifferenceVariance": np.sum(p_difference * (k_difference - difference[:, None]) ** 2, axis=1),
        "Id": p_difference @ (1 / (1 + k_difference)),
        "Idm": p_difference @ (1 / (1 + k_difference**2)),
        "Idmn": p_difference @ (1 / (1 + (k_difference / most) ** 2)),
        "Idn": p_difference @ (1 / (1 + k_difference / most)),
        "Imc1": np.where(flat, 0.0, (entropy - entropy_1) / np.where(flat, 1.0, marginal)),
        "Imc2": np.sqrt(1 - np.exp(-2 * information)),
        "InverseVariance": p_difference[:, 1:] @ (1 / k_difference[1:] ** 2),
        "JointAverage": mean,
        "JointEnergy": np.sum(p * p, axis=(1, 2)),
        "JointEntropy": entropy,
        "MaximumProbability": p.max(axis=(1, 2)),
        "SumAverage": p_sum @ k_sum,
        "SumEntropy": _entropy(p_sum),
        "SumSquares": variance,
    }
    if "MCC" in names:
        values["MCC"] = _maximal_correlation(p, px, independent)
    return {name: float(np.mean(values[name])) for name in names}


def _along(p: np.ndarray, k: np.ndarray, largest: int) -> tuple[np.ndarray, np.ndarray]:
    """The values 0 to ``largest`` of k (n, n), and the probability of each in p (directions, n, n)."""
    found = [np.bincount(k.ravel(), weights=one.ravel(), minlength=largest + 1) for one in p]
    return np.arange(largest + 1.0), np.array(found)


def _entropy(p: np.ndarray) -> np.ndarray:
    """Entropy in bits of each p[d]."""
    return -np.sum(p * np.log2(p + EPSILON), axis=tuple(range(1, p.ndim)))


def _maximal_correlation(p: np.ndarray, px: np.ndarray, independent: np.ndarray) -> np.ndarray:
    """Maximal correlation coefficient: the root of the second largest eigenvalue of Q, by direction.

    Q(i, j) is the sum over k of p(i, k) p(j, k) / (p_x(i) p_y(k)).
    """
    if px.shape[1] < 2:
        return np.ones(len(p))
    q = (p / (independent + EPSILON)) @ p.transpose(0, 2, 1)
    return np.sqrt(np.sort(np.linalg.eigvals(q))[:, -2]).real
