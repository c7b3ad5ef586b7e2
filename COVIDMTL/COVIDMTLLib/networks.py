"""The networks of the paper."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

HIDDEN = (256, 128, 64)
EMBEDDING = 32
"""Nodes of the auxiliary FNN (section 5.1): three hidden layers and the 32 that the heads see."""


class AuxiliaryFNN(nn.Sequential):
    """The auxiliary feed-forward network of COVID-MTL (Fig. 1, section 5.1): 256, 128, 64 and 32 nodes.

    Takes a tensor (N, features) of scaled features and returns (N, 32), without a last activation.

    Parameters
    ----------
    features : int
        Number of features.
    """

    def __init__(self, features: int):
        widths = (features, *HIDDEN)
        layers = []
        for into, out in zip(widths[:-1], widths[1:], strict=True):
            layers += [nn.Linear(into, out), nn.ReLU()]
        super().__init__(*layers, nn.Linear(widths[-1], EMBEDDING))


class FeaturesMTL(nn.Module):
    """The multitask network on lung features alone (section 7, Table 8).

    Takes a tensor (N, features) of scaled features and returns for each task the logits (N, classes).

    Parameters
    ----------
    features : int
        Number of features.
    classes : sequence of int
        Number of classes of each task.
    """

    def __init__(self, features: int, classes: Sequence[int]):
        super().__init__()
        self.fnn = AuxiliaryFNN(features)
        self.heads = nn.ModuleList(nn.Sequential(nn.ReLU(), nn.Linear(EMBEDDING, count)) for count in classes)

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Logits (N, classes) of each task for scaled features (N, features)."""
        shared = self.fnn(features)
        return [head(shared) for head in self.heads]


def initialise(network: nn.Module) -> None:
    """He initialisation (fan out) of all linear layers, as section 5.1 has it; biases start at 0."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(module.bias)
