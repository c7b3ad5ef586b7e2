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


def watch(
    fabric: Fabric, objective: Objective, samples: Samples, rows: np.ndarray, tasks: Sequence[str]
) -> dict[str, float]:
    """Measures of a network on rows.

    Parameters
    ----------
    fabric : Fabric
        Whose processes share the rows.
    objective : Objective
    samples : Samples
    rows : ndarray of int
    tasks : sequence of str

    Returns
    -------
    dict
        ``loss``, the mean over the tasks of their cross-entropies, whatever the loss of the training is, and
        ``loss_TASK``, ``auc_TASK`` and ``accuracy_TASK``; NaN where the rows do not tell.
    """
    logits = _logits(fabric, objective, samples, rows)
    found: dict[str, Any] = {"loss": np.nan}
    for task, of_task, labels in zip(tasks, logits, samples.labels[rows].T, strict=True):
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
    found["loss"] = float(np.mean([found[f"loss_{task}"] for task in tasks]))
    return found


def _logits(fabric, objective, samples, rows) -> list[torch.Tensor]:
    """Logits (rows, classes) of each task, on the CPU, the same for all processes."""
    for buffer in objective.buffers() if fabric.world_size > 1 else ():
        torch.distributed.broadcast(buffer, 0)  # batch statistics that are not shared differ a little
    own = np.arange(fabric.global_rank, len(rows), fabric.world_size)
    was_training = objective.training
    objective.eval()
    found = []
    with torch.inference_mode():
        for batch in prefetch(load_rows(samples, rows[own]), fabric.device):
            batch = finish(batch, samples.recipe)
            with fabric.autocast():
                logits = objective.network(**{name: batch[name] for name in objective.network.inputs})
            found.append([one.float().cpu() for one in logits])
    objective.train(was_training)
    mine = [torch.cat(one) for one in zip(*found, strict=True)] if found else None
    if fabric.world_size == 1:
        return mine
    everyone: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(everyone, (own, mine))
    width = [one.shape[1] for one in next(part for _, part in everyone if part is not None)]
    whole = [torch.empty(len(rows), classes) for classes in width]
    for places, part in everyone:
        for into, one in zip(whole, part or [], strict=False):
            into[torch.from_numpy(places)] = one
    return whole
