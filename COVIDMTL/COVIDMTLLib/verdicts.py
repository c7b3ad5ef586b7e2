"""From features to verdicts: the tasks, their aggregate, and how usual the case is."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import training_range
from .models import Model


def judge(features: dict[str, float], model: Model) -> dict[str, Any]:
    """Assess a case by its features.

    Parameters
    ----------
    features : dict
        The 375 features by name.
    model : Model

    Returns
    -------
    dict
        ``tasks``: title, classes, their probabilities (0 to 1) and the verdict of each task;
        ``aggregate``: see `aggregate`; ``training_range``: see `training_range.compare`.
    """
    probabilities = model.predict(features)
    tasks = {
        task["name"]: {
            "title": task["title"],
            "classes": task["classes"],
            "probabilities": probabilities[task["name"]].tolist(),
            "verdict": task["classes"][int(np.argmax(probabilities[task["name"]]))],
        }
        for task in model.card["tasks"]
    }
    comparison = training_range.compare(features, model.features, model.card["training_distribution"])
    return {"tasks": tasks, "aggregate": aggregate(tasks), "training_range": comparison}


def aggregate(tasks: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The paper's aggregate of the two diagnoses: positive if either of them is (section 8).

    Whoever is positive by CT or by nucleic acid test is at risk of transmitting the virus. The
    probability is the larger of the two, so that it crosses 1/2 exactly when either does. None for
    a model without both tasks.
    """
    if not {"covid_ct", "covid_nat"} <= tasks.keys():
        return None
    probability = max(tasks[name]["probabilities"][1] for name in ("covid_ct", "covid_nat"))
    return {
        "rule": "positive if either diagnosis is positive (Bao et al., section 8); the larger of the two probabilities",
        "probability": probability,
        "verdict": "positive" if probability > 0.5 else "negative",
    }
