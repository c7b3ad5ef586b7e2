"""How a network does on rows that it does not train on."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from COVIDMTLLib.networks.losses import CRITERIA, is_known
from lightning_fabric import Fabric

from ..evaluation.metrics import auc
from ..recipes.recipe import tasks_of
from .batches import Samples, finish, load_rows
from .objective import Objective
from .prefetch import prefetch


class Watched:
    """Rows that are watched, and the loader of those that this process takes on.

    Parameters
    ----------
    fabric : Fabric
        Whose processes share the rows.
    samples : Samples
    rows : ndarray of int
    """

    def __init__(self, fabric: Fabric, samples: Samples, rows: np.ndarray):
        self.recipe, self.labels = samples.recipe, samples.labels[rows]
        self.own = np.arange(fabric.global_rank, len(rows), fabric.world_size)
        self.loader = load_rows(samples, rows[self.own])


def watch(fabric: Fabric, objective: Objective, watched: Watched) -> dict[str, float]:
    """Measures of a network on rows.

    Parameters
    ----------
    fabric : Fabric
    objective : Objective
    watched : Watched

    Returns
    -------
    dict
        ``loss``, the mean over the tasks that have labels of their losses, whatever the loss of the training is, and
        ``loss_TASK`` and ``auc_TASK`` and ``accuracy_TASK``, or of a regression ``mae_TASK``, the mean absolute error
        in its unit; NaN where the rows do not tell.
    """
    logits, tasks = _logits(fabric, objective, watched), tasks_of(watched.recipe)
    found: dict[str, Any] = {"loss": np.nan}
    for task, of_task, labels in zip(tasks, logits, watched.labels.T, strict=True):
        known = is_known(labels)
        of_task, labels = of_task[known], labels[known]
        found[f"loss_{task.name}"] = float(CRITERIA[task.loss](of_task, labels)) if len(labels) else np.nan
        found |= {f"{name}_{task.name}": value for name, value in _measures(task, of_task, labels, watched.recipe)}
    of_tasks = [found[f"loss_{task.name}"] for task in tasks]
    found["loss"] = float(np.nanmean(of_tasks)) if np.isfinite(of_tasks).any() else np.nan
    return found


def _measures(task, outputs, labels, recipe):
    if not task.classes:
        error = (outputs[:, 0] - labels).abs().mean().item() * recipe["values"][task.name]["std"]
        return [("mae", error if len(labels) else np.nan)]
    if not len(labels):
        return [("auc", np.nan), ("accuracy", np.nan)]
    probabilities, labels = torch.softmax(outputs.double(), 1).numpy(), labels.long().numpy()
    every = len(np.unique(labels)) == outputs.shape[1]
    return [
        ("auc", auc(labels, probabilities) if every else np.nan),
        ("accuracy", float(np.mean(probabilities.argmax(1) == labels))),
    ]


def _logits(fabric, objective, watched) -> list[torch.Tensor]:
    """Logits (rows, classes) of each task, on the CPU, the same for all processes."""
    for buffer in objective.buffers() if fabric.world_size > 1 else ():
        torch.distributed.broadcast(buffer, 0)  # batch statistics that are not shared differ a little
    was_training = objective.training
    objective.eval()
    found = []
    with torch.inference_mode():
        for batch in prefetch(watched.loader, fabric.device):
            batch = finish(batch, watched.recipe)
            with fabric.autocast():
                logits = objective.network(**{name: batch[name] for name in objective.network.inputs})
            found.append([one.float().cpu() for one in logits])
    objective.train(was_training)
    mine = [torch.cat(one) for one in zip(*found, strict=True)] if found else []
    if fabric.world_size == 1:
        return mine
    everyone: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(everyone, (watched.own, mine))
    # There is a row for the first process, if for any.
    whole = [torch.empty(len(watched.labels), one.shape[1]) for one in everyone[0][1]]
    for places, part in everyone:
        for into, one in zip(whole, part, strict=False):
            into[torch.from_numpy(places)] = one
    return whole
