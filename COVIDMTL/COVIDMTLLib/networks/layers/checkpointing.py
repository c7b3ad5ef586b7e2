"""Maps computed again in the backward pass instead of being kept (gradient checkpointing): less memory, more time."""

from __future__ import annotations

from contextlib import nullcontext

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from .shift3d import Shift3D


def recomputed(layers: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """What layers make of a tensor, while nothing but that tensor is kept for the backward pass.

    Gradients, running statistics and all that is drawn at random are what they are without. The first of the layers
    must not work in place.
    """
    return checkpoint(layers, x, use_reentrant=False, context_fn=lambda: (nullcontext(), _Again(layers)))


class _Again:
    """While layers compute again what they did when this was made.

    Shift3D shifts as it did then, and goes on from where it is afterwards; running statistics, which have this batch in
    them already, stay as they are.
    """

    def __init__(self, layers: nn.Module):
        self.norms = [module for module in layers.modules() if isinstance(module, _BatchNorm)]
        self.shifts = [module for module in layers.modules() if isinstance(module, Shift3D)]
        self.then = [shift.resume_state() for shift in self.shifts]

    def __enter__(self) -> None:
        self.now = [shift.resume_state() for shift in self.shifts]
        self.statistics = [dict(norm.named_buffers(recurse=False)) for norm in self.norms]
        for shift, state in zip(self.shifts, self.then, strict=True):
            shift.set_resume_state(state)
        for norm, buffers in zip(self.norms, self.statistics, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer.clone())

    def __exit__(self, *exception: object) -> None:
        for shift, state in zip(self.shifts, self.now, strict=True):
            shift.set_resume_state(state)
        for norm, buffers in zip(self.norms, self.statistics, strict=True):
            for name, buffer in buffers.items():
                setattr(norm, name, buffer)
