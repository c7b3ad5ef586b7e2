"""What a training step computes: a network, its loss, and where their random numbers come from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from batches import PART, WEIGHTS, Micro
from COVIDMTLLib.losses import MeanLoss
from torch import nn


class Losses(NamedTuple):
    """Of a forward pass: ``total``, to be minimised, and the cross-entropies (tasks,) and labels (tasks,) counted."""

    total: torch.Tensor
    of_tasks: torch.Tensor
    counts: torch.Tensor


class Objective(nn.Module):
    """A network with its loss: one module, so that parameters of the loss are trained, and shared by processes, too.

    Parameters
    ----------
    network : CovidMTLNet
    loss : MeanLoss
    """

    def __init__(self, network: nn.Module, loss: MeanLoss):
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, batch: dict[str, torch.Tensor], shares: torch.Tensor | None = None) -> Losses:
        """The losses of a batch as `batches.finish` leaves it, or of a part of one with `Micro.shares`."""
        labels = batch["labels"]
        logits = [one.float() for one in self.network(**{name: batch[name] for name in self.network.inputs})]
        of_tasks, _ = self.loss.cross_entropies(logits, labels)
        return Losses(self.loss(logits, labels, shares), of_tasks.detach(), (labels >= 0).sum(dim=0))

    def start(self, part: Micro, seed: int) -> None:
        """Let what changes from one forward pass to the next depend on the seed, the step and the part alone.

        So a run goes on exactly from any step, and many processes draw what one would that takes all parts in turn.
        The weights of the loss are drawn once a step, for all parts.
        """
        generator = np.random.default_rng([PART, seed, part.step, part.number])
        torch.manual_seed(int(generator.integers(2**63)))
        if hasattr(self.loss, "generator"):
            self.loss.generator = np.random.default_rng([WEIGHTS, seed, part.step])
        shift = self.network.backbone.shift
        if shift is not None:
            shift.generator, shift.iteration = generator, part.step


def optimizer_of(objective: Objective, recipe: dict[str, Any]) -> torch.optim.SGD:
    """The optimiser of a recipe (section 5.1), of all parameters that take a gradient."""
    chosen = recipe["optimizer"]
    parameters = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    return torch.optim.SGD(
        parameters,
        chosen["lr"],
        chosen["momentum"],
        nesterov=chosen["momentum"] > 0,
        weight_decay=chosen["weight_decay"],
        # In half precision the other kind waits for the GPU in every step.
        fused=parameters[0].is_cuda,
    )
