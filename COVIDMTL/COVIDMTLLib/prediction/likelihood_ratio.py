"""What a result of a test is worth at a hospital that was not in the training: likelihood ratios, and no probability.

A probability holds for the patients that a model was trained on, among whom the disease was as frequent as it was.
What can be said elsewhere is how often a result like this one came up among the positive patients of hospitals that
were unseen, and how often among the negative ones; the ratio of both turns a probability before the test into one
after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..utils.errors import InputError
from ..utils.text import shortened

FOR, AGAINST, NOTHING = "speaks for it", "speaks against it", "says nothing"
"""What a result may say; nothing if the interval of its likelihood ratio holds 1."""

PRIORS = (0.05, 0.20, 0.50)
"""Probabilities before the test that are shown where the user gives none."""

OF_PRIOR = "covid_ct"
"""The task that a user's probability before the test is of."""

GRID, QUANTILES = 41, 101
"""Points of the table of likelihood ratios, and quantiles of each class, that a card holds."""

ENDS = (0.05, 0.95)
"""Quantiles of what was said in a site, beyond which its likelihood ratio is not taken further."""

DRAWS = 200
"""Of the bootstrap, whose ends are those of 95 %."""


def describe(
    said: np.ndarray, labels: np.ndarray, sites: np.ndarray, seed: int = 0, shrink: float = 1.0
) -> dict[str, Any]:
    """What a card holds of one task.

    In each site, a logistic regression with both classes of the same weight gives the logarithm of the likelihood
    ratio. The mean of the sites is taken, and as its interval all that lies within the bootstrap interval of any: sites
    disagree, and nobody knows which of them another one is like.

    Parameters
    ----------
    said : ndarray of shape (N,)
        Logits of cases whose site was not in the training, or a measure of theirs.
    labels : ndarray of int, shape (N,)
        0 or 1.
    sites : ndarray of shape (N,)
        Where each case is from.
    seed : int
        Of the bootstrap.
    shrink : float
        What the logarithm of the end of the interval that is nearer to a ratio of 1 is multiplied by: how far results
        fall behind that nobody chose anything by, as a ratio of distances between the classes.

    Returns
    -------
    dict
        ``logits`` and beside each ``log_ratio``, ``log_ratio_low``, ``log_ratio_high``; ``negatives`` and
        ``positives``, quantiles of the logits of each class; ``cases`` of each.
    """
    rng = np.random.default_rng(seed)
    grid = np.quantile(said, np.linspace(0, 1, GRID))
    lines, ends = [], []
    for site in np.unique(sites):
        x, known = said[sites == site], labels[sites == site]
        within = np.clip(grid, *np.quantile(x, ENDS))
        by_class = [np.flatnonzero(known == one) for one in (0, 1)]
        drawn = []
        for _ in range(DRAWS):
            rows = np.concatenate([rng.choice(one, len(one)) for one in by_class])
            drawn.append(_log_ratio(x[rows], known[rows], within))
        lines.append(_log_ratio(x, known, within))
        ends.append(np.quantile(drawn, (0.025, 0.975), axis=0))
    low, high = np.min([one[0] for one in ends], axis=0), np.max([one[1] for one in ends], axis=0)
    values = np.linspace(0, 1, QUANTILES)
    return {
        "logits": _short(grid),
        "log_ratio": _short(np.mean(lines, axis=0)),
        "log_ratio_low": _short(np.where(low > 0, low * shrink, low)),
        "log_ratio_high": _short(np.where(high < 0, high * shrink, high)),
        "negatives": _short(np.quantile(said[labels == 0], values)),
        "positives": _short(np.quantile(said[labels == 1], values)),
        "cases": {"negatives": int(np.sum(labels == 0)), "positives": int(np.sum(labels == 1))},
    }


def check_prior(prior: float | str | None) -> float | None:
    """A probability before the test as a number; raises `InputError` unless it is above 0 and below 1."""
    if prior is None:
        return None
    try:
        value = float(prior)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise InputError(
            f"The probability before the CT is {shortened(prior)}; give a number above 0 and below 1, such as 0.2."
        )
    return value


def weigh(value: float, evidence: Mapping[str, Any], prior: float | None = None) -> dict[str, Any]:
    """What a value is worth, by what `describe` found.

    Parameters
    ----------
    value : float
        A logit, or a measure.
    evidence : mapping
    prior : float, optional
        Probability before the test, 0 to 1; `PRIORS` without it.

    Returns
    -------
    dict
        ``value``; ``negatives_below`` and ``positives_below``, shares of the cohort's cases with less;
        ``likelihood_ratio`` with ``likelihood_ratio_low`` and ``likelihood_ratio_high``; ``says``: `FOR`, `AGAINST`
        or `NOTHING`; ``after``: for each probability before the test (``before``) the ``probability`` after it, with
        ``low`` and ``high``; ``given``: whether the user gave it; ``cases``, of each class.
    """
    ratio, low, high = (
        float(np.interp(value, evidence["logits"], evidence[key]))
        for key in ("log_ratio", "log_ratio_low", "log_ratio_high")
    )
    below = {
        f"{name}_below": float(np.interp(value, evidence[name], np.linspace(0, 1, len(evidence[name]))))
        for name in ("negatives", "positives")
    }
    after = [
        {"before": before} | dict(zip(("probability", "low", "high"), _after(before, (ratio, low, high)), strict=True))
        for before in (PRIORS if prior is None else (prior,))
    ]
    ratios = dict(zip(("", "_low", "_high"), np.exp([ratio, low, high]).tolist(), strict=True))
    return (
        {"value": float(value)}
        | below
        | {f"likelihood_ratio{end}": one for end, one in ratios.items()}
        | {"says": FOR if low > 0 else AGAINST if high < 0 else NOTHING}
        | {"after": after, "given": prior is not None, "cases": dict(evidence["cases"])}
    )


def _after(before: float, log_ratios: tuple[float, ...]) -> list[float]:
    """Probabilities after a test by Bayes' rule."""
    odds = before / (1 - before) * np.exp(log_ratios)
    return (odds / (1 + odds)).tolist()


def _log_ratio(x: np.ndarray, labels: np.ndarray, at: np.ndarray) -> np.ndarray:
    from ..architectures.kernel_ridge import calibrate_columns

    spread = x.std() or 1.0
    slope, bias = calibrate_columns(x[:, np.newaxis] / spread, labels[:, np.newaxis])
    return slope[0] * at / spread + bias[0]


def _short(values: np.ndarray) -> list[float]:
    return np.round(values, 4).tolist()


def in_words(evidence: Mapping[str, Any]) -> list[str]:
    """What `weigh` found, for people: the ratio, where the case stands, and probabilities after the test."""
    ratio, low, high = (evidence[f"likelihood_ratio{end}"] for end in ("", "_low", "_high"))
    cases = evidence["cases"]
    after = "; ".join(
        f"{_percent(one['before'])} before the CT, {_percent(one['probability'])} after it ({_percent(one['low'])} to "
        f"{_percent(one['high'])})"
        for one in evidence["after"]
    )
    return [
        f"Likelihood ratio {ratio:.2g} (95 % interval {low:.2g} to {high:.2g})",
        f"Above {evidence['negatives_below']:.0%} of the {cases['negatives']} negative and "
        f"{evidence['positives_below']:.0%} of the {cases['positives']} positive cases of hospitals unseen",
        f"Probability: {after}",
    ]


def _percent(share: float) -> str:
    return "<1 %" if 0 < share < 0.01 else ">99 %" if 0.99 < share < 1 else f"{100 * share:.0f} %"
