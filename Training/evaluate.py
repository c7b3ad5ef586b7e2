"""Evaluate any number of models on the same rows: all measures with intervals, every pair tested, and figures.

    python Training/evaluate.py --out FOLDER RF=predictions_RF.csv LGBM=predictions_LGBM.csv ...

Models are given as a name and a table of predictions (see `predictions`), in the order of tables and legends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import evaluation_figures
import figures
import numpy as np
import pandas as pd
import tables
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.writing import staged_folder
from metrics import classification_metrics, expected_calibration_error
from predictions import CLASSES, Predictions, named_file, read_all
from significance import COUNTED, counted_intervals, delong, holm, mcnemar_test


class Evaluation(NamedTuple):
    """What `evaluate` finds.

    Attributes
    ----------
    measures : DataFrame
        A row for each task and model. ``precision``, ``recall``, ``f1``, ``accuracy``, ``auc`` and, of more than two
        classes, the AUC of each, all with ``_low`` and ``_high``, the ends of the 95 % interval; ``ece``.
    pairs : DataFrame
        A row for each task and pair of models: differences of AUC and accuracy, and p-values as they are and
        corrected by Holm over all rows.
    """

    measures: pd.DataFrame
    pairs: pd.DataFrame


def evaluate(models: Mapping[str, str | Path], out: Path) -> Evaluation:
    """Evaluate models on the same rows, and write what is found.

    Parameters
    ----------
    models : mapping
        Tables of predictions by name of the model.
    out : Path
        Folder, made if need be, for the tables ``measures`` and ``pairs`` (CSV and Markdown) and the figures ``roc``
        (Fig. 3 of the paper) and ``reliability`` (SVG and PNG).

    Raises
    ------
    InputError
        If a table is none of predictions, they are not of the same rows, or a class has fewer than two of them.
    """
    found = read_all(models)
    result = Evaluation(measure(found), compare_pairs(found))
    with staged_folder(out) as folder:
        tables.write(result.measures, folder, "measures", shown=tables.with_intervals(result.measures))
        tables.write(result.pairs, folder, "pairs", shown=_pairs_to_read(result.pairs))
        figures.save(evaluation_figures.roc(found), folder, "roc")
        figures.save(evaluation_figures.reliability_diagram(found), folder, "reliability")
    return result


def measure(models: Mapping[str, Predictions]) -> pd.DataFrame:
    """`Evaluation.measures` of predictions on the same rows, by model."""
    rows = []
    for task, classes in CLASSES.items():
        labels, probabilities = _of_task(models, task)
        named = {"auc": None}
        if len(classes) > 2:  # of two classes the AUC of each is that of the other
            named |= {f"auc_{one}": index for index, one in enumerate(classes)}
        aucs = {column: delong(labels, probabilities, of_class) for column, of_class in named.items()}
        for index, (model, answers) in enumerate(zip(models, probabilities, strict=True)):
            row = {"task": task, "model": model, "cases": len(labels)}
            found = classification_metrics(labels, answers)
            for column, ends in zip(COUNTED, counted_intervals(labels, answers), strict=True):
                row |= _with_ends(column, found[column], ends)
            for column, auc in aucs.items():
                row |= _with_ends(column, auc.values[index], auc.intervals()[index])
            rows.append(row | {"ece": expected_calibration_error(labels, answers)})
    return pd.DataFrame(rows)


def compare_pairs(models: Mapping[str, Predictions]) -> pd.DataFrame:
    """`Evaluation.pairs` of predictions on the same rows, by model; no rows for a single model."""
    rows = []
    for task in CLASSES:
        labels, probabilities = _of_task(models, task)
        aucs = delong(labels, probabilities)
        accuracy = [np.mean(one.argmax(axis=1) == labels) for one in probabilities]
        for (i, first), (j, second) in combinations(enumerate(models), 2):
            p_mcnemar = mcnemar_test(labels, probabilities[i], probabilities[j])
            gain = aucs.values[i] - aucs.values[j]
            rows.append((task, first, second, gain, aucs.p_value(i, j), accuracy[i] - accuracy[j], p_mcnemar))
    names = ["task", "first", "second", "auc_difference", "p_delong", "accuracy_difference", "p_mcnemar"]
    pairs = pd.DataFrame(rows, columns=names)
    for position, test in ((5, "p_delong"), (8, "p_mcnemar")):
        pairs.insert(position, f"{test}_holm", holm(pairs[test]) if rows else [])
    return pairs


def _of_task(models, task):
    return next(iter(models.values())).labels[task], [one.probabilities[task] for one in models.values()]


def _with_ends(column, value, ends):
    return {column: value, f"{column}_low": ends[0], f"{column}_high": ends[1]}


def _pairs_to_read(pairs):
    """p-values with two digits, however small they are."""
    p_values = [name for name in pairs if name.startswith("p_")]
    return pairs.assign(**{name: pairs[name].map("{:.2g}".format) for name in p_values})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=named_file, metavar="NAME=FILE", help="a model and its predictions")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and figures")
    options = parser.parse_args()
    try:
        models = dict(options.models)
        if len(models) < len(options.models):
            raise InputError("Two models have the same name; give each its own.")
        found = evaluate(models, options.out)
    except InputError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    print(tables.markdown(tables.with_intervals(found.measures)))
    print(tables.markdown(_pairs_to_read(found.pairs)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
