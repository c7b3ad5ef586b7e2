"""Features as a model was trained on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..utils.errors import InputError

Z_SCORE, MIN_MAX = "z-score", "min-max"
"""Names of the ways to scale: by mean and standard deviation, or by minimum and range, as the paper's release."""


def scale(values: np.ndarray, scaling: dict[str, Any]) -> np.ndarray:
    """Scale features as a model was trained on them.

    Parameters
    ----------
    values : ndarray of shape (N, features)
        Unscaled, in the order of the model card.
    scaling : dict
        Of a model card: either ``minimum`` and ``range`` (features,), for values that are 0 to 1 in the training cases
        and not clipped beyond; or ``mean`` and ``std`` (features,), ``clip`` in standard deviations, ``gain``, for
        z-scores, clipped, times a gain.

    Returns
    -------
    ndarray of shape (N, features)
    """
    if "minimum" in scaling:
        return (values - np.array(scaling["minimum"])) / np.array(scaling["range"])
    z = (values - np.array(scaling["mean"])) / np.array(scaling["std"])
    return scaling["gain"] * np.clip(z, -scaling["clip"], scaling["clip"])


def fit_scaling(values: np.ndarray, clip: float, gain: float = 1.0) -> dict[str, Any]:
    """The ``scaling`` of a model card by mean and standard deviation.

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
    # A constant feature, such as Minimum in the cohort, tells nothing and stays at 0 for every case like it.
    return {"mean": values.mean(axis=0).tolist(), "std": _or_one(values.std(axis=0)), "clip": clip, "gain": gain}


def fit_min_max(values: np.ndarray) -> dict[str, Any]:
    """The ``scaling`` of a model card by minimum and range, as the paper's release scales; see `fit_scaling`."""
    return {"minimum": values.min(axis=0).tolist(), "range": _or_one(np.ptp(values, axis=0))}


def make_scaling(values: np.ndarray, name: str, **options: float) -> dict[str, Any]:
    """The scaling that goes by a name, `Z_SCORE` (options ``clip``, ``gain``) or `MIN_MAX` (none).

    Raises
    ------
    InputError
        If there is no such scaling, or it has no such option or value.
    """
    known: dict[str, tuple[Callable[..., dict[str, Any]], dict[str, float]]] = {
        Z_SCORE: (fit_scaling, {"clip": 3.0, "gain": 0.1}),
        MIN_MAX: (fit_min_max, {}),
    }
    if name not in known:
        raise InputError(f"There is no scaling {name}; choose one of {', '.join(known)}.")
    fit, defaults = known[name]
    for option, value in options.items():
        if option not in defaults:
            raise InputError(f"The scaling {name} has no option {option}; it has {', '.join(defaults) or 'none'}.")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e12:
            raise InputError(f"{option} of the scaling {name} has to be a number above 0, and {value!r} is not.")
    return fit(values, **defaults | options)


def scaling_options(scaling: dict[str, Any]) -> dict[str, Any]:
    """Name and options of a scaling, as `make_scaling` takes them."""
    return {"name": MIN_MAX} if "minimum" in scaling else {"name": Z_SCORE} | {k: scaling[k] for k in ("clip", "gain")}


def _or_one(widths: np.ndarray) -> list[float]:
    return np.where(widths == 0, 1.0, widths).tolist()
