"""The branch of COVID-MTL that sees the lung features."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from ...architectures.config import EMBEDDING, FNN_NODES


class AuxiliaryFNN(nn.Sequential):
    """The auxiliary feed-forward network of COVID-MTL (Fig. 1, section 5.1): 256, 128, 64 and 32 nodes.

    Takes a tensor (N, features) of scaled features and returns (N, 32), without a last activation.

    Parameters
    ----------
    features : int
        Number of features.
    """

    def __init__(self, features: int):
        widths = (features, *FNN_NODES)
        layers = []
        for into, out in pairwise(widths):
            layers += [nn.Linear(into, out), nn.ReLU()]
        super().__init__(*layers, nn.Linear(widths[-1], EMBEDDING))
