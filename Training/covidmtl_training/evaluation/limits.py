"""Honest limits: how models do by hospital, sex and age, and what missing laboratory values give away.

    python Training/limits.py --cohort DIR --out FOLDER NAME=predictions.csv ...

Models are given as a name and a table of predictions on the same patients of the cohort (see `predictions`).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError
from statsmodels.stats.proportion import proportion_confint

from ..cohort import cohort
from ..cohort.groups import groupings
from ..utils import figures, tables
from .forest_plot import forest_plot
from .missing_labs import missing_labs
from .predictions import CLASSES, Predictions, named_file, read_all
from .significance import LEVEL, delong

FEWEST = 2
"""Cases of each class, below which a group has no AUC."""


def limits(whole: cohort.Cohort, models: Mapping[str, str | Path], out: Path) -> dict[str, pd.DataFrame]:
    """Write the limits of models.

    Parameters
    ----------
    whole : Cohort
    models : mapping
        Tables of predictions on the same patients, by name of the model.
    out : Path
        Folder, made if need be, for the tables ``by_group`` and, of a cohort with laboratory values,
        ``missing_labs`` (CSV and Markdown) and the figure ``by_group`` (SVG and PNG).

    Returns
    -------
    dict of DataFrame
        ``by_group`` (see `by_group`) and, if there are laboratory values, ``missing_labs`` (see `missing_labs`).

    Raises
    ------
    InputError
        If the predictions lack a task or are not of patients of the cohort with its labels, or the cohort does not
        give hospital, age and sex of everyone.
    """
    found = {"by_group": by_group(whole, read_all(models, needed=CLASSES))}
    if whole.labs is not None:
        found["missing_labs"] = missing_labs(*cohort.paper_split(whole))
    with staged_folder(out) as folder:
        for name, table in found.items():
            tables.write(table, folder, name, shown=tables.with_intervals(table))
        figures.save(forest_plot(found["by_group"]), folder, "by_group")
    return found


def by_group(whole: cohort.Cohort, models: Mapping[str, Predictions]) -> pd.DataFrame:
    """Accuracy and AUC of models in groups of patients.

    Returns
    -------
    DataFrame
        A row for each task, group and model: ``task``, ``grouping`` ("all", "hospital", "sex", "age"), ``group``,
        ``model``, ``cases`` (of each class, as "102 / 297"), ``accuracy`` and its 95 % interval (Wilson)
        ``accuracy_low``, ``accuracy_high``, ``auc``, ``auc_low``, ``auc_high`` (DeLong; of severity the mean of
        each class against the rest; empty if a class has fewer than two cases).
    """
    first = next(iter(models.values()))
    here = whole.rows(np.array([whole.row_of(pid) for pid in first.pids]))
    for index, task in enumerate(CLASSES):
        if not np.array_equal(here.labels[:, index], first.labels[task]):
            raise InputError(
                f"The predictions have other labels of {task} than the cohort; they belong to another one."
            )
    everyone = pd.Series("all", index=here.patients.index, dtype="category")
    rows = []
    for task, classes in CLASSES.items():
        for grouping, groups in {"all": everyone, **groupings(here)}.items():
            for group in groups.cat.categories:
                inside = (groups == group).to_numpy()
                for model, predictions in models.items():
                    row = {"task": task, "grouping": grouping, "group": group, "model": model}
                    labels, answers = predictions.labels[task][inside], predictions.probabilities[task][inside]
                    rows.append(row | _measures(labels, answers, len(classes)))
    return pd.DataFrame(rows)


def _measures(labels, answers, classes):
    counts = np.bincount(labels, minlength=classes)
    right, n = np.sum(answers.argmax(axis=1) == labels), len(labels)
    low, high = proportion_confint(right, n, alpha=1 - LEVEL, method="wilson") if n else (np.nan, np.nan)
    row = {
        "cases": " / ".join(map(str, counts)),
        "accuracy": right / n if n else np.nan,
        "accuracy_low": low,
        "accuracy_high": high,
    }
    aucs = [np.nan] * 3
    if counts.min() >= FEWEST:
        found = delong(labels, [answers])
        aucs = [found.values[0], *found.intervals()[0]]
    return row | dict(zip(("auc", "auc_low", "auc_high"), map(float, aucs), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=named_file, metavar="NAME=FILE", help="a model and its predictions")
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and figure")
    options = parser.parse_args()
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        models = dict(options.models)
        if len(models) < len(options.models):
            raise InputError("Two models have the same name; give each its own.")
        found = limits(cohort.load(options.cohort), models, options.out)
    except InputError as error:
        print(f"limits: {error}", file=sys.stderr)
        return 2
    print("\n".join(tables.markdown(tables.with_intervals(table)) for table in found.values()), end="")
    return 0
