"""How dense the lungs of the cohort are: drawn below the densities of a CT."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TABLE = "cohort_densities.csv"
"""Is ``lung_densities.csv`` of ``python Training/analyse.py --cohort DIR --out FOLDER``."""

PERCENTILES = {"10Percentile": "10th percentile", "Median": "median", "90Percentile": "90th percentile"}
"""Features that are percentiles of the density of lungs, and what they are called."""

OFFSET = 1024
"""What features have above HU."""

LUNGS = "active-contour"
"""The method by which the cohort's lungs were found: the features of others are not comparable."""

GROUPS = {0: ("without COVID-19 by CT", "#7d8da1"), 1: ("with COVID-19 by CT", "#d9920a")}
"""What patients are called by radiologists' reading of their CT, and their colour, apart for colour-blind readers."""

CASE = "#c23b22"
"""The CT among the patients, as the page has it among features."""


class Range(NamedTuple):
    """Where a percentile lies in patients without or with COVID-19 by CT: in the middle 90 % of them, HU."""

    feature: str
    covid_ct: int
    patients: int
    low: float
    median: float
    high: float


def _read_table() -> list[Range]:
    with Path(__file__).with_name(TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [
        Range(feature, int(group), int(patients), *map(float, values)) for feature, group, patients, *values in rows
    ]


RANGES = _read_table()
"""Of each percentile and each group, 5 to 95 % of 1329 patients."""


def patients() -> dict[int, int]:
    """How many patients there are without (0) and with COVID-19 by CT (1)."""
    return {one.covid_ct: one.patients for one in RANGES}


def draw_ranges(axes: Axes, features: Mapping[str, float]) -> None:
    """Draw the ranges of the cohort as bars, their medians as ticks, and a CT as dots.

    Parameters
    ----------
    axes : Axes
        With HU along x.
    features : mapping
        Of the CT, by name, from lungs by `LUNGS`.
    """
    rows = {feature: -number for number, feature in enumerate(PERCENTILES)}
    for group, (name, colour) in GROUPS.items():
        own = [one for one in RANGES if one.covid_ct == group]
        at = [rows[one.feature] + 0.18 - 0.36 * group for one in own]
        axes.hlines(at, [one.low for one in own], [one.high for one in own], colour, linewidth=6, label=name)
        axes.plot([one.median for one in own], at, "|", color="w", markersize=6, markeredgewidth=1.6)
    hu = [features[feature] - OFFSET for feature in rows]
    axes.plot(hu, list(rows.values()), "o", color=CASE, markersize=9, markeredgecolor="w", label="this CT")
    axes.set_yticks(list(rows.values()), list(PERCENTILES.values()))
    axes.set_ylim(-len(rows) + 0.4, 0.6)
    axes.tick_params(axis="y", length=0)
    axes.legend(frameon=False, fontsize=11, loc="upper right", borderaxespad=0)
