"""Kernel ridge regression of the groups, calibrated on what it says of each case when it is left out."""

from __future__ import annotations

import numpy as np
import torch
from COVIDMTLLib.networks.experts.kernel_ridge import Kernel
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression

CALIBRATION = 25.0
"""Inverse penalty of the calibration, of which a few numbers are fitted to all cases."""


def fit_kernel(
    inputs: np.ndarray, groups: np.ndarray, options: dict[str, float], projections: int | None = None
) -> dict[str, torch.Tensor]:
    """Train a `Kernel`.

    Parameters
    ----------
    inputs : ndarray of float32, shape (N, columns)
        NaN where unknown.
    groups : ndarray of int, shape (N,)
    options : dict
        ``gamma`` of the Gaussian kernel, ``penalty`` of the ridge.
    projections : int, optional
        Whitened principal components to compare cases by; by default by the standardised inputs, and by which of them
        are unknown.

    Returns
    -------
    dict of tensor
        The state of the network.
    """
    count, columns = groups.max() + 1, inputs.shape[1]
    width = 2 * columns if projections is None else min(projections, *inputs.shape)
    kernel = Kernel(columns, count, len(inputs), width, indicators=projections is None)
    known = np.ma.masked_invalid(inputs)
    kernel.mean[:] = torch.from_numpy(known.mean(axis=0).filled(0))
    std = known.std(axis=0).filled(0)
    kernel.std[:] = torch.from_numpy(np.where(std > 0, std, 1))
    standardised = kernel.standardise(torch.from_numpy(inputs))
    kernel.average[:] = standardised.mean(0)
    if projections is None:
        kernel.projection[:] = torch.eye(width)
    else:
        pca = PCA(width, whiten=True, svd_solver="full").fit(standardised.numpy())
        kernel.projection[:] = torch.from_numpy(pca.components_.T / np.sqrt(pca.explained_variance_))
    kernel.gamma.fill_(options["gamma"])
    # In half precision, as they are stored.
    kernel.cases[:] = kernel.project(standardised).half().float()
    cases = kernel.cases.double()
    gram = torch.exp(-options["gamma"] * torch.cdist(cases, cases) ** 2).numpy()
    target = np.eye(count)[groups]
    target -= target.mean(axis=0)
    inverse = np.linalg.inv(gram + options["penalty"] * np.eye(len(gram)))
    dual = inverse @ target
    # What the regression says of each case when it is left out, in closed form.
    left_out = target - dual / inverse.diagonal()[:, None]
    calibration = LogisticRegression(C=CALIBRATION, max_iter=5000).fit(left_out, groups)
    kernel.dual[:] = torch.from_numpy(dual)
    with torch.no_grad():
        kernel.calibration.weight.copy_(torch.from_numpy(calibration.coef_))
        kernel.calibration.bias.copy_(torch.from_numpy(calibration.intercept_))
    return kernel.state_dict()
