"""Kernel ridge regression as a network of PyTorch."""

from __future__ import annotations

import torch
from torch import nn

from ...architectures.numpy_networks import CLIP
from .base import Smooth


class Kernel(Smooth):
    """How like the training cases of each group a case is.

    The case is standardised, projected, and compared with the training cases by a Gaussian kernel; weighted sums of
    these are calibrated.

    Parameters
    ----------
    columns : int
        See `Smooth`.
    groups : int
        Number of classes.
    cases, width : int
        Number of the training cases, and of the projections that they are compared by.
    indicators : bool
        See `Smooth`.
    """

    projection: torch.Tensor
    cases: torch.Tensor
    gamma: torch.Tensor
    dual: torch.Tensor

    def __init__(self, columns: int, groups: int, cases: int, width: int, indicators: bool):
        super().__init__(columns, indicators)
        self.register_buffer("projection", torch.zeros(self.seen, width))
        self.register_buffer("cases", torch.zeros(cases, width))
        self.register_buffer("gamma", torch.ones(()))
        self.register_buffer("dual", torch.zeros(cases, groups))
        self.calibration = nn.Linear(groups, groups)

    def project(self, standardised: torch.Tensor) -> torch.Tensor:
        """Standardised inputs (N, seen) as they are compared, (N, width)."""
        return ((standardised - self.average) @ self.projection).clamp(-CLIP, CLIP)

    def logits(self, standardised: torch.Tensor) -> torch.Tensor:
        distance = torch.cdist(self.project(standardised), self.cases, compute_mode="donot_use_mm_for_euclid_dist")
        return self.calibration(torch.exp(-self.gamma * distance**2) @ self.dual)
