"""Which cases of a store a run trains on, chooses its best epoch by, and is tested on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.losses import MISSING
from recipe import TASK_NAMES
from sklearn.model_selection import StratifiedKFold, train_test_split
from store import Store


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
    labels = store.labels[:, [TASK_NAMES.index(task) for task in recipe["tasks"]]]
    labelled = (labels != MISSING).any(axis=1)
    known = labelled if not recipe["network"]["features"] else labelled & np.isfinite(store.features).all(axis=1)
    left_out = []
    for reason, rows in (("no label of these tasks", ~labelled), ("no features", labelled & ~known)):
        if rows.any():
            left_out.append(f"{np.count_nonzero(rows)} cases are left out, since they have {reason}.")
    train, validation, test = (
        rows[known[rows]] for rows in (store.rows(split) for split in ("train", "validation", "test"))
    )
    if fold is not None:
        train, validation = _held_out(np.sort(np.append(train, validation)), labels, fold, recipe["seed"])
    elif recipe["validation_share"] and not len(validation):
        train, validation = _share(train, labels, recipe)
    for task, of_task in zip(recipe["tasks"], labels[train].T, strict=True):
        if len(set(of_task) - {MISSING}) < 2:
            raise InputError(f"The training rows of {store.folder} have no two classes of {task}; add cases or labels.")
    return Rows(train, validation, test, left_out)


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
