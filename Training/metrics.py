"""The measures of the paper's tables: weighted precision, recall and F1, accuracy, AUC."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, precision_recall_fscore_support, roc_auc_score


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
