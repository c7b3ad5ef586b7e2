"""What experts whose answer is a smooth function of their inputs have in common."""

from __future__ import annotations

import torch
from torch import nn

from ...architectures.numpy_networks import CLIP


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

    mean: torch.Tensor
    std: torch.Tensor
    average: torch.Tensor

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
