"""Prediction sets: the classes that a case can be of, with a stated coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..patient.laboratory import LABORATORY


def prediction_sets(
    card: Mapping[str, Any], probabilities: Mapping[str, np.ndarray], patient: Mapping[str, float] | None
) -> dict[str, dict[str, Any]]:
    """The classes that cannot be ruled out, by task.

    Class-conditional conformal prediction (Sadinle et al., JASA 2019): a class belongs to the set if its probability
    is at least that which it reached in a share of ``coverage`` of the cases of that class that the model had not been
    trained on. So the share holds in each class, on average over cases like those of the training, not for each case,
    and in no other hospital. The leading class is always in.

    Parameters
    ----------
    card : mapping
        Of the model.
    probabilities : mapping
        Of the classes of each task, shape (classes,).
    patient : mapping, optional
        What is known of the patient by name.

    Returns
    -------
    dict
        For each task ``coverage`` (0 to 1) and ``classes``, names, most probable first. Empty for a model whose card
        has no ``prediction_sets``.
    """
    sets = card.get("prediction_sets")
    if sets is None:
        return {}
    labs = any(name in LABORATORY and name in card.get("patient_values", ()) for name in patient or {})
    least = sets["with_labs" if labs else "without_labs"]
    found = {}
    for task in card["tasks"]:
        values = probabilities[task["name"]]
        order = np.argsort(-values, kind="stable")
        enough = values >= np.array(least[task["name"]])
        inside = [index for rank, index in enumerate(order) if rank == 0 or enough[index]]
        found[task["name"]] = {"coverage": sets["coverage"], "classes": [task["classes"][index] for index in inside]}
    return found


def least_probabilities(
    probabilities: np.ndarray, labels: np.ndarray, coverage: float, confidence: float = 0.95
) -> list[float]:
    """The probability of each class from which it belongs to a prediction set.

    Parameters
    ----------
    probabilities : ndarray of shape (N, classes)
        Of cases that the model was not trained on.
    labels : ndarray of int, shape (N,)
    coverage : float
        Share of the cases of a class that reach its probability.
    confidence : float
        With which they do among all cases to come, given so many (Vovk, 2012); with too few of a class for that, it
        belongs to every set.

    Returns
    -------
    list of float
    """
    from scipy.stats import beta

    found = []
    for index in range(probabilities.shape[1]):
        true = np.sort(probabilities[labels == index, index])
        # With the k-th smallest as the limit, the coverage to come has a beta distribution.
        ranks = np.arange(1, len(true) + 1)
        enough = ranks[beta.sf(coverage, len(true) + 1 - ranks, ranks) >= confidence]
        found.append(float(true[enough[-1] - 1]) if len(enough) else 0.0)
    return found
