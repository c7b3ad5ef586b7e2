"""ResNet3D-34."""

from __future__ import annotations

import torch
from torch import nn

from .base import Backbone, ConvBN, max_pool

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Maps and number of blocks of each stage."""


class Block(nn.Module):
    """Two 3x3x3 convolutions around which the input is led.

    Takes a tensor (N, into, D, H, W) and returns (N, out, D / stride, H / stride, W / stride), rounded up.

    Parameters
    ----------
    into, out : int
        Numbers of maps.
    stride : int
        Of the first convolution. If it is more than 1, the input goes through a convolution, too.
    """

    def __init__(self, into: int, out: int, stride: int):
        super().__init__()
        self.first = ConvBN(into, out, 3, stride, bias=False, eps=1e-5)
        self.second = ConvBN(out, out, 3, bias=False, eps=1e-5)
        self.around = ConvBN(into, out, 1, stride, bias=False, eps=1e-5) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        through = self.second(self.first(x).relu_())
        through += self.around(x)
        return through.relu_()


class ResNet3D34(Backbone):
    """ResNet3D-34 up to its last map: 512 maps at a stride of 64.

    The paper's has a 5x5x5 stem and halves the sizes in all four stages, not in the last three alone.

    Parameters
    ----------
    shift : nn.Module, optional
        A `Shift3D` between stem and pooling.
    """

    channels = STAGES[-1][0]
    stride = (64, 64, 64)
    fan = "fan_in"

    def __init__(self, shift: nn.Module | None = None):
        stages = []
        into = 64
        for out, blocks in STAGES:
            stages.append(nn.Sequential(Block(into, out, 2), *(Block(out, out, 1) for _ in range(blocks - 1))))
            into = out
        stem = nn.Sequential(ConvBN(1, 64, 5, stride=2, bias=False, eps=1e-5), nn.ReLU(inplace=True))
        super().__init__(stem, shift, max_pool(), nn.Sequential(*stages))
