"""The measures of the paper's tables: weighted precision, recall and F1, accuracy, AUC; and those of calibration."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score

BINS = 10
"""Of the expected calibration error and the reliability diagram, of equal width from 0 to 1."""


class Reliability(NamedTuple):
    """The points of a reliability diagram, one for each bin that holds a case; arrays of one length.

    Attributes
    ----------
    confidence : ndarray
        Mean probability of the leading class.
    accuracy : ndarray
        Share of the cases whose class that is.
    cases : ndarray of int
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    cases: np.ndarray


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """The measures of one task.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
    probabilities : ndarray of shape (N, classes)

    Returns
    -------
    dict
        ``precision``, ``recall`` and ``f1``, weighted by class; ``accuracy``; ``auc``, of more than two
        classes the mean of each against the rest.
    """
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average="weighted", zero_division=0)
    return {
        "precision": float(precision),
        "recall": float(recall),
        "f1": float(f1),
        "accuracy": float(accuracy_score(labels, predicted)),
        "auc": auc(labels, probabilities),
    }


def auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Area under the ROC curve; of more than two classes the mean of each against the rest."""
    scores = probabilities[:, 1] if probabilities.shape[1] == 2 else probabilities
    return float(roc_auc_score(labels, scores, multi_class="ovr"))


def auc_by_class(labels: np.ndarray, probabilities: np.ndarray) -> list[float]:
    """Area under the ROC curve of each class against the rest."""
    return [float(roc_auc_score(labels == index, scores)) for index, scores in enumerate(probabilities.T)]


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> Reliability:
    """How often the leading class is right, by its probability (Guo et al., ICML 2017).

    Cases are put into `BINS` bins by the probability of the leading class, whichever it is, in tasks of two
    classes as well; the upper edge belongs to a bin.
    """
    leading = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.clip(np.ceil(leading * BINS).astype(int) - 1, 0, BINS - 1)
    cases = np.bincount(bins, minlength=BINS)
    held = cases > 0
    sums = (np.bincount(bins, weights=one, minlength=BINS)[held] for one in (leading, right))
    return Reliability(*(one / cases[held] for one in sums), cases[held])


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error of the leading class (Guo et al., ICML 2017), 0 to 1.

    The mean over all cases of how far the points of `reliability` are from the diagonal.
    """
    points = reliability(labels, probabilities)
    return float(np.average(np.abs(points.accuracy - points.confidence), weights=points.cases))
