"""Welch's ANOVA of lung features between the classes of each task (Table 5 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from COVIDMTLLib.features.names import FEATURE_NAMES
from statsmodels.stats.oneway import anova_oneway

from ..cohort.cohort import TARGETS, Cohort

PUBLISHED = pd.read_csv(Path(__file__).parents[2] / "reference" / "published_table5.csv", dtype=str)
"""As printed: ``feature``, and ``stat``, ``df2`` and ``sig`` of each task.

``printed_as`` is the paper's own name: it shortens three and has two wrong, as the numbers and the authors' own
files show: "Maximum Energy" is Maximum, and the first "LLL_glcm_Imc1", in the row below, is Energy.
"""

PAPER_FEATURES = tuple(PUBLISHED.feature)
"""The 24 features that the paper found by the importance that LightGBM gives them."""

SIGNIFICANT = 0.001
"""What a p-value must be under in all tasks for a feature to be called significant (section 5.5)."""


def welch_anova(whole: Cohort, features: Sequence[str] = PAPER_FEATURES) -> pd.DataFrame:
    """Test whether features have the same mean in all classes, whatever their variances.

    Over all rows of the cohort, as in the paper.

    Returns
    -------
    DataFrame
        A row a feature: ``feature``, then ``stat`` (F), ``df2`` and ``sig`` (p-value) of each task, such as
        ``covid_ct stat``. df1 is the number of classes less one.
    """
    rows = []
    for name in features:
        values = whole.features[:, FEATURE_NAMES.index(name)]
        row = {"feature": name}
        for index, task in enumerate(TARGETS):
            test = anova_oneway(values, groups=whole.labels[:, index], use_var="unequal", welch_correction=True)
            row |= {f"{task} stat": test.statistic, f"{task} df2": test.df_denom, f"{task} sig": test.pvalue}
        rows.append(row)
    return pd.DataFrame(rows)


def significant(table: pd.DataFrame) -> list[str]:
    """Features whose p-value is under `SIGNIFICANT` in all tasks, the surest of all tasks first."""
    largest = table.filter(like=" sig").max(axis=1)
    order = largest[largest < SIGNIFICANT].sort_values(kind="stable").index
    return table.feature[order].tolist()


def as_printed(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the paper's digits: two of statistic and df2, three of p; "<0.01" and "<0.001" below."""
    columns = {column: table[column].map(_printed(column)) for column in table.columns[1:]}
    return pd.DataFrame({"feature": table.feature, **columns})


def compare(table: pd.DataFrame) -> pd.DataFrame:
    """The paper's Table 5 beside a table over its features, as printed.

    Returns
    -------
    DataFrame
        A row each number: ``feature``, ``task``, ``measure``, ``published``, ``reproduced``, ``agrees``.
    """
    published = PUBLISHED.drop(columns="printed_as").melt("feature", value_name="published")
    ours = as_printed(table).melt("feature", value_name="reproduced")
    found = published.merge(ours, how="left", on=["feature", "variable"])
    found[["task", "measure"]] = found.variable.str.split(" ", expand=True)
    found["agrees"] = found.published == found.reproduced
    return found[["feature", "task", "measure", "published", "reproduced", "agrees"]]


def _printed(column):
    digits = 3 if column.endswith(" sig") else 2
    least = 10.0**-digits
    return lambda value: f"<{least:g}" if value < least else f"{value:.{digits}f}"
