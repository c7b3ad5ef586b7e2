"""Fitting kernel ridge regression of tasks with two classes each, as the model ``transportable`` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

CALIBRATION = 25.0
"""Inverse penalty of the logistic calibration, which has two numbers to fit."""


def gaussian_kernel(x: np.ndarray, cases: np.ndarray, gamma: float) -> np.ndarray:
    """exp(-gamma d^2) of cases (N, columns) and others (M, columns): (N, M)."""
    from scipy.spatial.distance import cdist

    return np.exp(-gamma * cdist(x, cases, "sqeuclidean"))


def fit_kernel_ridge(x: np.ndarray, labels: np.ndarray, gamma: float, penalty: float) -> dict[str, np.ndarray]:
    """Fit one regression for each task, and calibrate it.

    Targets are centred, so that far from all training cases a regression says what it says of the average case. The
    calibration is logistic, on what the regression says of each training case when it is left out, with both classes
    given the same weight: what comes out is the logarithm of a likelihood ratio, whatever the prevalence was.

    Parameters
    ----------
    x : ndarray of shape (N, columns)
        Scaled features of the training cases.
    labels : ndarray of int, shape (N, tasks)
        0 or 1.
    gamma : float
        Of the Gaussian kernel.
    penalty : float
        Of the ridge.

    Returns
    -------
    dict
        The weights of a `KernelRidge`, and ``left_out`` (N, tasks): the calibrated logit of each
        training case when the regression is fitted without it.
    """
    # In half precision for x, as it is stored.
    x = x.astype(np.float16).astype(float)
    target = labels - labels.mean(axis=0)
    inverse = np.linalg.inv(gaussian_kernel(x, x, gamma) + penalty * np.eye(len(x)))
    dual = inverse @ target
    left_out = target - dual / inverse.diagonal()[:, np.newaxis]
    slope, bias = calibrate_columns(left_out, labels)
    return {
        "cases": x.astype(np.float16),
        "labels": labels.astype(np.int8),
        "gamma": np.array(gamma, np.float32),
        "dual": dual.astype(np.float32),
        "slope": slope.astype(np.float32),
        "bias": bias.astype(np.float32),
        "left_out": left_out * slope + bias,
    }


def calibrate_columns(said: np.ndarray, labels: np.ndarray, balanced: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Slope and bias of a logistic calibration of each task, from what was said (N, tasks) and what is true."""
    from sklearn.linear_model import LogisticRegression

    weight = "balanced" if balanced else None
    found = []
    for one, known in zip(said.T, labels.T, strict=True):
        fitted = LogisticRegression(C=CALIBRATION, class_weight=weight).fit(one[:, np.newaxis], known)
        found.append((fitted.coef_[0, 0], fitted.intercept_[0]))
    slope, bias = np.array(found).T
    return slope, bias


def kernel_ridge_logits(weights: Mapping[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    """Calibrated logits (N, tasks) of scaled features (N, columns)."""
    likeness = gaussian_kernel(x, weights["cases"].astype(float), float(weights["gamma"]))
    return likeness @ weights["dual"].astype(float) * weights["slope"].astype(float) + weights["bias"].astype(float)


class KernelRidge:
    """Kernel ridge regression of tasks with two classes each; see `fit_kernel_ridge`.

    Attributes
    ----------
    weights : mapping
        Arrays by name.
    """

    def __init__(self, config: dict[str, Any], weights: Mapping[str, np.ndarray]):
        self.weights = weights

    def __call__(self, features: np.ndarray) -> list[np.ndarray]:
        """Logits (classes,) of each task for scaled features (features,); the first class has 0.

        That of the second is the logarithm of a likelihood ratio: with it alone, both classes are as frequent.
        """
        return [np.array([0.0, logit]) for logit in kernel_ridge_logits(self.weights, features[np.newaxis])[0]]
