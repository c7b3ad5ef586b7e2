"""The training loop (section 5.1): one process of a run."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from COVIDMTLLib.utils.errors import InputError
from lightning_fabric import Fabric
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from ..data.store import Store
from ..recipes.recipe import loss_of, sees_volume, tasks_of
from .batches import Micro, Samples, finish, load_training, schedule, steps_per_epoch
from .objective import Objective, optimizer_of, schedule_of
from .prefetch import prefetch
from .run_card import Trained, export
from .run_log import line, to_tensorboard, write_log
from .run_state import load, save
from .splits import Rows
from .validation import Watched, watch

SHOWN_EVERY = 1.0
"""Seconds between two losses on the screen: to read one, the processor has to wait for the GPU."""


class Trainer:
    """A run, from where it stands to its end.

    Parameters
    ----------
    fabric : Fabric
    store : Store
    recipe : dict
    rows : Rows
    start : Trained
        What the run begins with; its network is trained in place.
    out : Path
        Folder of the run.
    fingerprint : str
        See `run_state.fingerprint`.

    Attributes
    ----------
    log : list of dict
        A row for each epoch that is done.
    """

    def __init__(
        self,
        fabric: Fabric,
        store: Store,
        recipe: dict[str, Any],
        rows: Rows,
        start: Trained,
        out: Path,
        fingerprint: str,
    ):
        self.fabric, self.store, self.recipe, self.rows = fabric, store, recipe, rows
        self.start, self.out, self.fingerprint = start, out, fingerprint
        self.objective = Objective(start.network, loss_of(recipe)).to(fabric.device)
        optimizer = optimizer_of(self.objective, recipe)
        self.scheduler = schedule_of(optimizer, recipe)
        self.answering, self.average = self.objective, None
        if recipe["ema"]:
            self.average = AveragedModel(
                start.network, multi_avg_fn=get_ema_multi_avg_fn(recipe["ema"]), use_buffers=True
            )
            self.answering = Objective(self.average.module, self.objective.loss)
        self.module, self.optimizer = fabric.setup(self.objective, optimizer)
        self.samples = Samples(store, recipe, start.scaling)
        splits = [split for split in ("validation", "test") if split == "validation" or recipe["watch_test"]]
        self.watched = {
            split: Watched(fabric, self.samples, getattr(rows, split)) for split in splits if len(getattr(rows, split))
        }
        self.steps = steps_per_epoch(len(rows.train), recipe["batch_size"])
        self.step, self.best, self.log = 0, float("inf"), []
        self._start_epoch()
        self._restore()

    def run(self) -> None:
        """Take all the steps that are left."""
        epochs, world = self.recipe["epochs"], self.fabric.world_size
        parts = list(schedule(self.rows.train, self.samples.labels, self.recipe, epochs, self.step, world))
        if not parts:
            return
        self._check(min(len(part.rows) for part in parts))
        own = [part for part in parts if part.number % world == self.fabric.global_rank]
        batches = prefetch(load_training(self.samples, own), self.fabric.device, stay=("noise",))
        self.module.train()
        hidden = not self.fabric.is_global_zero
        self.writer = None if hidden else SummaryWriter(self.out / "tensorboard", purge_step=self.epoch + 1)
        with tqdm(total=epochs * self.steps, initial=self.step, desc="steps", disable=hidden) as self.screen:
            for part, batch in zip(own, batches, strict=True):
                last = part.number + world >= part.of
                self._add_gradients(part, batch, last)
                if last:
                    self._take_step()
        if self.writer is not None:
            self.writer.close()

    @property
    def epoch(self) -> int:
        """Epochs that are done."""
        return self.step // self.steps

    def _check(self, smallest: int) -> None:
        """Raise `InputError` unless the smallest part of a batch is enough for the network."""
        if not sees_volume(self.recipe):
            return
        size, stride = self.recipe["input"]["size"], self.objective.network.backbone.stride
        # Batch normalisation wants more than one number of each map.
        least = 2 if all(voxels <= one for voxels, one in zip(size, stride, strict=True)) else 1
        if smallest < least:
            raise InputError(
                f"There are forward passes of {smallest} of the {len(self.rows.train)} training cases, and the network "
                f"needs {least} or more; change batch_size, micro_batch_size or the number of processes."
            )

    def _add_gradients(self, part: Micro, batch: dict[str, torch.Tensor], last: bool) -> None:
        self.objective.start(part, self.recipe["seed"])
        with self.fabric.no_backward_sync(self.module, enabled=not last):
            losses = self.module(finish(batch, self.recipe), part.shares)
            # Gradients of processes are averaged, those of parts that one process takes in turn added up.
            self.fabric.backward(losses.total * self.fabric.world_size)
        self.sums += torch.stack([losses.of_tasks.double() * losses.counts, losses.counts.double()])

    def _take_step(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            self.average.update_parameters(self.objective.network)
        self.step += 1
        self.screen.update()
        if self.fabric.is_global_zero and time.monotonic() - self.shown > SHOWN_EVERY:
            self.shown = time.monotonic()
            self.screen.set_postfix_str(f"loss {self._losses(self.sums).nanmean():.3f}", refresh=False)
        if self.step % self.steps == 0:
            self._end_epoch()
        elif self.step % self.recipe["checkpoint_steps"] == 0:
            self._save()

    def _start_epoch(self) -> None:
        # Summed losses and numbers of labels of each task, kept on the device, which is not waited for.
        self.sums = torch.zeros(2, len(self.recipe["tasks"]), dtype=torch.float64, device=self.fabric.device)
        self.started = self.shown = time.monotonic()

    def _end_epoch(self) -> None:
        names, losses = [task.name for task in tasks_of(self.recipe)], self._losses(self._all_sums())
        row = {"epoch": self.epoch, "step": self.step, "lr": self.scheduler.get_last_lr()[0]}
        row |= {"seconds": time.monotonic() - self.started, "loss": losses.mean().item()}
        row |= {f"loss_{name}": loss for name, loss in zip(names, losses.tolist(), strict=True)}
        for split, watched in self.watched.items():
            found = watch(self.fabric, self.answering, watched)
            row |= {f"{split}_{name}": value for name, value in found.items()}
        self.scheduler.step()
        self.log.append(row)
        if self.fabric.is_global_zero:
            self._report(row)
        self.best = min(self.best, row.get("validation_loss", self.best))
        self._start_epoch()
        self._save()

    def _report(self, row: dict[str, float]) -> None:
        tqdm.write(line(row, self.recipe["epochs"]))
        to_tensorboard(self.writer, row)
        write_log(self.out, self.log)
        model = self.start._replace(network=self.answering.network), self.recipe, self.store, self.rows, row
        export(self.out / "last", *model)
        if row.get("validation_loss", self.best) < self.best:
            export(self.out / "best", *model)

    def _all_sums(self) -> torch.Tensor:
        return self.fabric.all_reduce(self.sums.clone(), reduce_op="sum")

    @staticmethod
    def _losses(sums: torch.Tensor) -> torch.Tensor:
        return sums[0] / sums[1]

    def _save(self) -> None:
        sums = self._all_sums().cpu()
        if self.fabric.is_global_zero:
            content = {
                "fingerprint": self.fingerprint,
                "step": self.step,
                "best": self.best,
                "log": self.log,
                "sums": sums,
                "objective": self.objective.state_dict(),
                "average": None if self.average is None else self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scheduler": self.scheduler.state_dict(),
                "precision": self.fabric.strategy.precision.state_dict(),
            }
            save(self.out, content)
        self.fabric.barrier()

    def _restore(self) -> None:
        # Only the machine of the first process may have the folder.
        content = self.fabric.broadcast(load(self.out, self.fingerprint) if self.fabric.is_global_zero else None)
        if content is None:
            return
        self.step, self.best, self.log = content["step"], content["best"], content["log"]
        if self.fabric.is_global_zero:
            self.sums.copy_(content["sums"])
        self.objective.load_state_dict(content["objective"])
        if self.average is not None:
            self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        self.scheduler.load_state_dict(content["scheduler"])
        self.fabric.strategy.precision.load_state_dict(content["precision"])
