"""From what experts say of held-out rows to weights, calibrated probabilities, and prediction sets."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from COVIDMTLLib.architectures.config import OF_CT, OF_LABS
from COVIDMTLLib.prediction.conformal import least_probabilities

from ..cohort.cohort import Cohort
from ..evaluation.metrics import auc
from ..evaluation.predictions import CLASSES
from ..evaluation.significance import delong
from .experts import combine, fit_combination, out_of_fold, patient_values

EXPERTS = {"without_labs": OF_CT, "with_labs": OF_CT + OF_LABS}
"""How many of the experts are asked."""


class HeldOut(NamedTuple):
    """What experts say of rows that they were not trained on, in each repeat of a cross-validation.

    Attributes
    ----------
    said : list of ndarray of shape (repeats, experts, N, classes)
        Log-probabilities, one array a task.
    fold : ndarray of int, shape (repeats, N)
    labels : ndarray of int, shape (N, tasks)
    labs : ndarray of bool, shape (N,)
        Whether any laboratory value is known.
    """

    said: list[np.ndarray]
    fold: np.ndarray
    labels: np.ndarray
    labs: np.ndarray


def held_out(rows: Cohort, recipe: dict[str, Any], seed: int) -> HeldOut:
    """Cross-validate the experts on rows."""
    folds = list(out_of_fold(rows, recipe, seed))
    repeats = sum(len(index) for index, _ in folds) // len(rows.labels)
    fold = np.empty((repeats, len(rows.labels)), int)
    said = [np.empty((repeats, max(EXPERTS.values()), len(rows.labels), len(classes))) for classes in CLASSES.values()]
    for number, (index, experts) in enumerate(folds):
        repeat = number * repeats // len(folds)
        fold[repeat, index] = number
        for expert, answers in enumerate(experts):
            for of_task, answer in zip(said, answers, strict=True):
                of_task[repeat, expert, index] = answer
    labs = ~np.isnan(patient_values(rows)[:, 2:]).all(axis=1)
    return HeldOut(said, fold, rows.labels, labs)


def fit_all(found: HeldOut, coverage: float) -> dict[str, list[tuple[np.ndarray, np.ndarray, list[float]]]]:
    """For each of `EXPERTS`, each task's weights, biases and least probabilities of the classes in a set."""
    return {
        known: [
            _fit(of_task[:, :experts], labels, found.labs | (known == "without_labs"), coverage)
            for of_task, labels in zip(found.said, found.labels.T, strict=True)
        ]
        for known, experts in EXPERTS.items()
    }


def cross_fit(found: HeldOut) -> dict[str, list[np.ndarray]]:
    """Probabilities of held-out rows, weights and biases too from other folds alone.

    Returns
    -------
    dict
        By model (``features`` and ``features+labs``), for each task an array (repeats, N, classes). Rows without any
        laboratory value get the answer of the model that has none.
    """
    answers = {}
    for known, experts in EXPERTS.items():
        answers[known] = []
        usable = found.labs | (known == "without_labs")
        for of_task, labels in zip(found.said, found.labels.T, strict=True):
            probabilities = np.empty((len(of_task), *of_task.shape[2:]))
            for repeat, (said, fold) in enumerate(zip(of_task[:, :experts], found.fold, strict=True)):
                for number in np.unique(fold):
                    inside = fold == number
                    weight, bias = fit_combination(said[:, ~inside & usable], labels[~inside & usable])
                    probabilities[repeat, inside] = np.exp(combine(said[:, inside], weight, bias))
            answers[known].append(probabilities)
    both = [
        np.where(found.labs[None, :, None], b, a)
        for a, b in zip(answers["without_labs"], answers["with_labs"], strict=True)
    ]
    return {"features": answers["without_labs"], "features+labs": both}


def validated(found: HeldOut) -> pd.DataFrame:
    """AUC of `cross_fit` by model and task.

    Returns
    -------
    DataFrame
        ``model``, ``task``, ``mean`` and ``sd`` over folds, and ``auc`` with ``auc_low`` and ``auc_high``: of all
        rows together, the mean over repeats of the AUC and the ends of its 95 % interval (DeLong).
    """
    rows = []
    for model, answers in cross_fit(found).items():
        for task, probabilities, labels in zip(CLASSES, answers, found.labels.T, strict=True):
            pooled, by_fold = [], []
            for one, fold in zip(probabilities, found.fold, strict=True):
                estimate = delong(labels, [one])
                pooled.append([estimate.values[0], *estimate.intervals()[0]])
                by_fold += [auc(labels[fold == number], one[fold == number]) for number in np.unique(fold)]
            rows.append((model, task, np.mean(by_fold), np.std(by_fold), *np.mean(pooled, axis=0)))
    return pd.DataFrame(rows, columns=["model", "task", "mean", "sd", "auc", "auc_low", "auc_high"])


def coverage_of(found: HeldOut, coverage: float = 0.9) -> pd.DataFrame:
    """How many of held-out rows of each class have it in their prediction set, limits too from other folds alone.

    Returns
    -------
    DataFrame
        ``model``, ``task``, ``class``, ``cases`` and ``coverage``, the mean over repeats.
    """
    rows = []
    for known, model in (("without_labs", "features"), ("with_labs", "features+labs")):
        usable = found.labs | (known == "without_labs")
        for (task, classes), said, labels in zip(CLASSES.items(), found.said, found.labels.T, strict=True):
            inside = np.zeros((len(said), len(labels)), bool)
            for repeat, fold in enumerate(found.fold):
                one = said[repeat, : EXPERTS[known]]
                for number in np.unique(fold[usable]):
                    out, others = usable & (fold == number), usable & (fold != number)
                    weight, bias = fit_combination(one[:, others], labels[others])
                    least = least_probabilities(np.exp(combine(one[:, others], weight, bias)), labels[others], coverage)
                    probabilities = np.exp(combine(one[:, out], weight, bias))
                    true = probabilities[np.arange(out.sum()), labels[out]]
                    leads = probabilities.argmax(axis=1) == labels[out]
                    inside[repeat, out] = leads | (true >= np.array(least)[labels[out]])
            for index, name in enumerate(classes):
                of_class = usable & (labels == index)
                rows.append((model, task, name, int(of_class.sum()), float(inside[:, of_class].mean())))
    return pd.DataFrame(rows, columns=["model", "task", "class", "cases", "coverage"])


def _fit(said, labels, usable, coverage):
    """Of all repeats together."""
    rows = np.concatenate([one[:, usable] for one in said], axis=1)
    labels = np.tile(labels[usable], len(said))
    weight, bias = fit_combination(rows, labels)
    # Of the first repeat alone, for in each of them the same patients come up.
    first = slice(0, len(labels) // len(said))
    return weight, bias, least_probabilities(np.exp(combine(rows[:, first], weight, bias)), labels[first], coverage)
