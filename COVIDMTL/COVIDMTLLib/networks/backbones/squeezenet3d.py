"""SqueezeNet3D, which with Shift3D is ShiftNet3D (section 4.2), and the same network on slices."""

from __future__ import annotations

import torch
from torch import nn

from ..layers.shift3d import Shift2D
from .base import Backbone, ConvBN, Size, max_pool

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
    kernel : int or tuple of 3 int
        Of the larger ones.
    """

    def __init__(self, into: int, squeeze: int, out: int, residual: bool, kernel: Size = 3):
        super().__init__()
        self.residual = residual
        self.squeeze = ConvBN(into, squeeze, 1)
        self.expand1x1 = ConvBN(squeeze, out // 2, 1)
        self.expand3x3 = ConvBN(squeeze, out // 2, kernel)

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

    kernel: tuple[int, int, int] = (3, 3, 3)
    steps: tuple[tuple[int, int, int], ...] = ((2, 2, 2),) * 5
    """Strides of the stem and of the four poolings."""

    def __init__(self, shift: nn.Module | None = None):
        body: list[nn.Module] = []
        into = 64
        for out, step in zip(MAPS, self.steps[1:], strict=True):
            body += [max_pool(self.kernel, step), Fire(into, out // 4, out, False, self.kernel)]
            body.append(Fire(out, out // 4, out, True, self.kernel))
            into = out
        stem = nn.Sequential(ConvBN(1, 64, self.kernel, stride=self.steps[0]), nn.ReLU(inplace=True))
        pool = body.pop(0)
        assert isinstance(pool, nn.MaxPool3d)
        super().__init__(stem, shift, pool, nn.Sequential(*body))


class SqueezeNet2D(SqueezeNet3D):
    """SqueezeNet on axial slices, every fourth of a volume; with `Shift2D`, ShiftNet in 2D (the paper's future work).

    Its kernels are 1 x 3 x 3, so that no slice knows of another; heads average over all places of all slices. It has
    the weights of a 2D network, a third of those of `SqueezeNet3D`, and gives 512 maps at a stride of 4 in depth and
    of 32 in the plane.
    """

    stride = (4, 32, 32)
    kernel = (1, 3, 3)
    steps = ((4, 2, 2), *((1, 2, 2),) * 4)
    shift_layer = Shift2D
