"""Which cases of a store a run trains on, chooses its best epoch by, and is tested on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from COVIDMTLLib.architectures.tasks import MISSING
from COVIDMTLLib.utils.errors import InputError
from sklearn.model_selection import StratifiedKFold, train_test_split

from ..data.store import Store
from ..recipes.recipe import sees_features, tasks_of


class Rows(NamedTuple):
    """Rows of a store, in order.

    Attributes
    ----------
    train, validation, test : ndarray of int
    left_out : list of str
        Why cases of the store are in none of them, in sentences.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    left_out: list[str]


class Fold(NamedTuple):
    """A fold of a cross-validation: ``number`` (from 1) of ``of``."""

    number: int
    of: int


def choose_rows(store: Store, recipe: dict[str, Any], fold: Fold | None = None) -> Rows:
    """The rows of a run.

    Parameters
    ----------
    store : Store
    recipe : dict
    fold : Fold, optional
        Of a cross-validation of the training rows, stratified by all labels together as far as they go: that part
        is held out for validation. Otherwise ``validation_share`` of the training rows are, if the store has no
        validation rows of its own.

    Raises
    ------
    InputError
        If nothing is left to train on, a task has no two classes there, or there is no such fold.
    """
    tasks = tasks_of(recipe)
    targets = store.targets(tasks)
    labelled = np.isfinite(targets).any(axis=1)
    having = np.isfinite(store.features).all(axis=1)
    known = labelled & having if sees_features(recipe) else labelled
    left_out = []
    for reason, rows in (("no label of these tasks", ~labelled), ("no features", labelled & ~known)):
        if rows.any():
            left_out.append(f"{np.count_nonzero(rows)} cases are left out, since they have {reason}.")
    train, validation, test = (
        rows[known[rows]] for rows in (store.rows(split) for split in ("train", "validation", "test"))
    )
    if not len(train) and labelled[store.rows("train")].any():
        raise InputError(
            f"No training case of {store.folder} has lung features, which this network takes; prepare the store with "
            "them, or set network.features=false."
        )
    labels = np.stack([_classes(of_task, task) for of_task, task in zip(targets.T, tasks, strict=True)], axis=1)
    if fold is not None:
        train, validation = _held_out(np.sort(np.append(train, validation)), labels, fold, recipe["seed"])
    elif recipe["validation_share"] and not len(validation):
        train, validation = _share(train, labels, recipe)
    for task, of_task in zip(tasks, targets[train].T, strict=True):
        if len(np.unique(of_task[np.isfinite(of_task)])) < 2:
            what = "classes" if task.classes else "values"
            raise InputError(
                f"The training rows of {store.folder} have no two {what} of {task.name}; add cases or labels."
            )
    return Rows(train, validation, test, left_out)


def _classes(targets, task):
    """Class numbers; of a regression quarters of its values, to stratify by. `MISSING` where not known."""
    known = np.isfinite(targets)
    found = np.full(len(targets), MISSING)
    if task.classes or not known.any():
        found[known] = targets[known]
    else:
        found[known] = np.searchsorted(np.quantile(targets[known], (0.25, 0.5, 0.75)), targets[known])
    return found


def _held_out(rows, labels, fold, seed):
    if not 2 <= fold.of <= len(rows) or not 1 <= fold.number <= fold.of:
        raise InputError(f"There is no fold {fold.number} of {fold.of}; give one such as 1/5.")
    folds = StratifiedKFold(fold.of, shuffle=True, random_state=seed)
    train, validation = list(folds.split(rows, _strata(labels[rows], fold.of)))[fold.number - 1]
    return rows[train], rows[validation]


def _share(rows, labels, recipe):
    share = recipe["validation_share"]
    try:
        # Enough of each that either part can have one.
        strata = _strata(labels[rows], math.ceil(1 / min(share, 1 - share)))
        found = train_test_split(rows, test_size=share, stratify=strata, random_state=recipe["seed"])
    except ValueError as error:
        raise InputError(f"Of {len(rows)} training rows no {share:.0%} can be held out; change it.") from error
    return tuple(map(np.sort, found))


def _strata(labels, least):
    """A number for each combination of labels; those with fewer cases than ``least`` are one together.

    A single case of these, which cannot be in two parts, goes with the most frequent combination.
    """
    _, combination, counts = np.unique(labels, axis=0, return_inverse=True, return_counts=True)
    combination = combination.ravel()
    rare = counts[combination] < least
    return np.where(rare, counts.argmax() if rare.sum() == 1 else -1, combination)
