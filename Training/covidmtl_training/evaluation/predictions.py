"""Predictions as a table: where models of any kind, trained by any script, meet the evaluation.

A table may hold any of the tasks, and rows without a label, for which nothing is known to be true.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.architectures.tasks import MISSING, TASKS
from COVIDMTLLib.utils.errors import InputError

CLASSES = {task["name"]: task["classes"] for task in TASKS}
"""Names of the classes of each task of the paper."""

PREDICTED = "predicted"
"""Names the column of what a model says of a value."""


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
        float64 of shape (N, classes), by task: the same tasks.
    classes : dict
        Names of the classes of tasks; of one that is not here those of `CLASSES`.
    values, predicted : dict
        Of regressions, by name: true values, NaN where not known, and what the model says; float64 of shape (N,).
    """

    pids: np.ndarray
    labels: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]
    classes: dict[str, list[str]] = field(default_factory=dict)
    values: dict[str, np.ndarray] = field(default_factory=dict)
    predicted: dict[str, np.ndarray] = field(default_factory=dict)

    def class_names(self, task: str) -> list[str]:
        """Names of the classes of a task."""
        return self.classes[task] if task in self.classes else CLASSES[task]


def write(path: str | Path, predictions: Predictions) -> None:
    """Write predictions as CSV.

    Columns are ``PID`` and then for each task its label, such as ``covid_ct``, and a probability for each class,
    such as ``covid_ct: negative``, with all the digits that a float64 has. A missing label is an empty cell. Of a
    regression the true value, such as ``extent``, and ``extent: predicted``.
    """
    columns = {"PID": predictions.pids}
    for task in tasks_of([predictions]):
        labels = predictions.labels[task]
        columns[task] = pd.arrays.IntegerArray(labels.astype(np.int64), labels == MISSING)
        names = _columns(task, predictions.class_names(task))
        columns |= dict(zip(names, predictions.probabilities[task].T, strict=True))
    for name, said in predictions.predicted.items():
        columns |= {name: predictions.values[name], f"{name}: {PREDICTED}": said}
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
    classes, values = _described(list(table))
    tasks = list(classes)
    wanted = ["PID", *(one for task in tasks for one in (task, *_columns(task, classes[task]))), *values]
    missing = [column for column in wanted if column not in table]
    if missing:
        raise InputError(f"{path.name} lacks {len(missing)} columns of a table of predictions, {missing[0]!r} first.")
    if not len(table) or table.PID.isna().any() or table.PID.duplicated().any():
        raise InputError(f"{path.name} should have one row for each patient, every one with its own PID.")
    labels = {task: _labels(table[task], len(classes[task]), path.name) for task in tasks}
    probabilities = {task: _probabilities(table[_columns(task, classes[task])], task, path.name) for task in tasks}
    true, said = (
        {name: _numbers(table[f"{name}{end}"], path.name) for name in values} for end in ("", f": {PREDICTED}")
    )
    if any(np.isnan(one).any() for one in said.values()):
        raise InputError(f"{path.name} has a row without a predicted value; every case needs one.")
    return _numbered(Predictions(table.PID.to_numpy(str), labels, probabilities, classes, true, said))


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
        same = same and all(one.class_names(task) == other.class_names(task) for task in shared)
        values = [name for name in one.values if name in other.values]
        same = same and all(np.array_equal(one.values[name], other.values[name], equal_nan=True) for name in values)
        if not same or not np.array_equal(one.pids.astype(str), other.pids.astype(str)):
            raise InputError(
                f"The predictions of {first} and {second} are not of the same patients with the same labels; only such "
                "can be compared."
            )
    return found


def tasks_of(models: Iterable[Predictions]) -> list[str]:
    """Tasks that any of the models has: those of `CLASSES` in their order, then others."""
    having = dict.fromkeys(task for one in models for task in one.labels)
    return [task for task in CLASSES if task in having] + [task for task in having if task not in CLASSES]


def class_names(models: Iterable[Predictions], task: str) -> list[str]:
    """Names of the classes of a task that any of the models has."""
    return next(one.class_names(task) for one in models if task in one.labels)


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


def _columns(task, classes):
    return [f"{task}: {name}" for name in classes]


def _described(columns):
    """Classes by task, and names of regressions, that the columns of a table stand for.

    Those of the paper have their classes, any others those that columns are named after.
    """
    values = []
    classes = {
        task: known
        for task, known in CLASSES.items()
        if any(column in (task, *_columns(task, known)) for column in columns)
    }
    for column in columns:
        own = [one.removeprefix(f"{column}: ") for one in columns if one.startswith(f"{column}: ")]
        if own == [PREDICTED]:
            values.append(column)
        elif len(own) > 1 and not set(own) <= set(classes.get(column, ())):
            classes[column] = own
    return classes or ({} if values else CLASSES), values


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
    parts = ("labels", "probabilities", "values", "predicted")
    by_task = {part: {name: one[rows] for name, one in getattr(predictions, part).items()} for part in parts}
    return replace(predictions, pids=predictions.pids[rows], **by_task)


def _numbers(column, name):
    values = pd.to_numeric(column, errors="coerce")
    if (values.isna() & column.notna()).any():
        raise InputError(f"{name} has a cell in {column.name} that is no number.")
    return values.to_numpy(float)


def _labels(column, classes, name):
    if not (column.isin(range(classes)) | column.isna()).all():
        raise InputError(f"{name} has a label in {column.name} other than 0 to {classes - 1}.")
    return column.fillna(MISSING).to_numpy(np.int64)


def _probabilities(columns, task, name):
    values = columns.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not ((values >= 0).all() and np.allclose(values.sum(axis=1), 1, rtol=0, atol=1e-6)):
        raise InputError(f"{name} has probabilities of {task} that are no numbers from 0 to 1 with a sum of 1.")
    return values
