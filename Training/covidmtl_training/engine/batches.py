"""Batches of a store: which cases a step sees, their crops and their augmentation (section 5.1).

Whatever is random about a case depends on the seed, the epoch and the case alone. So a run repeats exactly, with any
number of processes that read, and goes on exactly from any step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from COVIDMTLLib.architectures.tasks import MISSING
from COVIDMTLLib.models.feature_scaling import scale
from COVIDMTLLib.networks.losses import is_known
from torch.utils.data import DataLoader, Dataset

from ..data.store import Store
from ..recipes.augmentation import augmentation_of
from ..recipes.recipe import sees_volume, tasks_of

ORDER, SAMPLE, PART, WEIGHTS = range(1, 5)
"""First of the numbers that start a random stream; without, two may be one, since numpy takes [1, 2] for [1, 2, 0]."""

QUIET = -1
"""In place of the seed of the noise of a sample: it gets none."""


class Micro(NamedTuple):
    """What one forward pass sees.

    Attributes
    ----------
    epoch, step : int
        From 0; steps are counted through the whole run.
    number, of : int
        Which part of the batch of that step it is, and how many there are.
    rows : ndarray of int
    shares : tensor of float32, shape (tasks,)
        Of the labels that the batch has for each task, those of these rows; 0 if it has none. Weighed by them, the
        losses of the parts add up to that of the batch.
    """

    epoch: int
    step: int
    number: int
    of: int
    rows: np.ndarray
    shares: torch.Tensor


def steps_per_epoch(cases: int, batch_size: int) -> int:
    """Steps of an epoch; batches differ by one case at most, so that none is left over."""
    return -(-cases // batch_size)


def schedule(
    rows: np.ndarray,
    labels: torch.Tensor,
    recipe: dict[str, Any],
    epochs: int,
    first_step: int = 0,
    processes: int = 1,
) -> Iterator[Micro]:
    """Every forward pass of a run, in order, from a step on.

    Parameters
    ----------
    rows : ndarray of int
        To train on.
    labels : tensor, shape (cases, tasks)
        Of all cases of the store; see `Samples`.
    recipe : dict
        No batch has more than ``batch_size`` cases, and no part of one more than ``micro_batch_size``.
    epochs, first_step : int
    processes : int
        That take the parts of a batch in turn, each as many; where there are more of them than cases, parts are empty.
    """
    steps = steps_per_epoch(len(rows), recipe["batch_size"])
    labelled = is_known(labels).float()
    for epoch in range(first_step // steps, epochs):
        order = np.random.default_rng([ORDER, recipe["seed"], epoch]).permutation(rows)
        for index, batch in enumerate(np.array_split(order, steps)):
            step = epoch * steps + index
            if step < first_step:
                continue
            of = processes * -(-len(batch) // (recipe["micro_batch_size"] * processes))
            whole = labelled[batch].sum(0).clamp(min=1)
            for number, part in enumerate(np.array_split(batch, of)):
                yield Micro(epoch, step, number, of, part, labelled[part].sum(0) / whole)


class Samples(Dataset):
    """Cases of a store by row, or by (epoch, row) in training.

    Gives ``volume``, int16 of shape (1, D, H, W): HU + 1024 in the lungs, if the network takes it; ``labels`` (tasks,),
    class numbers or `MISSING`, or if there is a regression floating point numbers, its values in standard deviations
    from the mean and NaN where not known; ``features`` (375,), scaled, if the network takes them; in training
    ``noise``, a seed or `QUIET`. The rest is done on the device that trains, by `finish`, so that what is moved there
    is small.
    """

    def __init__(self, store: Store, recipe: dict[str, Any], scaling: dict[str, Any] | None):
        self.store, self.recipe = store, recipe
        self.labels = labels_of(store, recipe)
        self.transforms = augmentation_of(recipe["augmentation"])
        self.features = None if scaling is None else torch.from_numpy(scale(store.features, scaling)).float()

    def __getitem__(self, index: int | tuple[int, int]) -> dict[str, torch.Tensor]:
        epoch, row = index if isinstance(index, tuple) else (None, index)
        volume, noise = None, None
        if sees_volume(self.recipe):
            volume, noise = self._volume(row) if epoch is None else self._augmented(epoch, row)
        sample = {"labels": self.labels[row]} | ({} if volume is None else {"volume": volume})
        if noise is not None:
            sample["noise"] = torch.tensor(noise)
        if self.features is not None:
            sample["features"] = self.features[row]
        return sample

    def _volume(self, row):
        given = self.recipe["input"]
        return torch.from_numpy(self.store.volume(row, given["start"], given["size"]))[None], None

    def _augmented(self, epoch, row):
        random = np.random.default_rng([SAMPLE, self.recipe["seed"], epoch, row])
        crops, chances = self.recipe["crops"], self.recipe["augmentation"]
        start = [
            first + crops["step"] * random.integers((last - first) // crops["step"], endpoint=True)
            for first, last in zip(crops["first"], crops["last"], strict=True)
        ]
        volume = torch.from_numpy(self.store.volume(row, start, self.recipe["input"]["size"]))[None]
        self.transforms.set_random_state(seed=int(random.integers(2**31)))
        noisy = random.random() < chances["noise"]
        # MONAI's tensors carry a record of what was done to them, which nothing here reads.
        changed = self.transforms(volume).as_subclass(torch.Tensor)
        if changed.is_floating_point():
            changed = changed.round()
        return changed.to(torch.int16).contiguous(), int(random.integers(2**31)) if noisy else QUIET


def labels_of(store: Store, recipe: dict[str, Any]) -> torch.Tensor:
    """Labels (cases, tasks) of a store as losses take them; see `Samples`."""
    tasks = tasks_of(recipe)
    targets = store.targets(tasks)
    if all(task.classes for task in tasks):
        return torch.from_numpy(np.where(np.isnan(targets), MISSING, targets).astype(np.int64))
    for column, task in enumerate(tasks):
        if not task.classes:
            known = recipe["values"][task.name]
            targets[:, column] = (targets[:, column] - known["mean"]) / known["std"]
    return torch.from_numpy(targets)


def finish(batch: dict[str, torch.Tensor], recipe: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A batch as networks take it: volumes clipped, normalised and, where their sample has it, noisy; float32.

    Noise is made on the device, which takes much longer on the processors that read.
    """
    kept = {key: value for key, value in batch.items() if key in ("features", "labels")}
    if "volume" not in batch:
        return kept
    given = recipe["input"]
    volume = batch["volume"].clamp(max=given["clip"]).float().sub_(given["mean"]).div_(given["std"])
    for sample, seed in zip(volume, batch.get("noise", torch.empty(0)).tolist(), strict=False):
        if seed != QUIET:
            generator = torch.Generator(volume.device).manual_seed(seed)
            noise = torch.randn(sample.shape, generator=generator, device=volume.device)
            sample.add_(noise, alpha=recipe["augmentation"]["noise_std"])
    if recipe["channels_last"]:
        volume = volume.contiguous(memory_format=torch.channels_last_3d)
    return kept | {"volume": volume}


def load_training(samples: Samples, parts: Sequence[Micro]) -> DataLoader:
    """A loader of the forward passes of a run."""
    batches = [[(part.epoch, int(row)) for row in part.rows] for part in parts]
    return _loader(samples, batches, samples.recipe["workers"])


def load_rows(samples: Samples, rows: np.ndarray) -> DataLoader:
    """A loader of rows as they are at test time, in their order."""
    size = samples.recipe["micro_batch_size"]
    batches = [rows[first : first + size].tolist() for first in range(0, len(rows), size)]
    return _loader(samples, batches, min(samples.recipe["workers"], 2))


def _loader(samples, batches, workers):
    return DataLoader(
        samples,
        batch_sampler=batches,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        # Forking is not safe once CUDA or threads are in use.
        multiprocessing_context="spawn" if workers else None,
    )
