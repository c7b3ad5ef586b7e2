"""A model for unseen sites made one of a site's own, from local cases whose labels are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..architectures.kernel_ridge import fit_kernel_ridge, gaussian_kernel, kernel_ridge_logits
from .conformal import least_probabilities

MIN_INTERCEPT, MIN_REFIT = 20, 50
"""Labelled cases from which the intercept is fitted, and from which the regression is fitted again with them."""

MIN_OF_CLASS = 3
"""Labelled cases of each class without which a task is left out."""

MIN_TWO_SAMPLE = 20
"""Cases from which it is told whether they are of the training's kind."""

FOLDS, COVERAGE = 5, 0.9

SLOPE_SD, BIAS_SD, INTERCEPT_SD = 0.3, 0.4, 0.4
"""How far from 1 and 0 the slope and the bias of a calibration are thought to be, and from 0 an intercept that is
fitted alone to few cases (as normal priors)."""

DRAWS, LEVEL = 499, 0.01
"""Permutations of the two-sample test, and the p-value from which cases are called of another kind."""

Weights = Mapping[str, np.ndarray]


class LocalCases(NamedTuple):
    """Cases of a site.

    Attributes
    ----------
    x : ndarray of shape (N, features)
        Scaled as the model has it.
    labels : ndarray of shape (N, tasks)
        0 or 1, NaN where not known.
    """

    x: np.ndarray
    labels: np.ndarray


def two_sample_p(x: np.ndarray, weights: Weights, seed: int = 0) -> float:
    """p-value of the hypothesis that cases come from where the training cases did.

    A permutation test of the maximum mean discrepancy (Gretton et al., JMLR 2012) with the kernel of the model, between
    the cases (N, features) and as many training cases, or all.
    """
    rng = np.random.default_rng(seed)
    others = weights["cases"].astype(float)
    if len(others) > 300:
        others = others[rng.choice(len(others), 300, replace=False)]
    # Of cases alone, any kernel: a wider one than that of the regression sees where cases lie, not each of them.
    kernel = gaussian_kernel(together := np.concatenate([x, others]), together, float(weights["gamma"]))
    signs = np.r_[np.full(len(x), 1 / len(x)), np.full(len(others), -1 / len(others))]
    found = signs @ kernel @ signs
    drawn = np.array([one @ kernel @ one for one in (rng.permutation(signs) for _ in range(DRAWS))])
    return float((1 + np.sum(drawn >= found)) / (1 + DRAWS))


def calibrate(weights: Weights, cases: LocalCases, penalty: float) -> tuple[dict[str, np.ndarray], list[str]]:
    """The weights of a model for the site of some cases, and how each task was calibrated.

    Parameters
    ----------
    weights : Weights
        Of a `architectures.kernel_ridge.KernelRidge`.
    cases : LocalCases
        With `MIN_OF_CLASS` labelled ones of each class in each task.
    penalty : float
        Of the ridge.

    Returns
    -------
    dict, list of str
        For each task ``intercept`` or ``refit``.
    """
    from scipy.special import logit

    columns, how = [], []
    for task, labels in enumerate(cases.labels.T):
        known = ~np.isnan(labels)
        x, y = cases.x[known], labels[known].astype(int)
        if known.sum() < MIN_REFIT:
            # From how frequent it was in the training, and as far from there as so few cases show.
            odds = float(logit(weights["labels"][:, task].astype(float).mean()))
            said = kernel_ridge_logits(weights, x)[:, task] + odds
            slope, bias = 1.0, odds + _platt(said, y, slope=False)[1]
            dual = np.zeros(len(weights["cases"]) + len(cases.x))
            dual[: len(weights["cases"])] = weights["dual"][:, task]
            base = weights["slope"][task], weights["bias"][task]
            how.append("intercept")
        else:
            together = np.concatenate([weights["cases"].astype(float), x])
            of_all = np.concatenate([weights["labels"][:, task], y])[:, np.newaxis]
            fitted = fit_kernel_ridge(together, of_all, float(weights["gamma"]), penalty)
            odds = float(logit(of_all.mean()))
            slope, bias = _platt(fitted["left_out"][-len(x) :, 0] + odds, y)
            bias += odds * slope
            dual = np.zeros(len(weights["cases"]) + len(cases.x))
            places = np.r_[np.arange(len(weights["cases"])), len(weights["cases"]) + np.flatnonzero(known)]
            dual[places] = fitted["dual"][:, 0]
            base = fitted["slope"][0], fitted["bias"][0]
            how.append("refit")
        columns.append((dual, base[0] * slope, base[1] * slope + bias))
    duals, slopes, biases = zip(*columns, strict=True)
    labels = np.nan_to_num(cases.labels, nan=-1).astype(np.int8)  # as if unknown, for whoever reads the file
    return {
        "cases": np.concatenate([weights["cases"], cases.x.astype(np.float16)]),
        "labels": np.concatenate([weights["labels"], labels]),
        "gamma": np.asarray(weights["gamma"], np.float32),
        "dual": np.stack(duals, axis=1).astype(np.float32),
        "slope": np.array(slopes, np.float32),
        "bias": np.array(biases, np.float32),
    }, how


def before(weights: Weights, x: np.ndarray) -> np.ndarray:
    """Logits (N, tasks) of a model as it came, with the prevalence of its training."""
    from scipy.special import logit

    labels = weights["labels"].astype(float)
    return kernel_ridge_logits(weights, x) + logit(labels.mean(axis=0))


def cross_validate(weights: Weights, cases: LocalCases, penalty: float, seed: int = 0) -> np.ndarray:
    """Logits (N, tasks) of cases by models that were calibrated without them; NaN where the label is not known.

    Folds are drawn by task, with both classes in each as far as they go.
    """
    from sklearn.model_selection import StratifiedKFold

    said = np.full(cases.labels.shape, np.nan)
    for task, labels in enumerate(cases.labels.T):
        known = np.flatnonzero(~np.isnan(labels))
        y = labels[known].astype(int)
        folds = StratifiedKFold(min(FOLDS, np.bincount(y).min()), shuffle=True, random_state=seed)
        one = {key: weights[key][..., task : task + 1] for key in ("labels", "dual", "slope", "bias")}
        of_task = dict(weights) | one
        for train, out in folds.split(known, y):
            others = LocalCases(cases.x[known[train]], labels[known[train], np.newaxis])
            fitted, _how = calibrate(of_task, others, penalty)
            said[known[out], task] = kernel_ridge_logits(fitted, cases.x[known[out]])[:, 0]
    return said


def measures(labels: np.ndarray, logits: np.ndarray) -> dict[str, float]:
    """``auc``, ``accuracy`` and ``ece``, the expected calibration error in ten bins of the probability, of one task."""
    from scipy.special import expit
    from sklearn.metrics import roc_auc_score

    probabilities = expit(logits)
    bins = np.minimum((probabilities * 10).astype(int), 9)
    gaps = [abs(np.sum(labels[bins == one] - probabilities[bins == one])) for one in np.unique(bins)]
    return {
        "auc": float(roc_auc_score(labels, logits)),
        "accuracy": float(np.mean((probabilities > 0.5) == labels)),
        "ece": float(np.sum(gaps) / len(labels)),
    }


def sets_of(labels: np.ndarray, logits: np.ndarray) -> list[float]:
    """The least probabilities of both classes in a prediction set (`conformal.least_probabilities`)."""
    from scipy.special import expit

    positive = expit(logits)
    return least_probabilities(np.stack([1 - positive, positive], axis=1), labels, COVERAGE)


def only(weights: Weights, tasks: list[int]) -> dict[str, Any]:
    """Weights of some tasks alone."""
    parts = {key: weights[key][..., tasks] for key in ("labels", "dual", "slope", "bias")}
    return dict(weights) | parts


def _platt(said: np.ndarray, labels: np.ndarray, slope: bool = True) -> tuple[float, float]:
    """Slope (or 1) and bias of logits under which labels are most probable, given what both are thought to be."""
    from scipy.optimize import minimize
    from scipy.special import log_expit

    def loss(parameters: np.ndarray) -> float:
        steep, bias = parameters if slope else (1.0, parameters[0])
        values = steep * said + bias
        fit = -np.sum(np.where(labels == 1, log_expit(values), log_expit(-values)))
        spread = BIAS_SD if slope else INTERCEPT_SD
        return fit + (steep - 1) ** 2 / (2 * SLOPE_SD**2) + bias**2 / (2 * spread**2)

    found = minimize(loss, [1.0, 0.0] if slope else [0.0], method="L-BFGS-B").x
    return (float(found[0]), float(found[1])) if slope else (1.0, float(found[0]))
