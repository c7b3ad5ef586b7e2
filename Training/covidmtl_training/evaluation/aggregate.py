"""Both diagnoses of a model together, as Table 10 of the paper has them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from COVIDMTLLib.architectures.tasks import MISSING

from .predictions import Predictions

BOTH = ("covid_ct", "covid_nat")

AGGREGATED = "covid_any"
"""What the task is called whose second class are those that either diagnosis calls positive."""


def aggregate(predictions: Predictions) -> Predictions:
    """Predictions with the task `AGGREGATED`, if they have both diagnoses; otherwise as they are.

    Positive is who is positive by CT or by nucleic acid test, and the probability of it the larger of the two, as
    `verdicts.aggregate` has it. A case of which one label is not known is positive if the other is, and otherwise not
    known.
    """
    if not all(task in predictions.labels for task in BOTH):
        return predictions
    labels = np.stack([predictions.labels[task] for task in BOTH])
    known = np.where((labels == MISSING).any(axis=0), MISSING, 0)
    positive = np.max([predictions.probabilities[task][:, 1] for task in BOTH], axis=0)
    return replace(
        predictions,
        labels=predictions.labels | {AGGREGATED: np.where((labels == 1).any(axis=0), 1, known)},
        probabilities=predictions.probabilities | {AGGREGATED: np.stack([1 - positive, positive], axis=1)},
        classes=predictions.classes | {AGGREGATED: ["negative", "positive"]},
    )
