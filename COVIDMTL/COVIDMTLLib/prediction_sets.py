"""Prediction sets: the classes that a case can be of, with a stated coverage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .laboratory import LABORATORY


def prediction_sets(
    card: Mapping[str, Any], probabilities: Mapping[str, np.ndarray], patient: Mapping[str, float] | None
) -> dict[str, dict[str, Any]]:
    """The classes that cannot be ruled out, by task.

    Conformal prediction: a class belongs to the set if its probability is at least that which the true class reached
    in a share of ``coverage`` of cases that the model had not been trained on (Sadinle et al., JASA 2019). That holds
    on average over cases like those of the training, not for each case, and the leading class is always in.

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
    labs = any(name in LABORATORY and name in card["patient_values"] for name in patient or {})
    least = sets["with_labs" if labs else "without_labs"]
    found = {}
    for task in card["tasks"]:
        values = probabilities[task["name"]]
        order = np.argsort(-values, kind="stable")
        inside = [index for rank, index in enumerate(order) if rank == 0 or values[index] >= least[task["name"]]]
        found[task["name"]] = {"coverage": sets["coverage"], "classes": [task["classes"][index] for index in inside]}
    return found
