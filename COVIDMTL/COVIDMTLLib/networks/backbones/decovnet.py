"""DeCoVNet of Wang et al., IEEE Transactions on Medical Imaging 39, 2020, 2615-2625."""

from __future__ import annotations

import torch
from torch import nn

from .base import Backbone, ConvBN, max_pool


class ResBlock(nn.Module):
    """A residual block whose way around has a convolution of its own, to bring it to as many maps.

    Takes a tensor (N, into, D, H, W) and returns (N, out, D, H, W).
    """

    def __init__(self, into: int, out: int):
        super().__init__()
        self.first = ConvBN(into, out, 3)
        self.second = ConvBN(out, out, 3)
        self.around = ConvBN(into, out, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        through = self.second(self.first(x).relu_())
        through += self.around(x)
        return through.relu_()


class DeCoVNet(Backbone):
    """DeCoVNet up to its last map: 32 maps at a stride of 32 along the depth and of 16 in the plane.

    Theirs are a stem with a 5x7x7 convolution, two residual blocks, and a progressive classifier of three 3x3x3
    convolutions with max-pooling between them, dropout, and a global maximum before the one linear layer, which
    is the `Head` here. Theirs are also sixteen maps after the stem and few slices lost early. Ours are the rest:
    the lung volume alone goes in, where they give CT and lung mask as two channels; and max-pooling has strides,
    where theirs adapts to maps of a fixed size, so that a voxel of the last map stands for the same extent in
    every CT.

    Parameters
    ----------
    shift : nn.Module, optional
        A `Shift3D` between stem and first pooling.
    """

    channels = 32
    stride = (32, 16, 16)

    def __init__(self, shift: nn.Module | None = None):
        stem = nn.Sequential(ConvBN(1, 16, (5, 7, 7), stride=(1, 2, 2)), nn.ReLU(inplace=True))
        body = nn.Sequential(
            ResBlock(16, 64),
            max_pool(),
            ResBlock(64, 128),
            max_pool((5, 1, 1), (4, 1, 1)),
            nn.Conv3d(128, 96, 3, padding=1),
            nn.ReLU(inplace=True),
            max_pool((5, 3, 3), (4, 2, 2)),
            nn.Conv3d(96, 48, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Dropout3d(0.5),
            nn.Conv3d(48, self.channels, 3, padding=1),
            nn.ReLU(inplace=True),
        )
        super().__init__(stem, shift, max_pool((1, 3, 3), (1, 2, 2)), body)
