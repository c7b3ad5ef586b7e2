"""Predictions as a table: where models of any kind, trained by any script, meet the evaluation.

A table may hold any of the tasks, and rows without a label, for which nothing is known to be true.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.checkpoints import TASKS
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.losses import MISSING

CLASSES = {task["name"]: task["classes"] for task in TASKS}
"""Names of the classes of each task."""


@dataclass(frozen=True)
class Predictions:
    """What a model says of some patients, and what is true of them.

    Attributes
    ----------
    pids : ndarray of shape (N,)
        Which patient or case each row is.
    labels : dict
        True class of each row, int of shape (N,), by task; `losses.MISSING` where it is not known.
    probabilities : dict
        float64 of shape (N, classes), by task: the same tasks, one or more of `CLASSES`.
    """

    pids: np.ndarray
    labels: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]


def write(path: str | Path, predictions: Predictions) -> None:
    """Write predictions as CSV.

    Columns are ``PID`` and then for each task its label, such as ``covid_ct``, and a probability for each class,
    such as ``covid_ct: negative``, with all the digits that a float64 has. A missing label is an empty cell.
    """
    columns = {"PID": predictions.pids}
    for task in tasks_of([predictions]):
        labels = predictions.labels[task]
        columns[task] = pd.arrays.IntegerArray(labels.astype(np.int64), labels == MISSING)
        columns |= dict(zip(_columns(task), predictions.probabilities[task].T, strict=True))
    pd.DataFrame(columns).to_csv(path, index=False)


def read(path: str | Path) -> Predictions:
    """Read what `write` wrote; cases named as those of the authors' release are, ``Patient-7``, become 7 of the cohort.

    Raises
    ------
    InputError
        If there is no such table, it lacks columns or rows, names a patient twice, or holds labels or
        probabilities that are none.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}; give a table of predictions.")
    try:
        # As text, since 007 is not case 7, and nothing but an empty cell is missing.
        table = pd.read_csv(path, dtype={"PID": str}, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read as a table; give predictions as CSV.") from error
    tasks = [task for task in CLASSES if any(column in table for column in (task, *_columns(task)))] or CLASSES
    wanted = ["PID", *(column for task in tasks for column in (task, *_columns(task)))]
    missing = [column for column in wanted if column not in table]
    if missing:
        raise InputError(f"{path.name} lacks {len(missing)} columns of a table of predictions, {missing[0]!r} first.")
    if not len(table) or table.PID.isna().any() or table.PID.duplicated().any():
        raise InputError(f"{path.name} should have one row for each patient, every one with its own PID.")
    labels = {task: _labels(table[task], path.name) for task in tasks}
    probabilities = {task: _probabilities(table[_columns(task)], task, path.name) for task in tasks}
    return _numbered(Predictions(table.PID.to_numpy(str), labels, probabilities))


def read_all(models: Mapping[str, str | Path | Predictions], needed: Iterable[str] = ()) -> dict[str, Predictions]:
    """Read the predictions of several models on the same patients, and bring them into the order of the first.

    Parameters
    ----------
    models : mapping
        Tables, or what is in them, by name of the model.
    needed : iterable of str
        Tasks that each has to have.

    Raises
    ------
    InputError
        As `read` does, if a table lacks a task that is needed, or if the tables are not of the same patients with the
        same labels of the tasks that they share.
    """
    found = {name: _numbered(one) if isinstance(one, Predictions) else read(one) for name, one in models.items()}
    for name, one in found.items():
        if lacking := [task for task in needed if task not in one.labels]:
            raise InputError(f"The predictions of {name} are not of {lacking[0]}, and here every task is needed.")
    order = next(iter(found.values())).pids.astype(str)
    found = {name: _in_order(one, order) for name, one in found.items()}
    for (first, one), (second, other) in combinations(found.items(), 2):
        shared = [task for task in one.labels if task in other.labels]
        same = all(np.array_equal(one.labels[task], other.labels[task]) for task in shared)
        if not same or not np.array_equal(one.pids.astype(str), other.pids.astype(str)):
            raise InputError(
                f"The predictions of {first} and {second} are not of the same patients with the same labels; only such "
                "can be compared."
            )
    return found


def tasks_of(models: Iterable[Predictions]) -> list[str]:
    """Tasks that any of the models has, in the order of `CLASSES`."""
    return [task for task in CLASSES if any(task in one.labels for one in models)]


def labelled(models: Mapping[str, Predictions], task: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels of the rows that have one, and the probabilities of these rows, by name of each model with the task."""
    having = {name: one for name, one in models.items() if task in one.labels}
    labels = next(iter(having.values())).labels[task]
    known = labels != MISSING
    return labels[known], {name: one.probabilities[task][known] for name, one in having.items()}


def named_file(text: str) -> tuple[str, str]:
    """``NAME=FILE`` of a command line, for argparse."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text} is not of the form NAME=FILE")
    return name, path


def _columns(task):
    return [f"{task}: {name}" for name in CLASSES[task]]


def _numbered(predictions):
    """The same, patients by number where all have one, as in the cohort or as `release_volumes` names its cases."""
    pids = pd.Series(predictions.pids.astype(str))
    for prefix in ("", "Patient-"):
        if pids.str.fullmatch(rf"{prefix}(0|[1-9]\d{{0,17}})", flags=re.ASCII).all():
            return replace(predictions, pids=pids.str.removeprefix(prefix).to_numpy(np.int64))
    return predictions


def _in_order(predictions, order):
    """The same, rows in the order of some patients if they are these."""
    rows = pd.Index(predictions.pids.astype(str)).get_indexer(order)
    if len(rows) != len(predictions.pids) or (rows < 0).any():
        return predictions
    by_task = ({t: of[t][rows] for t in of} for of in (predictions.labels, predictions.probabilities))
    return Predictions(predictions.pids[rows], *by_task)


def _labels(column, name):
    classes = len(CLASSES[column.name])
    if not (column.isin(range(classes)) | column.isna()).all():
        raise InputError(f"{name} has a label in {column.name} other than 0 to {classes - 1}.")
    return column.fillna(MISSING).to_numpy(np.int64)


def _probabilities(columns, task, name):
    values = columns.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not ((values >= 0).all() and np.allclose(values.sum(axis=1), 1, rtol=0, atol=1e-6)):
        raise InputError(f"{name} has probabilities of {task} that are no numbers from 0 to 1 with a sum of 1.")
    return values
