"""Multitask losses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ..architectures.tasks import MISSING
from ..utils.errors import InputError


def _cross_entropy(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if targets.is_floating_point():
        targets = targets.nan_to_num(nan=MISSING).long()
    return functional.cross_entropy(outputs, targets)


def _regression(of_each: Callable[..., torch.Tensor]) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        known = is_known(targets)
        # No indexing by a mask, for which the processor would wait for the GPU.
        losses = of_each(outputs[:, 0], targets.to(outputs).nan_to_num(), reduction="none")
        return (losses * known).sum() / known.sum().clamp(min=1)

    return loss


CROSS_ENTROPY = "cross-entropy"

CRITERIA = {
    CROSS_ENTROPY: _cross_entropy,
    "huber": _regression(functional.huber_loss),
    "l1": _regression(functional.l1_loss),
    "mse": _regression(functional.mse_loss),
}
"""Losses of a single task by name: of outputs (N, classes), or (N, 1) of a regression, and targets (N,)."""


def is_known(targets: torch.Tensor) -> torch.Tensor:
    """Which targets are known: whole numbers that are not `MISSING`, and others that are not NaN."""
    return ~targets.isnan() if targets.is_floating_point() else targets != MISSING


class MeanLoss(nn.Module):
    """The mean of the tasks' losses, and what the other losses are in evaluation: so all compare.

    The loss of a task is the cross-entropy, or of a regression one that goes by the difference. A case whose label is
    not known is left out of the mean over its task. A task without any label in a batch
    adds 0, and the others keep their weights: what a task counts for never depends on the labels of another.

    Parameters
    ----------
    tasks : int
        Number of tasks.
    criteria : sequence of str, optional
        The loss of each task, of `CRITERIA`; by default the cross-entropy of all.

    Raises
    ------
    InputError
        If there is no task.
    """

    def __init__(self, tasks: int, criteria: Sequence[str] | None = None):
        super().__init__()
        if tasks < 1:
            raise InputError(f"A loss of {tasks} tasks cannot be; give 1 or more.")
        self.tasks = tasks
        self.criteria = [CRITERIA[name] for name in criteria or [CROSS_ENTROPY] * tasks]

    def weights(self) -> torch.Tensor:
        """Weights (tasks,) that sum to 1."""
        return torch.full((self.tasks,), 1 / self.tasks)

    def forward(
        self, logits: Sequence[torch.Tensor], labels: torch.Tensor, shares: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The loss of a batch, or what a part of it adds to that.

        Parameters
        ----------
        logits : sequence of tensors (N, classes)
            One for each task; (N, 1) of a regression.
        labels : tensor (N, tasks)
            Class numbers, or `MISSING`; or, as floating point numbers, class numbers and values, or NaN.
        shares : tensor (tasks,), optional
            Of the batch's labels of each task, those in this part.
        """
        terms = self.terms(*self.task_losses(logits, labels))
        # No matrix product, which autocast would take to half precision, where a scaled gradient overflows.
        return terms.sum() if shares is None else (terms * shares.to(terms, non_blocking=True)).sum()

    def terms(self, losses: torch.Tensor, labelled: torch.Tensor) -> torch.Tensor:
        """What each task adds (tasks,), of what `task_losses` gives."""
        return losses * self.weights().to(losses, non_blocking=True)

    def task_losses(self, logits: Sequence[torch.Tensor], labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss (tasks,) of each task, and whether (tasks,) it has a label; without one it is 0."""
        pairs = zip(self.criteria, logits, labels.T, strict=True)
        losses = torch.stack([criterion(one, of_task) for criterion, one, of_task in pairs])
        labelled = is_known(labels).any(dim=0)
        return torch.where(labelled, losses, 0.0), labelled


class RandomWeightedLoss(MeanLoss):
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

    Raises
    ------
    InputError
        If there is no task, no draw or no concentration.
    """

    def __init__(
        self,
        tasks: int,
        draws: int = 2,
        alpha: float = 1.0,
        seed: int = 0,
        criteria: Sequence[str] | None = None,
    ):
        super().__init__(tasks, criteria)
        if draws < 1 or alpha <= 0:
            raise InputError(f"{draws} draws with alpha {alpha} give no weights; both must be positive.")
        self.draws, self.alpha = draws, alpha
        self.generator = np.random.default_rng(seed)

    def weights(self) -> torch.Tensor:
        """Weights (tasks,) that sum to 1."""
        if not self.training:
            return super().weights()
        # By numpy, since torch's own Dirichlet distribution takes no generator.
        return torch.from_numpy(self.generator.dirichlet([self.alpha] * self.tasks, self.draws).mean(axis=0))


class TwoTaskRandomLoss(MeanLoss):
    """The random-weighted loss of two tasks (Eq. 5).

    One uniform number is the weight of the first, what it lacks to 1 that of the second; in evaluation both are a half.

    Parameters
    ----------
    tasks : int
        Number of tasks.
    seed : int
        Seed of the loss's own random generator.

    Raises
    ------
    InputError
        If there are not two tasks.
    """

    def __init__(self, tasks: int = 2, seed: int = 0, criteria: Sequence[str] | None = None):
        super().__init__(tasks, criteria)
        if tasks != 2:
            raise InputError(f"The loss two-task is for 2 tasks, not {tasks}; use random-weighted.")
        self.generator = np.random.default_rng(seed)

    def weights(self) -> torch.Tensor:
        """Weights (2,) that sum to 1."""
        if not self.training:
            return super().weights()
        share = self.generator.random()
        return torch.tensor([share, 1 - share])


class UncertaintyLoss(MeanLoss):
    """The task-uncertainty loss (Kendall, Gal and Cipolla, CVPR 2018), in its form for classification.

    A task's cross-entropy is divided by a variance that is learned, and half the logarithm of the variance is
    added, so that it does not grow without bounds. Its parameters, ``log_variances`` (tasks,), start at 0 and
    belong to the optimiser beside those of the network. A task without any label in a batch adds nothing, so
    its variance stays. At the start each task weighs 1, not 1 / tasks, so that steps are longer than with the
    other losses at the same learning rate. In evaluation it is the mean loss.

    In the paper's release the variances are in no optimiser, so that it trains as the mean loss there. Here
    they learn, as Kendall et al. have it.

    Parameters
    ----------
    tasks : int
        Number of tasks.
    """

    def __init__(self, tasks: int, criteria: Sequence[str] | None = None):
        super().__init__(tasks, criteria)
        self.log_variances = nn.Parameter(torch.zeros(tasks))

    def terms(self, losses: torch.Tensor, labelled: torch.Tensor) -> torch.Tensor:
        """What each task adds (tasks,), of what `task_losses` gives."""
        if not self.training:
            return super().terms(losses, labelled)
        return losses * torch.exp(-self.log_variances) + labelled * self.log_variances / 2


LOSSES = {
    "random-weighted": RandomWeightedLoss,
    "two-task": TwoTaskRandomLoss,
    "uncertainty": UncertaintyLoss,
    "mean": MeanLoss,
}
"""Losses by the names that configurations use."""


def make_loss(name: str, tasks: int, criteria: Sequence[str] | None = None, **options: float) -> MeanLoss:
    """The loss that goes by a name.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    tasks : int
        Number of tasks.
    criteria : sequence of str, optional
        The loss of each task; see `MeanLoss`.
    **options
        Those of the loss's class.

    Raises
    ------
    InputError
        If there is no such loss, or it has no such option or value.
    """
    if name not in LOSSES:
        raise InputError(f"There is no loss {name}; choose one of {', '.join(LOSSES)}.")
    known = set(inspect.signature(LOSSES[name]).parameters) - {"tasks", "criteria"}
    if unknown := sorted(set(options) - known):
        has = ", ".join(sorted(known)) or "no options"
        raise InputError(f"The loss {name} has no option {unknown[0]}; it has {has}.")
    return LOSSES[name](tasks, criteria=criteria, **options)
