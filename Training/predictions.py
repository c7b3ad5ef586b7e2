"""Predictions as a table: where models of any kind, trained by any script, meet the evaluation."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.checkpoints import TASKS
from COVIDMTLLib.errors import InputError

CLASSES = {task["name"]: task["classes"] for task in TASKS}
"""Names of the classes of each task."""


@dataclass(frozen=True)
class Predictions:
    """What a model says of some patients, and what is true of them.

    Attributes
    ----------
    pids : ndarray of shape (N,)
        Which patient each row is.
    labels : dict
        True class of each row, int of shape (N,), by task.
    probabilities : dict
        float64 of shape (N, classes), by task.
    """

    pids: np.ndarray
    labels: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]


def write(path: str | Path, predictions: Predictions) -> None:
    """Write predictions as CSV.

    Columns are ``PID`` and then for each task its label, such as ``covid_ct``, and a probability for each class,
    such as ``covid_ct: negative``, with all the digits that a float64 has.
    """
    columns = {"PID": predictions.pids}
    for task, classes in CLASSES.items():
        columns[task] = predictions.labels[task]
        columns |= dict(zip(_columns(task, classes), predictions.probabilities[task].T, strict=True))
    pd.DataFrame(columns).to_csv(path, index=False)


def read(path: str | Path) -> Predictions:
    """Read what `write` wrote.

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
        table = pd.read_csv(path)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(f"{path.name} cannot be read as a table; give predictions as CSV.") from error
    wanted = ["PID", *(column for task, classes in CLASSES.items() for column in (task, *_columns(task, classes)))]
    missing = [column for column in wanted if column not in table]
    if missing:
        raise InputError(f"{path.name} lacks {len(missing)} columns of a table of predictions, {missing[0]!r} first.")
    if not len(table) or table.PID.isna().any() or table.PID.duplicated().any():
        raise InputError(f"{path.name} should have one row for each patient, every one with its own PID.")
    labels = {task: _labels(table[task], len(classes), path.name) for task, classes in CLASSES.items()}
    probabilities = {
        task: _probabilities(table[_columns(task, classes)], task, path.name) for task, classes in CLASSES.items()
    }
    return Predictions(table.PID.to_numpy(), labels, probabilities)


def read_all(models: Mapping[str, str | Path]) -> dict[str, Predictions]:
    """Read the predictions of several models on the same rows.

    Raises
    ------
    InputError
        As `read` does, or if the tables are not of the same patients with the same labels in the same order.
    """
    found = {name: read(path) for name, path in models.items()}
    first, *others = found
    for other in others:
        a, b = found[first], found[other]
        if not np.array_equal(a.pids, b.pids) or any(not np.array_equal(a.labels[t], b.labels[t]) for t in CLASSES):
            raise InputError(
                f"The predictions of {first} and {other} are not of the same patients with the same labels in the "
                "same order; only such can be compared."
            )
    return found


def named_file(text: str) -> tuple[str, str]:
    """``NAME=FILE`` of a command line, for argparse."""
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise argparse.ArgumentTypeError(f"{text} is not of the form NAME=FILE")
    return name, path


def _columns(task, classes):
    return [f"{task}: {name}" for name in classes]


def _labels(column, classes, name):
    if not column.isin(range(classes)).all():
        raise InputError(f"{name} has a label in {column.name} other than 0 to {classes - 1}.")
    return column.to_numpy(np.int64)


def _probabilities(columns, task, name):
    values = columns.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    if not ((values >= 0).all() and np.allclose(values.sum(axis=1), 1, rtol=0, atol=1e-6)):
        raise InputError(f"{name} has probabilities of {task} that are no numbers from 0 to 1 with a sum of 1.")
    return values
