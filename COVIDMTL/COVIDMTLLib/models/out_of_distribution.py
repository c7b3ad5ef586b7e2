"""How far the features of a case lie outside what a model was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..features.names import values_of

QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
LOW, HIGH = QUANTILES.index(0.01), QUANTILES.index(0.99)

UNUSUAL, OUTSIDE = 0.95, 0.99
"""Shares of the training cases with fewer unusual features, above which a case is called so."""


def describe(values: np.ndarray) -> dict[str, Any]:
    """The distribution of the training features, as a model card holds it.

    Parameters
    ----------
    values : ndarray of shape (N, features)
        Unscaled features of the training cases.

    Returns
    -------
    dict
        ``quantiles``; ``values``, those of each feature; and ``unusual_share``, the same quantiles, and
        those of `UNUSUAL` and `OUTSIDE`, of the share of a training case's features that lie outside
        the central 98 %.
    """
    table = np.quantile(values, QUANTILES, axis=0).T
    shares = _unusual(values, table).mean(axis=1)
    return {
        "cases": len(values),
        "quantiles": list(QUANTILES),
        "values": table.tolist(),
        "unusual_share": {
            "unusual": float(np.quantile(shares, UNUSUAL)),
            "outside": float(np.quantile(shares, OUTSIDE)),
        },
    }


def compare(features: Mapping[str, float], names: list[str], distribution: dict[str, Any]) -> dict[str, Any]:
    """Compare a case with the training distribution of a model.

    Returns
    -------
    dict
        ``unusual_share``: share of the features outside the central 98 % of the training cases;
        ``beyond_all_share``: share outside all of them; ``verdict``: "like the training data", "unusual"
        (fewer than 1 in 20 training cases have a larger share) or "outside" (fewer than 1 in 100).
    """
    values = values_of(features, names)
    table = np.array(distribution["values"])
    share = float(_unusual(values, table).mean())
    beyond = float(((values < table[:, 0]) | (values > table[:, -1])).mean())
    limits = distribution["unusual_share"]
    verdict = "like the training data"
    if share > limits["outside"]:
        verdict = "outside"
    elif share > limits["unusual"]:
        verdict = "unusual"
    return {"unusual_share": round(share, 4), "beyond_all_share": round(beyond, 4), "verdict": verdict}


def warnings(comparison: dict[str, Any]) -> list[str]:
    """The comparison as a sentence for whoever reads the result; none if there is nothing to say."""
    if comparison["verdict"] == "like the training data":
        return []
    rare = "one in a hundred" if comparison["verdict"] == "outside" else "one in twenty"
    return [
        f"This CT is unlike those the model was trained on: {comparison['unusual_share']:.0%} of its features lie "
        f"outside their usual range, which holds for fewer than {rare} of the training cases. What the model says may "
        "mean little."
    ]


def standing_out(
    features: Mapping[str, float], names: list[str], distribution: dict[str, Any], count: int = 10
) -> list[dict[str, Any]]:
    """The features furthest from the middle of the training cases, at most two of a kind.

    Features come in families that move together, so the ten furthest would be ten times the same news.

    Returns
    -------
    list of dict
        ``name``, ``value``, ``percentile`` (0 to 100, between the stored quantiles linear), ``quantiles``
        (values of `QUANTILES`), ``distance`` (in standard deviations of a normal distribution with the same
        5th and 95th percentile), furthest first.
    """
    table = np.array(distribution["values"])
    values = values_of(features, names)
    low, middle, high = (table[:, QUANTILES.index(q)] for q in (0.05, 0.5, 0.95))
    distance = np.zeros(len(values))
    np.divide((values - middle) * 3.29, high - low, out=distance, where=high > low)
    chosen: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for index in np.argsort(-np.abs(distance), kind="stable"):
        family = names[index].rsplit("_", 1)[-1]
        seen[family] = seen.get(family, 0) + 1
        if seen[family] > 2 or high[index] <= low[index]:
            continue
        chosen.append(
            {
                "name": names[index],
                "value": float(values[index]),
                "percentile": float(100 * np.interp(values[index], table[index], QUANTILES)),
                "quantiles": table[index].tolist(),
                "distance": float(distance[index]),
            }
        )
        if len(chosen) == count:
            break
    return chosen


def _unusual(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    return (values < table[:, LOW]) | (values > table[:, HIGH])
