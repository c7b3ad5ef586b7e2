"""Multitask losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class RandomWeightedLoss(nn.Module):
    """The random-weighted multitask loss (section 4.3, Eq. 6).

    The cross-entropies of the tasks are summed with weights that are the mean of ``draws`` draws from a
    Dirichlet distribution, new ones every time; in evaluation every weight is 1 / tasks.

    Parameters
    ----------
    tasks : int
        Number of tasks.
    draws : int
        Number of draws, the paper's n: the more, the closer to the mean loss.
    alpha : float
        Concentration of the Dirichlet distribution.
    seed : int
        Seed of the loss's own random generator.
    """

    def __init__(self, tasks: int, draws: int = 2, alpha: float = 1.0, seed: int = 0):
        super().__init__()
        self.tasks, self.draws, self.alpha = tasks, draws, alpha
        self.generator = np.random.default_rng(seed)

    def weights(self) -> torch.Tensor:
        """Weights (tasks,) that sum to 1."""
        if not self.training:
            return torch.full((self.tasks,), 1 / self.tasks)
        # By numpy, since torch's own Dirichlet distribution takes no generator.
        return torch.from_numpy(self.generator.dirichlet([self.alpha] * self.tasks, self.draws).mean(axis=0))

    def forward(self, logits: Sequence[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """The loss of a batch.

        Parameters
        ----------
        logits : sequence of tensors (N, classes)
            One for each task.
        labels : tensor (N, tasks)
            Class numbers.
        """
        losses = torch.stack([functional.cross_entropy(one, labels[:, task]) for task, one in enumerate(logits)])
        return losses @ self.weights().to(losses)
