"""Cases of a cohort that are unlike the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FEWEST = 8
"""Cases below which none is called unlike the others."""

UNLIKE = 3.5
"""Robust z-score beyond which a case is."""

MOST = 25
"""Cases that are told, the most unlike first."""


@dataclass(frozen=True)
class Measure:
    """Something that cases are compared by.

    Attributes
    ----------
    column : str
        Of the table.
    title : str
    form : str
        How a value is written.
    unit : str
        Below its histogram; shares are shown in %.
    least : float
        The least spread (as a standard deviation) that the cases are taken to have, so that trifles do not count.
    side : int
        Which cases may be unlike the others: 1 those with more, -1 those with less, 0 both.
    """

    column: str
    title: str
    form: str
    unit: str
    least: float
    side: int


MEASURES = (
    Measure("lungs_ml", "Lung volume", "{:.0f} ml", "ml", 100, 0),
    Measure("opacity_share", "Opacities", "{:.1%}", "% of the lungs", 0.01, 1),
    Measure("high_opacity_share", "High opacity", "{:.1%}", "% of the lungs", 0.005, 1),
    Measure("opacity_score", "Score of the zones", "{:.0f}", "score", 1, 1),
    Measure("ground_glass_share", "Density of ground glass", "{:.1%}", "% of the lungs", 0.01, 1),
    Measure("consolidation_share", "Density of consolidation", "{:.1%}", "% of the lungs", 0.005, 1),
    Measure("boundary_supported", "Boundary shown", "{:.0%}", "% of the boundary", 0.02, -1),
    Measure("unusual_share", "Features unlike the training", "{:.0%}", "% of the features", 0.02, 1),
    Measure("warnings", "Warnings", "{:.0f}", "warnings", 1, 1),
)


def column(rows: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """The numbers of a column, NaN where a row has none."""
    values = (row.get(name) for row in rows)
    return np.array([np.nan if value in (None, "") else value for value in values], float)


def outliers(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The cases that are most unlike the others.

    Parameters
    ----------
    rows : sequence of mapping
        Of the cases that were assessed.

    Returns
    -------
    list of dict
        ``case`` and ``unlike``, by which of the `MEASURES`: ``title``, ``value``, ``median`` and ``score``, the
        distance from the median in standard deviations as the median absolute deviation gives them. At most `MOST`.
    """
    if len(rows) < FEWEST:
        return []
    unlike: dict[int, list[dict[str, Any]]] = {}
    for measure in MEASURES:
        values = column(rows, measure.column)
        if not np.isfinite(values).any():
            continue
        median = np.nanmedian(values)
        scores = (values - median) / max(1.4826 * np.nanmedian(np.abs(values - median)), measure.least)
        told = np.abs(scores) if measure.side == 0 else measure.side * scores
        for index in np.flatnonzero(told > UNLIKE):  # NaN is not
            shown = {"value": measure.form.format(values[index]), "median": measure.form.format(median)}
            unlike.setdefault(int(index), []).append({"title": measure.title, "score": float(scores[index])} | shown)
    found = [{"case": rows[index]["case"], "unlike": by} for index, by in sorted(unlike.items())]
    found.sort(key=lambda one: -max(abs(by["score"]) for by in one["unlike"]))
    return found[:MOST]
