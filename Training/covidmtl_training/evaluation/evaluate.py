"""Evaluate any number of models on the same rows: all measures with intervals, every pair tested, and figures.

    python Training/evaluate.py --out FOLDER RF=predictions_RF.csv LGBM=predictions_LGBM.csv ...
    python Training/evaluate.py --out FOLDER --store STORE COVID-MTL=RUN/last ...
    python Training/evaluate.py --out FOLDER --aggregate COVID-MTL=predictions.csv    # Table 10

Models are given as a name and a table of predictions (see `predictions`) or, with a store of cases, a trained model, in
the order of tables and legends. Each task is evaluated on the rows that have a label of it, by the models that have it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from COVIDMTLLib.models.store import shipped_models
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

from ..utils import figures, tables
from . import figures as evaluation_figures
from .aggregate import aggregate
from .metrics import classification_metrics, expected_calibration_error
from .predictions import Predictions, class_names, labelled, named_file, read_all, tasks_of, write
from .regression import measure_values, scatter, values_of
from .significance import COUNTED, counted_intervals, delong, holm, mcnemar_test
from .store_predictions import predict_split

FEWEST = 2
"""Rows of each class that a task needs to be evaluated."""


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
    values : DataFrame
        A row for each regression and model: mean absolute error with its 95 % interval (bootstrap), root mean square
        error and bias in the unit of the value, R2 and Pearson's correlation.
    left_out : list of str
        A sentence if cases lack the features that a model takes, and one for each task with too few labels to be
        evaluated.
    """

    measures: pd.DataFrame
    pairs: pd.DataFrame
    values: pd.DataFrame
    left_out: list[str]


def evaluate(
    models: Mapping[str, str | Path],
    out: Path,
    store: str | Path | None = None,
    split: str = "test",
    aggregated: bool = False,
) -> Evaluation:
    """Evaluate models on the same rows, and write what is found.

    Parameters
    ----------
    models : mapping
        Tables of predictions, or models as `store.load_model` takes them, by name of the model.
    out : Path
        Folder, made if need be, for the tables ``measures`` and ``pairs`` (CSV and Markdown), the figures ``roc``
        (Fig. 3 of the paper) and ``reliability`` (SVG and PNG), of regressions the table and figure ``values``, and
        ``predictions_NAME.csv`` of each trained model.
    store : path, optional
        The cases that trained models are to assess.
    split : str
        Which of them: ``train``, ``validation`` or ``test``.
    aggregated : bool
        Whether both diagnoses together (Table 10) are a task, too; see `aggregate.aggregate`.

    Raises
    ------
    InputError
        If a table is none of predictions, a model cannot assess the cases, the predictions are not of the same rows,
        or there is no task of which each class has two of them.
    """
    trained = {name: path for name, path in models.items() if _is_model(path)}
    for name in trained:
        if store is None:
            raise InputError(f"{name} is a trained model; give it cases to assess with --store.")
        if Path(name).name != name:
            raise InputError(f"No file of predictions can be named after {name}; give the model another name.")
    answers, without = predict_split(trained, store, split) if trained else ({}, [])
    read = read_all(models | answers)
    found, left_out = _measurable({name: aggregate(one) for name, one in read.items()} if aggregated else read)
    result = Evaluation(measure(found), compare_pairs(found), measure_values(found), without + left_out)
    with staged_folder(out) as folder:
        for name, said in answers.items():
            write(folder / f"predictions_{name}.csv", said)
        if len(result.measures):
            tables.write(result.measures, folder, "measures", shown=tables.with_intervals(result.measures))
            tables.write(result.pairs, folder, "pairs", shown=_pairs_to_read(result.pairs))
            figures.save(evaluation_figures.roc(found), folder, "roc")
            figures.save(evaluation_figures.reliability_diagram(found), folder, "reliability")
        if len(result.values):
            tables.write(result.values, folder, "values", shown=tables.with_intervals(result.values))
            figures.save(scatter(found), folder, "values")
    return result


def measure(models: Mapping[str, Predictions]) -> pd.DataFrame:
    """`Evaluation.measures` of predictions on the same rows, by model."""
    rows = []
    for task in tasks_of(models.values()):
        labels, said = labelled(models, task)
        classes, named = class_names(models.values(), task), {"auc": None}
        if len(classes) > 2:  # of two classes the AUC of each is that of the other
            named |= {f"auc_{one}": index for index, one in enumerate(classes)}
        aucs = {column: delong(labels, [*said.values()], of_class) for column, of_class in named.items()}
        for index, (model, answers) in enumerate(said.items()):
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
    for task in tasks_of(models.values()):
        labels, said = labelled(models, task)
        aucs = delong(labels, [*said.values()])
        accuracy = [np.mean(one.argmax(axis=1) == labels) for one in said.values()]
        for (i, first), (j, second) in combinations(enumerate(said), 2):
            p_mcnemar = mcnemar_test(labels, said[first], said[second])
            gain = aucs.values[i] - aucs.values[j]
            rows.append((task, first, second, gain, aucs.p_value(i, j), accuracy[i] - accuracy[j], p_mcnemar))
    names = ["task", "first", "second", "auc_difference", "p_delong", "accuracy_difference", "p_mcnemar"]
    pairs = pd.DataFrame(rows, columns=names)
    for position, test in ((5, "p_delong"), (8, "p_mcnemar")):
        pairs.insert(position, f"{test}_holm", holm(pairs[test]) if rows else [])
    return pairs


def _is_model(path):
    return str(path) in shipped_models() or Path(path).is_dir() or Path(path).suffix == ".zip"


def _measurable(models):
    """The predictions of those tasks that have rows enough of each class, and sentences on the others."""
    left_out = {}
    for task in tasks_of(models.values()):
        labels, _ = labelled(models, task)
        names = class_names(models.values(), task)
        counts = np.bincount(labels, minlength=len(names))
        if counts.min() < FEWEST:
            cases = ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True))
            left_out[task] = f"{task} is left out: each class needs {FEWEST} cases, and here are {cases}."
    if len(left_out) == len(tasks_of(models.values())) and not values_of(models):
        raise InputError(f"There is nothing to evaluate: {' '.join(left_out.values())}")
    kept = {name: _without(one, left_out) for name, one in models.items()}
    return {name: one for name, one in kept.items() if one.labels or one.values}, list(left_out.values())


def _without(predictions, tasks):
    of = (
        {t: one for t, one in part.items() if t not in tasks}
        for part in (predictions.labels, predictions.probabilities)
    )
    labels, probabilities = of
    return replace(predictions, labels=labels, probabilities=probabilities)


def _with_ends(column, value, ends):
    return {column: value, f"{column}_low": ends[0], f"{column}_high": ends[1]}


def _pairs_to_read(pairs):
    """p-values with two digits, however small they are."""
    p_values = [name for name in pairs if name.startswith("p_")]
    return pairs.assign(**{name: pairs[name].map("{:.2g}".format) for name in p_values})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", nargs="+", type=named_file, metavar="NAME=FILE", help="a model and its predictions, or its folder"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and figures")
    parser.add_argument("--store", type=Path, help="cases for trained models to assess (see prepare.py)")
    parser.add_argument("--aggregate", action="store_true", help="both diagnoses together are a task, too (Table 10)")
    parser.add_argument("--split", default="test", help="train, validation or test (default)")
    options = parser.parse_args()
    try:
        models = dict(options.models)
        if len(models) < len(options.models):
            raise InputError("Two models have the same name; give each its own.")
        found = evaluate(models, options.out, options.store, options.split, options.aggregate)
    except InputError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    for sentence in found.left_out:
        print(f"evaluate: {sentence}", file=sys.stderr)
    shown = [tables.markdown(tables.with_intervals(one)) for one in (found.measures, found.values) if len(one)]
    print("\n".join(shown), end="")
    if len(found.pairs):
        print("\n" + tables.markdown(_pairs_to_read(found.pairs)), end="")
    return 0
