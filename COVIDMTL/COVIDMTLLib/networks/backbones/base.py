"""What all backbones share."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import nn

from ..layers.checkpointing import recomputed
from ..layers.shift3d import Shift3D

Size = int | tuple[int, int, int]


class ConvBN(nn.Sequential):
    """A 3D convolution and the batch normalisation after it, which `inference` folds into one.

    Kernels have odd sizes and are padded by half of them, so that voxel i of what comes out is centred on voxel
    i times the stride of what goes in.
    """

    def __init__(self, into: int, out: int, kernel: Size, stride: Size = 1, bias: bool = True, eps: float = 1e-3):
        convolution = nn.Conv3d(into, out, kernel, stride, _half(kernel), bias=bias)
        super().__init__(convolution, nn.BatchNorm3d(out, eps=eps, momentum=0.01))


class Backbone(nn.Module):
    """A 3D network up to its last convolutional map: stem, Shift3D if there is one, pooling, body.

    Takes a tensor (N, 1, D, H, W) and returns the map (N, channels, d, h, w), with d, h and w the sizes over
    the strides, rounded up. Voxel (i, j, k) of the map is centred on that voxel of the input whose indices are
    as many strides.

    Attributes
    ----------
    channels : int
        Of the map.
    stride : tuple of 3 int
        Total stride along depth, height and width: the least size of an input, too.
    stem : nn.Sequential
        A `ConvBN` and a ReLU.
    shift : nn.Module or None
    pool : nn.MaxPool3d
    body : nn.Module
    fan : str
        Which side's number of maps He initialisation takes, ``fan_out`` or ``fan_in``; see `initialise`.
    shift_layer : type
        `Shift3D`, or what goes between stem and pooling in its place.
    recompute : bool
        Whether, in training, the large maps up to the pooling are computed again in the backward pass instead of
        being kept. By then those of the body are gone, so that keeping these adds nothing to the peak of memory.
        Off at first.
    """

    channels: int
    stride: tuple[int, int, int]
    fan: Literal["fan_out", "fan_in"] = "fan_out"
    shift_layer: ClassVar[type[nn.Module]] = Shift3D
    recompute = False

    def __init__(self, stem: nn.Sequential, shift: nn.Module | None, pool: nn.MaxPool3d, body: nn.Module):
        super().__init__()
        self.stem, self.shift, self.pool, self.body = stem, shift, pool, body

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        """The last map (N, channels, d, h, w) of a volume (N, 1, D, H, W).

        Raises
        ------
        ValueError
            If the tensor has another number of dimensions or channels, or is too small.
        """
        self.check(volume.shape)
        pool = self.pool if self.shift is None else nn.Sequential(self.shift, self.pool)
        if self.recompute and self.training:
            return self.body(recomputed(pool, recomputed(self.stem, volume)))
        return self.body(pool(self.stem(volume)))

    def check(self, shape: torch.Size) -> None:
        """Raise `ValueError` unless a tensor of this shape can go in."""
        if len(shape) != 5 or shape[1] != 1:
            raise ValueError(f"A volume has to have the shape (N, 1, D, H, W), and this one has {tuple(shape)}.")
        if any(size < least for size, least in zip(shape[2:], self.stride, strict=True)):
            given, least = (" x ".join(map(str, sizes)) for sizes in (shape[2:], self.stride))
            raise ValueError(f"A volume of {given} voxels is too small for this network; it needs {least} or more.")


def max_pool(size: Size = (3, 3, 3), stride: Size = (2, 2, 2)) -> nn.MaxPool3d:
    """Max-pooling padded as the convolutions are, so that voxels stay centred."""
    return nn.MaxPool3d(size, stride, _half(size))


def _half(size: Size) -> Size:
    return size // 2 if isinstance(size, int) else (size[0] // 2, size[1] // 2, size[2] // 2)
