"""What a training step computes: a network, its loss, and where their random numbers come from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from COVIDMTLLib.networks.losses import MeanLoss, is_known
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from ..recipes import registers
from .batches import PART, WEIGHTS, Micro


class Losses(NamedTuple):
    """Of a forward pass: ``total``, to be minimised, and the losses (tasks,) and labels (tasks,) counted."""

    total: torch.Tensor
    of_tasks: torch.Tensor
    counts: torch.Tensor


class Objective(nn.Module):
    """A network with its loss: one module, so that parameters of the loss are trained, and shared by processes, too.

    Parameters
    ----------
    network : CovidMTLNet or FeaturesMTL
    loss : MeanLoss
    """

    def __init__(self, network: nn.Module, loss: MeanLoss):
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, batch: dict[str, torch.Tensor], shares: torch.Tensor | None = None) -> Losses:
        """The losses of a batch as `batches.finish` leaves it, or of a part of one with `Micro.shares`."""
        labels = batch["labels"]
        logits = [one.float() for one in self.network(**{name: batch[name] for name in self.network.inputs})]
        of_tasks, _ = self.loss.task_losses(logits, labels)
        return Losses(self.loss(logits, labels, shares), of_tasks.detach(), is_known(labels).sum(dim=0))

    def start(self, part: Micro, seed: int) -> None:
        """Let what changes from one forward pass to the next depend on the seed, the step and the part alone.

        So a run goes on exactly from any step, and many processes draw what one would that takes all parts in turn.
        The weights of the loss are drawn once a step, for all parts.
        """
        generator = np.random.default_rng([PART, seed, part.step, part.number])
        torch.manual_seed(int(generator.integers(2**63)))
        if hasattr(self.loss, "generator"):
            self.loss.generator = np.random.default_rng([WEIGHTS, seed, part.step])
        shift = getattr(getattr(self.network, "backbone", None), "shift", None)
        if shift is not None:
            shift.generator, shift.iteration = generator, part.step


def optimizer_of(objective: Objective, recipe: dict[str, Any]) -> torch.optim.Optimizer:
    """The optimiser of a recipe (section 5.1), of all parameters that take a gradient."""
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    options = dict(recipe["optimizer"])
    return registers.optimizer_of(options.pop("name", None), parameters, **options)


def schedule_of(optimizer: torch.optim.Optimizer, recipe: dict[str, Any]) -> LRScheduler:
    """The schedule of a recipe, which goes on from epoch to epoch."""
    options = dict(recipe["schedule"])
    return registers.schedule_of(options.pop("name", None), optimizer, recipe["epochs"], **options)
