"""The networks that see lung features and what is known of the patient, but no images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from ..architectures.config import AGE_AND_SEX, OF_CT, OF_LABS
from ..architectures.numpy_networks import LEAST
from .experts.base import Smooth
from .experts.forest import Forest
from .experts.kernel_ridge import Kernel
from .experts.perceptrons import Perceptrons


class Combination(nn.Module):
    """Weights of the experts in each task, and a bias for each class: calibrated log-probabilities.

    Parameters
    ----------
    experts : int
    classes : sequence of int
        Number of classes of each task.
    """

    def __init__(self, experts: int, classes: Sequence[int]):
        super().__init__()
        self.weight = nn.Parameter(torch.full((len(classes), experts), 1 / experts))
        self.bias = nn.ParameterList(nn.Parameter(torch.zeros(count)) for count in classes)

    def forward(self, experts: Sequence[Sequence[torch.Tensor]]) -> list[torch.Tensor]:
        """Log-probabilities (N, classes) of each task from those of each task of each expert."""
        return [
            torch.log_softmax(sum(w * expert[task] for w, expert in zip(weight, experts, strict=True)) + bias, 1)
            for task, (weight, bias) in enumerate(zip(self.weight, self.bias, strict=True))
        ]


class TabularNetwork(nn.Module):
    """Experts that each see a part of what is known, and what they say together.

    The tasks of the paper are three views of one thing: a case is of one of a few groups (a control, suspected,
    mild, ...), which decides its class in every task. An expert gives the probability of each group: a forest, a
    kernel regression and a few perceptrons see the features, age and sex; another forest and kernel regression see
    the laboratory values, age and sex. In each task, the logarithms of what they say are added up, with weights.
    Without any laboratory value, the latter are not asked, and other weights count.

    Takes a tensor (N, features) of scaled features, and a tensor (N, patient) of age, sex and laboratory values,
    NaN where unknown; returns for each task log-probabilities (N, classes).

    Parameters
    ----------
    features : int
        Number of features.
    patient : int
        Number of the patient's values: age, sex, then laboratory values.
    groups : sequence of sequence of int
        For each group its class in each task.
    classes : sequence of int
        Number of classes of each task.
    ct_forest : dict
        ``trees`` and ``nodes``.
    ct_kernel : dict
        ``cases`` and ``width``.
    ct_perceptrons : dict
        ``members``.
    labs_forest, labs_kernel : dict, optional
        As those of the CT; None without laboratory values.
    """

    inputs = ("features", "patient")
    """What `forward` takes, by keyword."""

    def __init__(
        self,
        features: int,
        patient: int,
        groups: Sequence[Sequence[int]],
        classes: Sequence[int],
        ct_forest: dict[str, int],
        ct_kernel: dict[str, int],
        ct_perceptrons: dict[str, int],
        labs_forest: dict[str, int] | None = None,
        labs_kernel: dict[str, int] | None = None,
    ):
        super().__init__()
        self.groups, self.classes = [list(group) for group in groups], list(classes)
        columns = features + AGE_AND_SEX
        self.ct_forest = Forest(columns, len(groups), **ct_forest)
        self.ct_kernel = Kernel(columns, len(groups), **ct_kernel, indicators=False)
        self.ct_perceptrons = Perceptrons(columns, len(groups), **ct_perceptrons)
        self.labs_forest: Forest | None = None
        self.labs_kernel: Kernel | None = None
        self.with_labs: Combination | None = None
        self.without_labs = Combination(OF_CT, classes)
        if labs_forest is not None and labs_kernel is not None:
            self.labs_forest = Forest(patient, len(groups), **labs_forest)
            self.labs_kernel = Kernel(patient, len(groups), **labs_kernel, indicators=True)
            self.with_labs = Combination(OF_CT + OF_LABS, classes)

    def asks_labs(self, patient: torch.Tensor) -> torch.Tensor:
        """Whether the experts on laboratory values are asked, bool (N,): if there are any, and a value is known."""
        known = ~patient[:, AGE_AND_SEX:].isnan()
        return known.any(1) if self.labs_forest is not None else torch.zeros(len(patient), dtype=torch.bool)

    def forward(self, features: torch.Tensor, patient: torch.Tensor) -> list[torch.Tensor]:
        """Log-probabilities (N, classes) of each task."""
        said = self.experts(features, patient)
        answers = self.without_labs(said[:OF_CT])
        asked = self.asks_labs(patient)
        if self.with_labs is None or not asked.any():
            return answers
        with_labs = self.with_labs(said)
        return [torch.where(asked[:, None], b, a) for a, b in zip(answers, with_labs, strict=True)]

    def experts(self, features: torch.Tensor, patient: torch.Tensor) -> list[list[torch.Tensor]]:
        """Log-probabilities of each task (N, classes) that each expert alone gives."""
        given = self.expert_inputs(features, patient)
        return [self.of_tasks(expert, expert(x)) for expert, x in given]

    def expert_inputs(self, features: torch.Tensor, patient: torch.Tensor) -> list[tuple[nn.Module, torch.Tensor]]:
        """The experts, and what each of them sees."""
        seen = torch.cat([features, patient[:, :AGE_AND_SEX]], 1)
        given: list[tuple[nn.Module, torch.Tensor]] = [
            (self.ct_forest, seen),
            (self.ct_kernel, seen),
            (self.ct_perceptrons, seen),
        ]
        if self.labs_forest is not None and self.labs_kernel is not None:
            given += [(self.labs_forest, patient), (self.labs_kernel, patient)]
        return given

    def of_tasks(self, expert: nn.Module, output: torch.Tensor) -> list[torch.Tensor]:
        """Log-probabilities of each task (N, classes) from the output of an expert (N, groups)."""
        shares = torch.softmax(output, 1) if isinstance(expert, Smooth) else output
        found = []
        for task, count in enumerate(self.classes):
            member = shares.new_zeros(len(self.groups), count)
            member[range(len(self.groups)), [group[task] for group in self.groups]] = 1
            found.append(torch.log((shares @ member + LEAST) / (1 + count * LEAST)))
        return found
