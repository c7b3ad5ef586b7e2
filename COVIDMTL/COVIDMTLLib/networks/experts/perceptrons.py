"""Several small perceptrons at once."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from ...architectures.config import PERCEPTRON_NODES
from .base import Smooth

DROPOUT = 0.2


class Perceptrons(Smooth):
    """The mean of the logits of multilayer perceptrons, all computed together.

    Parameters
    ----------
    columns : int
        Number of inputs.
    groups : int
        Number of classes.
    members : int
        Number of perceptrons.
    """

    def __init__(self, columns: int, groups: int, members: int):
        super().__init__(columns, indicators=False)
        sizes = (self.seen, *PERCEPTRON_NODES, groups)
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(nn.Parameter(torch.zeros(members, *pair)) for pair in pairs)
        self.biases = nn.ParameterList(nn.Parameter(torch.zeros(members, 1, size)) for _, size in pairs)

    def each(self, standardised: torch.Tensor) -> torch.Tensor:
        """Logits (members, N, groups) for standardised inputs (members, N, columns)."""
        x = standardised
        for layer, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if layer:
                x = functional.dropout(functional.relu(x), DROPOUT, self.training)
            x = torch.baddbmm(bias, x, weight)
        return x

    def logits(self, standardised: torch.Tensor) -> torch.Tensor:
        return self.each(standardised.expand(len(self.weights[0]), -1, -1)).mean(0)
