"""Is one model better than another? Intervals of the AUC and paired tests on the same rows.

The paper closes with p-values "ranging from 1.12E-08 to 0.02" and does not say of which test. Here the AUC is
compared by the test of DeLong et al. (Biometrics 44, 1988), computed by midranks (Sun and Xu, IEEE Signal
Processing Letters 21, 2014), and accuracy by that of McNemar.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from COVIDMTLLib.utils.errors import InputError
from scipy.special import expit, logit
from scipy.stats import norm, rankdata
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

LEVEL = 0.95
"""Of every interval of the study."""

COUNTED = ("precision", "recall", "f1", "accuracy")
"""Measures that depend on the answers and not on their probabilities."""

DRAWS, SEED = 2000, 0
"""Of the bootstrap."""


class Aucs(NamedTuple):
    """AUC of some models on the same rows.

    Attributes
    ----------
    values : ndarray of shape (models,)
    covariance : ndarray of shape (models, models)
        Of their estimates.
    """

    values: np.ndarray
    covariance: np.ndarray

    def intervals(self) -> np.ndarray:
        """Low and high end of the 95 % interval of each AUC, shape (models, 2).

        Made on the logit scale, on which an estimate close to 1 spreads evenly, and which keeps both ends within
        0..1. An AUC of exactly 0 or 1 has no variance in DeLong's method, and an interval of no width.
        """
        ends = np.repeat(self.values[:, None], 2, axis=1)
        inside = (self.values > 0) & (self.values < 1)
        value = self.values[inside]
        error = np.sqrt(self.covariance.diagonal()[inside]) / (value * (1 - value))
        z = norm.ppf((1 + LEVEL) / 2)
        ends[inside] = expit(logit(value)[:, None] + np.outer(error, [-z, z]))
        return ends

    def p_value(self, first: int, second: int) -> float:
        """Two-sided p-value of the hypothesis that two of the models have the same AUC."""
        difference = self.values[first] - self.values[second]
        weights = np.zeros(len(self.values))
        weights[first] += 1
        weights[second] -= 1
        variance = weights @ self.covariance @ weights
        if np.isclose(difference, 0, rtol=0, atol=1e-12):  # of one order of the cases, where the variance is 0 as well
            return 1.0
        return float(2 * norm.sf(abs(difference) / np.sqrt(variance))) if variance > 0 else 0.0


def delong(labels: np.ndarray, probabilities: Sequence[np.ndarray], of_class: int | None = None) -> Aucs:
    """AUC of models on the same rows, and how the estimates vary together.

    Of two classes it is the AUC of the second, of more the mean over all classes of each against the rest. Every
    row has a structural component in the AUC of its own class and one in that of every other class; the
    component of a mean of AUCs is the mean of these, and the covariance follows from the rows' components as it
    does for a single AUC. Rows count as drawn at random from all patients, not class by class.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
    probabilities : sequence of ndarray of shape (N, classes)
        One array a model.
    of_class : int, optional
        Only this class against the rest.

    Raises
    ------
    InputError
        If a class has fewer than two rows, or all but one.
    """
    found = []
    for one in probabilities:
        classes = range(one.shape[1]) if one.shape[1] > 2 else [1]
        parts = [_auc(labels == c, one[:, c]) for c in (classes if of_class is None else [of_class])]
        found.append([np.mean(part, axis=0) for part in zip(*parts, strict=True)])
    values, components = (np.array(part) for part in zip(*found, strict=True))
    return Aucs(values, components @ components.T)


def counted_intervals(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Low and high end of the 95 % interval of each of `COUNTED`, shape (4, 2).

    Percentiles of a bootstrap. These measures know the rows by their label and answer alone, so that drawing rows is
    drawing a table of counts.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
    probabilities : ndarray of shape (N, classes)
        The leading class is the answer.
    """
    classes, n = probabilities.shape[1], len(labels)
    share = np.bincount(labels * classes + probabilities.argmax(axis=1), minlength=classes**2) / n
    counts = np.random.default_rng(SEED).multinomial(n, share, DRAWS).reshape(DRAWS, classes, classes)
    right, known, answered = counts.diagonal(axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)
    precision = np.sum(known * right / np.maximum(answered, 1), axis=1) / n
    f1 = np.sum(known * 2 * right / np.maximum(known + answered, 1), axis=1) / n
    accuracy = right.sum(axis=1) / n  # and recall, weighted by class
    tail = 50 * (1 - LEVEL)
    return np.percentile([precision, accuracy, f1, accuracy], [tail, 100 - tail], axis=1).T


def mcnemar_test(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """Two-sided p-value of the hypothesis that two models are right equally often.

    McNemar's test, exact: binomial on the rows that only one of the two gets right.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
    first, second : ndarray of shape (N, classes)
        Probabilities of the models; the leading class is the answer.
    """
    a, b = (one.argmax(axis=1) == labels for one in (first, second))
    return float(mcnemar([[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]], exact=True).pvalue)


def holm(p_values: Sequence[float]) -> np.ndarray:
    """p-values of one family of tests, corrected by Holm's method."""
    return multipletests(p_values, method="holm")[1]


def _auc(positive, scores):
    """AUC, and each row's part (N,) in the estimate: they sum to 0, and their squares to its variance."""
    m, n = np.sum(positive), np.sum(~positive)
    if min(m, n) < 2:
        raise InputError(f"An AUC needs two cases of a class and two of the rest, and here are {m} and {n}.")
    ranks = rankdata(scores)
    # The share of negative cases under each positive one, and of positive ones over each negative one; ties by half.
    over = (ranks[positive] - rankdata(scores[positive])) / n
    under = 1 - (ranks[~positive] - rankdata(scores[~positive])) / m
    value = over.mean()
    components = np.empty(len(scores))
    components[positive] = (over - value) / np.sqrt(m * (m - 1))
    components[~positive] = (under - value) / np.sqrt(n * (n - 1))
    return value, components
