"""Features as a model was trained on them."""

from __future__ import annotations

from typing import Any

import numpy as np


def scale(values: np.ndarray, scaling: dict[str, Any]) -> np.ndarray:
    """Scale features as a model was trained on them: z-scores, clipped, times a gain.

    Parameters
    ----------
    values : ndarray of shape (N, features)
        Unscaled, in the order of the model card.
    scaling : dict
        Of a model card: ``mean`` and ``std`` (features,), ``clip`` in standard deviations, ``gain``.

    Returns
    -------
    ndarray of shape (N, features)
    """
    z = (values - np.array(scaling["mean"])) / np.array(scaling["std"])
    return scaling["gain"] * np.clip(z, -scaling["clip"], scaling["clip"])


def fit_scaling(values: np.ndarray, clip: float, gain: float) -> dict[str, Any]:
    """The ``scaling`` of a model card.

    Parameters
    ----------
    values : ndarray of shape (N, features)
        Unscaled features of the training cases.
    clip : float
        Largest z-score, in standard deviations.
    gain : float
        What the clipped z-scores are multiplied by.

    Returns
    -------
    dict
        As `scale` takes it.
    """
    deviation = values.std(axis=0)
    # A constant feature, such as Minimum in the cohort, tells nothing and stays at 0 for every case like it.
    deviation[deviation == 0] = 1
    return {"mean": values.mean(axis=0).tolist(), "std": deviation.tolist(), "clip": clip, "gain": gain}
