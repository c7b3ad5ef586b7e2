"""Running a network on one case: fast, and in little memory.

On a CPU, most of the time of a 3D network goes into moving its first maps, 100 million values each, through the memory:
as they are made, normalised, cut at 0 and pooled. So batch normalisation is folded into the convolutions, maps are
stored with their channels last, for which PyTorch's kernels are fast, and the first maps are never held as a whole.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..networks import Network
from ..networks.backbones.base import Backbone, ConvBN, Size
from ..networks.tensors import to_array, to_tensor

ROWS = 2
"""Slices of the pooled map that a stem makes at a time on a CPU, so that what they come from stays in its cache."""


class Convolution(nn.Module):
    """A convolution of evaluation, with the batch normalisation after it folded in.

    Takes a tensor (N, into, D, H, W) and returns (N, out, D', H', W').
    """

    def __init__(self, convolution: nn.Conv3d):
        super().__init__()
        assert not isinstance(convolution.padding, str), "padded by numbers of voxels"
        self.weight, self.bias = convolution.weight, convolution.bias
        self.stride, self.padding = convolution.stride, convolution.padding

    def forward(self, x: torch.Tensor, padding: Sequence[int] | None = None) -> torch.Tensor:
        padding = self.padding if padding is None else padding
        if x.device.type == "cpu" and torch.backends.mkldnn.is_available():
            # By name, since functional.conv3d gives small maps of float32 to a kernel that is ten times slower.
            return torch.mkldnn_convolution(x, self.weight, self.bias, padding, self.stride, (1, 1, 1), 1)
        return functional.conv3d(x, self.weight, self.bias, self.stride, padding)


class StemInSlabs(nn.Module):
    """Stem and first pooling of a backbone in evaluation, a few slices of the result at a time.

    Takes a tensor (N, 1, D, H, W) and returns what stem and pooling make of it, in the type of the weights.

    Parameters
    ----------
    convolution : Convolution
        Of the stem.
    pool : nn.MaxPool3d
    rows : int, optional
        Slices at a time; by default all.
    """

    def __init__(self, convolution: Convolution, pool: nn.MaxPool3d, rows: int | None):
        super().__init__()
        self.convolution, self.pool, self.rows = convolution, pool, rows

    def forward(self, volume: torch.Tensor) -> torch.Tensor:
        kernel = self.convolution.weight.shape[2]
        of_stem = kernel, self.convolution.stride[0], self.convolution.padding[0]
        pool_padding = _triple(self.pool.padding)
        of_pool = _triple(self.pool.kernel_size)[0], _triple(self.pool.stride)[0], pool_padding[0]
        depth = volume.shape[2]
        stem_depth = -(-depth // of_stem[1])
        pool_depth = -(-stem_depth // of_pool[1])
        slabs = []
        for first in range(0, pool_depth, self.rows or pool_depth):
            rows = first, min(first + (self.rows or pool_depth), pool_depth)
            stem_rows, stem_missing = _needed(rows, stem_depth, *of_pool)
            slices, missing = _needed(stem_rows, depth, *of_stem)
            x = volume[:, :, slice(*slices)].to(self.convolution.weight.dtype)
            x = self.convolution(functional.pad(x, (0, 0, 0, 0, *missing)), (0, *self.convolution.padding[1:]))
            # Zeros are as good as the pooling's own padding, and pooling as good before the ReLU as after it.
            x = functional.pad(x, (0, 0, 0, 0, *stem_missing)) if any(stem_missing) else x
            padding = (0, *pool_padding[1:])
            slabs.append(functional.max_pool3d(x, self.pool.kernel_size, self.pool.stride, padding).relu_())
        return torch.cat(slabs, 2)


def _triple(size: Size) -> tuple[int, int, int]:
    return (size, size, size) if isinstance(size, int) else size


def _needed(
    rows: tuple[int, int], size: int, kernel: int, stride: int, padding: int
) -> tuple[tuple[int, int], tuple[int, int]]:
    """What rows (first, last + 1) of a result come from.

    Such rows of the input, and how many before and after its ends.
    """
    first, end = rows[0] * stride - padding, (rows[1] - 1) * stride - padding + kernel
    return (max(first, 0), min(end, size)), (max(-first, 0), max(end - size, 0))


class _Float(nn.Module):
    """The last map as float32, which the few sums that heads make of it cost nothing in."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.float()


@dataclass(frozen=True)
class Runner:
    """A network as `make_ready` leaves it.

    Attributes
    ----------
    network : CovidMTLNet, FeaturesMTL or TabularNetwork
        In evaluation mode.
    device : torch.device
    dtype : torch.dtype
        That the backbone computes in; the heads and the auxiliary FNN always take float32.
    memory_format : torch.memory_format
        Of the maps.
    """

    network: Network
    device: torch.device
    dtype: torch.dtype
    memory_format: torch.memory_format

    @property
    def used(self) -> dict[str, str]:
        """Device, type of numbers and memory format, in words."""
        return {
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "memory_format": str(self.memory_format).removeprefix("torch."),
        }

    def tensors(
        self,
        volume: np.ndarray | torch.Tensor | None = None,
        features: np.ndarray | None = None,
        patient: np.ndarray | None = None,
    ) -> dict[str, torch.Tensor]:
        """A case as the network takes it, by keyword.

        Parameters
        ----------
        volume : ndarray of shape (D, H, W), optional
            As `lung_crop.prepare` makes it.
        features : ndarray of shape (features,), optional
            Scaled.
        patient : ndarray of shape (patient,), optional
            NaN where unknown.
        """
        given = {}
        if volume is not None:
            given["volume"] = _as_tensor(volume, self.device)[None, None]
        for name, values in (("features", features), ("patient", patient)):
            if values is not None:
                given[name] = _as_tensor(values, self.device)[None]
        return given

    def probabilities(
        self,
        volume: np.ndarray | torch.Tensor | None = None,
        features: np.ndarray | None = None,
        patient: np.ndarray | None = None,
    ) -> list[np.ndarray]:
        """Probabilities of the classes of each task, float64 of shape (classes,), for a case as `tensors` takes it.

        Of a regression, the one output (1,) as it is.
        """
        with torch.inference_mode():
            outputs = [one[0].cpu().double() for one in self.network(**self.tensors(volume, features, patient))]
        return [to_array(torch.softmax(one, 0) if len(one) > 1 else one) for one in outputs]


def _as_tensor(values: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.to(device, torch.float32)
    return to_tensor(values, device)


def make_ready(network: Network, device: torch.device, dtype: torch.dtype = torch.float32) -> Runner:
    """A copy of a network, made ready to run on a device.

    On a CPU its backbone is rebuilt for speed and memory. In float32, which is the default, its results are those
    of the network itself but for rounding. bfloat16 halves the time again on CPUs that compute in it, but on a
    network with strong weights it moved a probability by 0.08, and what a case gets should not depend on the machine.
    ``torch.export`` takes the network itself, but not this copy, which calls a kernel of the CPU by its name.

    Parameters
    ----------
    network : CovidMTLNet, FeaturesMTL or TabularNetwork
    device : torch.device
        See `device.choose_device`.
    dtype : torch.dtype
        Of the backbone.

    Returns
    -------
    Runner
    """
    network = copy.deepcopy(network).eval().requires_grad_(False)
    backbone = getattr(network, "backbone", None)
    on_cpu = device.type == "cpu"
    memory_format = torch.channels_last_3d if on_cpu and backbone is not None else torch.contiguous_format
    if backbone is None:
        dtype = torch.float32
    else:
        _fold(backbone)
        backbone.stem = StemInSlabs(backbone.stem[0], backbone.pool, ROWS if on_cpu else None)
        backbone.shift, backbone.pool = None, nn.Identity()
        backbone.body = nn.Sequential(backbone.body, _Float())
        backbone.to(dtype=dtype, memory_format=memory_format)
    return Runner(network.to(device), device, dtype, memory_format)


def _fold(backbone: Backbone) -> None:
    """Put one convolution in the place of each `ConvBN`."""
    for parent in list(backbone.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ConvBN):
                setattr(parent, name, Convolution(fuse_conv_bn_eval(*child)))
