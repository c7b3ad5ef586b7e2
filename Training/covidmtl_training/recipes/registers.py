"""Optimisers and schedules by name: what recipes choose from, and where new ones are added.

Augmentations are in `augmentation`, backbones in `COVIDMTLLib.networks.builder`, losses in
`COVIDMTLLib.networks.losses`; .github/CONTRIBUTING.md has an example of each.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from COVIDMTLLib.utils.errors import InputError
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, StepLR


def sgd(parameters: list, lr: float = 0.005, momentum: float = 0.9, weight_decay: float = 0.0) -> torch.optim.Optimizer:
    """Stochastic gradient descent with Nesterov momentum (section 5.1)."""
    # In half precision the kind that is not fused waits for the GPU in every step.
    fused = parameters[0].is_cuda
    return torch.optim.SGD(parameters, lr, momentum, nesterov=momentum > 0, weight_decay=weight_decay, fused=fused)


def adamw(parameters: list, lr: float = 0.001, weight_decay: float = 0.01) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019)."""
    return torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=parameters[0].is_cuda)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"sgd": sgd, "adamw": adamw}


def cosine(optimizer: torch.optim.Optimizer, epochs: int, lr_min: float = 0.0) -> LRScheduler:
    """From the learning rate to ``lr_min`` along half a cosine (section 5.1)."""
    return CosineAnnealingLR(optimizer, epochs, lr_min)


def constant(optimizer: torch.optim.Optimizer, epochs: int) -> LRScheduler:
    """The same learning rate throughout."""
    return LambdaLR(optimizer, lambda epoch: 1.0)


def warmup_cosine(optimizer: torch.optim.Optimizer, epochs: int, warmup: int = 5, lr_min: float = 0.0) -> LRScheduler:
    """Linearly up to the learning rate in ``warmup`` epochs, then as `cosine`."""
    first = torch.optim.lr_scheduler.LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    then = CosineAnnealingLR(optimizer, max(1, epochs - warmup), lr_min)
    return torch.optim.lr_scheduler.SequentialLR(optimizer, [first, then], [warmup])


def step(optimizer: torch.optim.Optimizer, epochs: int, every: int = 30, factor: float = 0.1) -> LRScheduler:
    """The learning rate times ``factor`` after every so many epochs."""
    return StepLR(optimizer, every, factor)


SCHEDULES: dict[str, Callable[..., LRScheduler]] = {
    "cosine": cosine,
    "constant": constant,
    "warmup-cosine": warmup_cosine,
    "step": step,
}
"""Each takes the optimiser and the number of epochs, and is told when an epoch is over."""


def optimizer_of(name: str, parameters: Iterable[torch.nn.Parameter], **options: Any) -> torch.optim.Optimizer:
    """The optimiser that goes by a name; raises `InputError` if there is no such, or it has no such option."""
    return _made("optimizer", OPTIMIZERS, name, options, list(parameters))


def schedule_of(name: str, optimizer: torch.optim.Optimizer, epochs: int, **options: Any) -> LRScheduler:
    """The schedule that goes by a name; raises `InputError` as `optimizer_of` does."""
    return _made("schedule", SCHEDULES, name, options, optimizer, epochs)


def _made(what: str, register: dict[str, Callable], name: str, options: dict[str, Any], *arguments: Any) -> Any:
    if name not in register:
        raise InputError(f"There is no {what} {name}; choose one of {', '.join(register)}.")
    known = list(inspect.signature(register[name]).parameters)[len(arguments) :]
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InputError(f"The {what} {name} has no {unknown[0]}; it has {', '.join(known) or 'no options'}.")
    try:
        return register[name](*arguments, **options)
    except (TypeError, ValueError) as error:
        raise InputError(f"The {what} {name} cannot have these options: {error}.") from error
