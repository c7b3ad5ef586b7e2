"""What experts whose answer is a smooth function of their inputs have in common."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

CLIP = 3.0
"""Standard deviations beyond which a value counts as that far off: features have long tails."""

POINTS = 48
"""Of the Gauss-Legendre rule along the path from the average case to one."""


class Smooth(nn.Module):
    """Logits that are a smooth function of standardised inputs.

    Takes a tensor (N, columns), NaN where a value is unknown, and returns logits (N, groups). Unknown values count as
    average, and with ``indicators`` as unknown too.

    Parameters
    ----------
    columns : int
        Number of inputs.
    indicators : bool
        Whether it sees which inputs are unknown.
    """

    def __init__(self, columns: int, indicators: bool):
        super().__init__()
        self.columns, self.indicators = columns, indicators
        self.seen = 2 * columns if indicators else columns
        self.register_buffer("mean", torch.zeros(columns))
        self.register_buffer("std", torch.ones(columns))
        self.register_buffer("average", torch.zeros(self.seen))  # of the training cases, standardised

    def logits(self, standardised: torch.Tensor) -> torch.Tensor:
        """Logits (N, groups) for standardised inputs (N, seen)."""
        raise NotImplementedError

    def standardise(self, x: torch.Tensor) -> torch.Tensor:
        """Inputs (N, columns) in standard deviations, 0 where unknown, and with ``indicators`` 1 there behind them."""
        unknown = x.isnan()
        z = ((x - self.mean) / self.std).clamp(-CLIP, CLIP).masked_fill(unknown, 0)
        return torch.cat([z, unknown.to(z.dtype)], 1) if self.indicators else z

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, groups) for inputs (N, columns)."""
        return self.logits(self.standardise(x))

    def parts(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """As `Forest.parts`, of the logits: integrated gradients from the average case (Sundararajan et al., 2017).

        Kinks along the path leave them a little short of the whole; what is left is shared out by their sizes.
        """
        where, weights = np.polynomial.legendre.leggauss(POINTS)
        steps, weights = (torch.from_numpy(one / 2).to(x.dtype) for one in (where + 1, weights))
        end = self.standardise(x[None])[0]
        path = (self.average + steps[:, None] * (end - self.average)).detach().requires_grad_()
        by_group = self.logits(path).unbind(1)
        gradients = [torch.autograd.grad(weights @ one, path, retain_graph=True)[0].sum(0) for one in by_group]
        parts = (end - self.average)[:, None] * torch.stack(gradients, 1)
        base, whole = self.logits(torch.stack([self.average, end])).detach()
        sizes = parts.abs() / parts.abs().sum(0).clamp(min=torch.finfo(x.dtype).tiny)
        parts = parts + (whole - base - parts.sum(0)) * sizes
        if self.indicators:
            parts = parts[: self.columns] + parts[self.columns :]
        return base, parts.detach()
