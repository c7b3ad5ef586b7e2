"""How weights start."""

from __future__ import annotations

from typing import Literal

from torch import nn

from .backbones.base import Backbone


def initialise(network: nn.Module) -> None:
    """He initialisation of all convolutions, as the release of the paper has it (section 5.1).

    By fan out, and by fan in for backbones that say so (`Backbone.fan`).

    Linear layers and all biases stay as PyTorch starts them. By He's fan out, linear layers, which narrow from 375
    features to 32 nodes and to 2 or 3 classes, make logits so large that first losses are ten times those of chance.
    """
    of: dict[int, Literal["fan_out", "fan_in"]] = {
        id(one): part.fan for part in network.modules() if isinstance(part, Backbone) for one in part.modules()
    }
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Conv3d)):
            nn.init.kaiming_normal_(module.weight, mode=of.get(id(module), "fan_out"), nonlinearity="relu")
