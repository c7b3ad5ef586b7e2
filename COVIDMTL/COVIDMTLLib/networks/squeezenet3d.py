"""SqueezeNet3D, which with Shift3D is ShiftNet3D (section 4.2)."""

from __future__ import annotations

import torch
from torch import nn

from .backbone import Backbone, ConvBN, max_pool

MAPS = (128, 256, 384, 512)
"""Maps out of each of the four pairs of Fire modules (section 5.1)."""


class Fire(nn.Module):
    """A Fire module: few maps by 1x1x1 convolutions, from which many are made by 1x1x1 and 3x3x3 ones.

    Takes a tensor (N, into, D, H, W) and returns (N, out, D, H, W), each half of it by one of the sizes.

    Parameters
    ----------
    into, squeeze, out : int
        Numbers of maps.
    residual : bool
        Whether what goes in is added before the last ReLU.
    """

    def __init__(self, into: int, squeeze: int, out: int, residual: bool):
        super().__init__()
        self.residual = residual
        self.squeeze = ConvBN(into, squeeze, 1)
        self.expand1x1 = ConvBN(squeeze, out // 2, 1)
        self.expand3x3 = ConvBN(squeeze, out // 2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        few = self.squeeze(x).relu_()
        many = torch.cat([self.expand1x1(few), self.expand3x3(few)], 1)
        if self.residual:
            many += x
        return many.relu_()


class SqueezeNet3D(Backbone):
    """SqueezeNet3D up to its last map: 512 maps at a stride of 32.

    Parameters
    ----------
    shift : nn.Module, optional
        A `Shift3D` between stem and first pooling.
    """

    channels = MAPS[-1]
    stride = (32, 32, 32)

    def __init__(self, shift: nn.Module | None = None):
        body = []
        into = 64
        for out in MAPS:
            body += [max_pool(), Fire(into, out // 4, out, False), Fire(out, out // 4, out, True)]
            into = out
        stem = nn.Sequential(ConvBN(1, 64, 3, stride=2), nn.ReLU(inplace=True))
        super().__init__(stem, shift, body[0], nn.Sequential(*body[1:]))
