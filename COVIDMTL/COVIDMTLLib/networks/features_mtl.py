"""The network of the paper that sees no images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..architectures.config import EMBEDDING
from .layers.feature_branch import AuxiliaryFNN


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

    inputs = ("features",)
    """What `forward` takes, by keyword."""

    def __init__(self, features: int, classes: Sequence[int]):
        super().__init__()
        self.fnn = AuxiliaryFNN(features)
        self.heads = nn.ModuleList(nn.Sequential(nn.ReLU(), nn.Linear(EMBEDDING, count)) for count in classes)

    def forward(self, features: torch.Tensor) -> list[torch.Tensor]:
        """Logits (N, classes) of each task for scaled features (N, features)."""
        shared = self.fnn(features)
        return [head(shared) for head in self.heads]
