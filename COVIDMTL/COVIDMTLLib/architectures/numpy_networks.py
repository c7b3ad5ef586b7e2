"""The networks that see no images, in NumPy: to assess a case with them, and to explain it, takes no PyTorch.

They are trained as the networks of the same names in `networks`, and have their weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import log_softmax, softmax

from .config import AGE_AND_SEX
from .kernel_ridge import KernelRidge

LEAST = 1e-3
"""Added to each probability before its logarithm, since no expert can be sure of what it has not seen."""

CLIP = 3.0
"""Standard deviations beyond which a value counts as that far off: features have long tails."""

POINTS = 48
"""Of the Gauss-Legendre rule along the path from the average case to one."""

Weights = Mapping[str, np.ndarray]
"""Of a network or of a part of it, by name."""


class Forest:
    """The mean of decision trees, as `forest.Forest` stores them.

    Parameters
    ----------
    weights : Weights
    columns : int
        Number of inputs.

    Raises
    ------
    ValueError
        If a walk may end in no leaf.
    """

    def __init__(self, weights: Weights, columns: int):
        self.columns = columns
        self.root, self.column, self.right = (weights[name].astype(np.intp) for name in ("root", "column", "right"))
        self.threshold, self.value = (weights[name].astype(float) for name in ("threshold", "value"))
        self.unknown_left = weights["unknown_left"]
        node = np.arange(len(self.column))
        inner = self.column >= 0
        sound = (self.right > node + 1) & (self.right < len(node)) & (self.column < columns)
        if not sound[inner].all() or not ((self.root >= 0) & (self.root < len(node))).all():
            raise ValueError("a tree of its forest leads nowhere")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Mean shares (groups,) of the leaves that a case (columns,) ends in; NaN where a value is unknown."""
        leaf = self.root
        for _node, following in self._walk(x):
            leaf = following
        return self.value[leaf].mean(axis=0)

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What each input contributes to the answer for one case.

        Each step down a tree changes the shares; the change counts for the input that decides the step (Saabas,
        2014).

        Returns
        -------
        base : ndarray of shape (groups,)
            Mean of the roots.
        parts : ndarray of shape (columns, groups)
            With ``base``, they sum up to the answer.
        """
        parts = np.zeros((self.columns, self.value.shape[1]))
        for node, following in self._walk(x):
            change = (self.value[following] - self.value[node]) / len(self.root)
            np.add.at(parts, np.maximum(self.column[node], 0), change)
        return self.value[self.root].mean(axis=0), parts

    def _walk(self, x: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The nodes that a case is in in each tree, and those that follow, step by step."""
        node = self.root
        while True:
            column = self.column[node]
            value = x[np.maximum(column, 0)]
            left = np.where(np.isnan(value), self.unknown_left[node], value <= self.threshold[node])
            following = np.where(column < 0, node, np.where(left, node + 1, self.right[node]))
            if np.array_equal(following, node):
                return
            yield node, following
            node = following


class Smooth(ABC):
    """Logits that are a smooth function of standardised inputs; see `smooth.Smooth`."""

    def __init__(self, weights: Weights, indicators: bool = False):
        self.indicators = indicators
        self.mean, self.std, self.average = (weights[name].astype(float) for name in ("mean", "std", "average"))

    @abstractmethod
    def logits(self, standardised: np.ndarray) -> np.ndarray:
        """Logits (N, groups) for standardised inputs (N, seen)."""

    @abstractmethod
    def gradient(self, standardised: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Gradients of the logits at standardised inputs (N, seen), summed with weights (N,): (seen, groups)."""

    def standardise(self, x: np.ndarray) -> np.ndarray:
        """Inputs (columns,) in standard deviations, 0 where unknown, and with ``indicators`` 1 there behind them."""
        unknown = np.isnan(x)
        z = np.where(unknown, 0, np.clip((x - self.mean) / self.std, -CLIP, CLIP))
        return np.concatenate([z, unknown]) if self.indicators else z

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Logits (groups,) for a case (columns,), NaN where a value is unknown."""
        return self.logits(self.standardise(x)[np.newaxis])[0]

    def parts(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As `Forest.parts`, of the logits: integrated gradients from the average case (Sundararajan et al., 2017).

        Kinks along the path leave them a little short of the whole; what is left is shared out by their sizes.
        """
        where, weights = np.polynomial.legendre.leggauss(POINTS)
        change = self.standardise(x) - self.average
        path = self.average + (where[:, np.newaxis] + 1) / 2 * change
        parts = change[:, np.newaxis] * self.gradient(path, weights / 2)
        base, whole = self.logits(np.stack([self.average, self.average + change]))
        sizes = np.abs(parts) / np.maximum(np.abs(parts).sum(axis=0), np.finfo(float).tiny)
        parts += (whole - base - parts.sum(axis=0)) * sizes
        return base, parts[: len(x)] + parts[len(x) :] if self.indicators else parts


class Kernel(Smooth):
    """Kernel ridge regression; see `kernel.Kernel`."""

    def __init__(self, weights: Weights, indicators: bool):
        super().__init__(weights, indicators)
        self.projection, self.cases = weights["projection"].astype(float), weights["cases"].astype(float)
        self.gamma = float(weights["gamma"])
        self.dual = weights["dual"].astype(float) @ weights["calibration.weight"].astype(float).T
        self.bias = weights["calibration.bias"].astype(float)

    def logits(self, standardised: np.ndarray) -> np.ndarray:
        return self._likeness(self._project(standardised)) @ self.dual + self.bias

    def gradient(self, standardised: np.ndarray, weights: np.ndarray) -> np.ndarray:
        place = self._project(standardised)
        likeness = self._likeness(place)
        # Of exp(-gamma |p - c|^2) at a place p the gradient is -2 gamma (p - c) times itself.
        near = (likeness[:, np.newaxis] * self.dual.T) @ self.cases
        at_place = -2 * self.gamma * ((likeness @ self.dual)[..., np.newaxis] * place[:, np.newaxis] - near)
        at_place[np.broadcast_to((np.abs(place) >= CLIP)[:, np.newaxis], at_place.shape)] = 0
        return self.projection @ np.einsum("n,ngw->wg", weights, at_place)

    def _project(self, standardised: np.ndarray) -> np.ndarray:
        return np.clip((standardised - self.average) @ self.projection, -CLIP, CLIP)

    def _likeness(self, place: np.ndarray) -> np.ndarray:
        return np.exp(-self.gamma * cdist(place, self.cases, "sqeuclidean"))


class Perceptrons(Smooth):
    """The mean of the logits of multilayer perceptrons; see `perceptrons.Perceptrons`."""

    def __init__(self, weights: Weights):
        super().__init__(weights)
        self.weights, self.biases = _listed(weights, "weights"), _listed(weights, "biases")

    def logits(self, standardised: np.ndarray) -> np.ndarray:
        return self._layers(standardised)[-1].mean(axis=0)

    def gradient(self, standardised: np.ndarray, weights: np.ndarray) -> np.ndarray:
        *hidden, _logits = self._layers(standardised)
        gradient = self.weights[-1][:, np.newaxis]  # (members, N, nodes, groups), from the last layer to the first
        for weight, nodes in zip(reversed(self.weights[1:-1]), reversed(hidden[1:]), strict=True):
            gradient = weight[:, np.newaxis] @ (gradient * (nodes > 0)[..., np.newaxis])
        at_nodes = np.einsum("k,mkng->mng", weights, gradient * (hidden[0] > 0)[..., np.newaxis])
        return np.einsum("mcn,mng->cg", self.weights[0], at_nodes) / len(at_nodes)

    def _layers(self, standardised: np.ndarray) -> list[np.ndarray]:
        """What each layer makes of standardised inputs (N, seen), before the ReLU: (members, N, nodes)."""
        found: list[np.ndarray] = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            found.append((np.maximum(found[-1], 0) if found else standardised) @ weight + bias)
        return found


class Combination:
    """Weights of the experts in each task, and a bias for each class; see `tabular.Combination`."""

    def __init__(self, weights: Weights):
        self.weight, self.bias = weights["weight"].astype(float), _listed(weights, "bias")

    def scores(self, task: int, said: Sequence[np.ndarray]) -> np.ndarray:
        """Scores (..., classes) of a task from what each expert says, log-probabilities (..., classes)."""
        return sum(w * one for w, one in zip(self.weight[task], said, strict=True)) + self.bias[task]


class TabularNetwork:
    """Experts that each see a part of what is known; see `tabular.TabularNetwork`.

    Parameters
    ----------
    config : dict
        As `networks.build_network` takes it.
    weights : Weights
    """

    def __init__(self, config: dict[str, Any], weights: Weights):
        of = {name: _below(weights, name) for name in ("ct_forest", "ct_kernel", "ct_perceptrons", "without_labs")}
        columns = config["features"] + AGE_AND_SEX
        counts = [len(task["classes"]) for task in config["tasks"]]
        self.members = [
            np.array([[group[task] == one for one in range(count)] for group in config["groups"]], float)
            for task, count in enumerate(counts)
        ]
        self.of_ct = [Forest(of["ct_forest"], columns), Kernel(of["ct_kernel"], False)]
        self.of_ct.append(Perceptrons(of["ct_perceptrons"]))
        self.without_labs, self.of_labs, self.with_labs = Combination(of["without_labs"]), [], None
        if config.get("labs_forest") is not None:
            kernel = Kernel(_below(weights, "labs_kernel"), True)
            self.of_labs = [Forest(_below(weights, "labs_forest"), config["patient"]), kernel]
            self.with_labs = Combination(_below(weights, "with_labs"))

    def __call__(self, features: np.ndarray, patient: np.ndarray) -> list[np.ndarray]:
        """Log-probabilities (classes,) of each task for a case as `experts` takes it."""
        combination, experts = self.experts(features, patient)
        outputs = [(expert, expert(x)) for expert, x in experts]
        return [
            log_softmax(combination.scores(task, [self.said(task, *one)[1] for one in outputs]))
            for task in range(len(self.members))
        ]

    def experts(self, features: np.ndarray, patient: np.ndarray) -> tuple[Combination, list[tuple[Any, np.ndarray]]]:
        """The experts that are asked in a case, what each of them sees, and how they are combined.

        Parameters
        ----------
        features : ndarray of shape (features,)
            Scaled.
        patient : ndarray of shape (patient,)
            Age, sex and laboratory values, NaN where unknown.
        """
        # In the precision of training, in which the thresholds of the forests are.
        features, patient = (one.astype(np.float32).astype(float) for one in (features, patient))
        seen = np.concatenate([features, patient[:AGE_AND_SEX]])
        asked: list[tuple[Any, np.ndarray]] = [(expert, seen) for expert in self.of_ct]
        if self.with_labs is None or np.isnan(patient[AGE_AND_SEX:]).all():
            return self.without_labs, asked
        return self.with_labs, asked + [(expert, patient) for expert in self.of_labs]

    def said(self, task: int, expert: Forest | Smooth, output: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The shares of the groups that the output of an expert stands for, and what they say of a task.

        Shares are of shape (..., groups), log-probabilities of the classes of the task (..., classes).
        """
        shares = softmax(output, axis=-1) if isinstance(expert, Smooth) else output
        member = self.members[task]
        return shares, np.log((shares @ member + LEAST) / (1 + member.shape[1] * LEAST))


class FeaturesMTL:
    """The multitask network on lung features alone (section 7, Table 8); see `features_mtl.FeaturesMTL`."""

    def __init__(self, config: dict[str, Any], weights: Weights):
        self.layers = [_linear(weights, f"fnn.{number}") for number in range(0, len(_below(weights, "fnn")), 2)]
        heads = len(config["tasks"]) + len(config.get("regression", []))
        self.heads = [_linear(weights, f"heads.{number}.1") for number in range(heads)]

    def __call__(self, features: np.ndarray) -> list[np.ndarray]:
        """Logits (classes,) of each task for scaled features (features,)."""
        x = features.astype(float)
        for weight, bias in self.layers:
            x = np.maximum(weight @ x + bias, 0)
        return [weight @ x + bias for weight, bias in self.heads]


FeatureNetwork = FeaturesMTL | TabularNetwork | KernelRidge
"""A network that sees no images."""


def _linear(weights: Weights, name: str) -> tuple[np.ndarray, np.ndarray]:
    return weights[f"{name}.weight"].astype(float), weights[f"{name}.bias"].astype(float)


def _below(weights: Weights, name: str) -> dict[str, np.ndarray]:
    """The weights of a part, by their names within it."""
    return {one.removeprefix(f"{name}."): array for one, array in weights.items() if one.startswith(f"{name}.")}


def _listed(weights: Weights, name: str) -> list[np.ndarray]:
    return [weights[f"{name}.{number}"].astype(float) for number in range(len(_below(weights, name)))]
