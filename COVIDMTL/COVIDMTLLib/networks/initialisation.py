"""How weights start."""

from __future__ import annotations

from torch import nn


def initialise(network: nn.Module) -> None:
    """He initialisation (fan out) of all linear and convolutional layers, as section 5.1 has it; biases start at 0."""
    for module in network.modules():
        if isinstance(module, (nn.Linear, nn.Conv3d)):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
