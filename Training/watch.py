"""How a network does on rows that it does not train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from batches import Samples, finish, load_rows
from COVIDMTLLib.losses import MISSING
from lightning_fabric import Fabric
from metrics import auc
from objective import Objective
from prefetch import prefetch
from torch.nn import functional


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


def watch(fabric: Fabric, objective: Objective, watched: Watched, tasks: Sequence[str]) -> dict[str, float]:
    """Measures of a network on rows.

    Parameters
    ----------
    fabric : Fabric
    objective : Objective
    watched : Watched
    tasks : sequence of str

    Returns
    -------
    dict
        ``loss``, the mean over the tasks that have labels of their cross-entropies, whatever the loss of the training
        is, and ``loss_TASK``, ``auc_TASK`` and ``accuracy_TASK``; NaN where the rows do not tell.
    """
    logits = _logits(fabric, objective, watched)
    found: dict[str, Any] = {"loss": np.nan}
    for task, of_task, labels in zip(tasks, logits, watched.labels.T, strict=True):
        labelled = labels != MISSING
        of_task, labels = of_task[labelled], labels[labelled]
        if not len(labels):
            found |= {f"loss_{task}": np.nan, f"auc_{task}": np.nan, f"accuracy_{task}": np.nan}
            continue
        probabilities = torch.softmax(of_task.double(), 1).numpy()
        every = len(labels.unique()) == of_task.shape[1]
        found[f"loss_{task}"] = float(functional.cross_entropy(of_task, labels))
        found[f"auc_{task}"] = auc(labels.numpy(), probabilities) if every else np.nan
        found[f"accuracy_{task}"] = float(np.mean(probabilities.argmax(1) == labels.numpy()))
    found["loss"] = float(np.nanmean([found[f"loss_{task}"] for task in tasks]))
    return found


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
