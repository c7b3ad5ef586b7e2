"""Steps of a recipe, and nothing else that a run does: to measure them."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from ..engine.batches import Micro, finish, schedule
from ..engine.objective import Objective, optimizer_of
from ..recipes.recipe import loss_of
from .step_clock import Clock


def first_passes(rows: np.ndarray, labels: torch.Tensor, recipe: dict[str, Any], steps: int) -> list[Micro]:
    """Every forward pass of the first steps of a run on rows; see `batches.schedule`."""
    return list(takewhile(lambda part: part.step < steps, schedule(rows, labels, recipe, steps)))


class Stepper:
    """Takes steps of one process.

    Parameters
    ----------
    fabric : Fabric
    network : CovidMTLNet
        Ready to train, on any device; trained in place.
    recipe : dict
    clock : Clock, optional
        Which is told when a stage begins.
    """

    def __init__(self, fabric: Fabric, network: nn.Module, recipe: dict[str, Any], clock: Clock | None = None):
        self.fabric, self.recipe = fabric, recipe
        self.begin = clock.begin if clock else lambda stage: None
        self.objective = Objective(network, loss_of(recipe)).to(fabric.device)
        self.module, self.optimizer = fabric.setup(self.objective, optimizer_of(self.objective, recipe))
        self.module.train()

    def take(self, part: Micro, batch: dict[str, torch.Tensor]) -> None:
        """A forward and backward pass of a part of a batch, and after the last part the step itself."""
        self.begin("augmentation")
        self.objective.start(part, self.recipe["seed"])
        batch = finish(batch, self.recipe)
        self.begin("stem")
        losses = self.module(batch, part.shares)
        self.begin("backward")
        self.fabric.backward(losses.total)
        if part.number == part.of - 1:
            self.begin("optimiser")
            self.optimizer.step()
            self.optimizer.zero_grad()
