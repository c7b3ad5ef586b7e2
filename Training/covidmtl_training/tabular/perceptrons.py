"""Training of several small perceptrons at once, each on its own bootstrap of the cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from COVIDMTLLib.networks.experts.perceptrons import Perceptrons


def fit_perceptrons(
    inputs: np.ndarray, groups: np.ndarray, classes: np.ndarray, options: dict[str, Any], seed: int
) -> dict[str, torch.Tensor]:
    """Train `Perceptrons`.

    Noise on the inputs, dropout and the mean of the weights of the later epochs keep them from learning cases by
    heart. The loss is the mean over the tasks, as in the paper, of what the groups' probabilities mean for each.

    Parameters
    ----------
    inputs : ndarray of float32, shape (N, columns)
        NaN where unknown.
    groups : ndarray of int, shape (N,)
    classes : ndarray of int, shape (groups, tasks)
        Class of each group in each task.
    options : dict
        ``members``, ``noise`` (in standard deviations), ``epochs``, ``batch_size``, ``lr``, ``weight_decay``.
    seed : int

    Returns
    -------
    dict of tensor
        The state of the network.
    """
    torch.manual_seed(seed)
    members = options["members"]
    network = Perceptrons(inputs.shape[1], len(classes), members)
    x = torch.from_numpy(inputs)
    known = np.ma.masked_invalid(inputs)
    network.mean[:] = torch.from_numpy(known.mean(axis=0).filled(0))
    std = known.std(axis=0).filled(0)
    network.std[:] = torch.from_numpy(np.where(std > 0, std, 1))
    x = network.standardise(x)
    network.average[:] = x.mean(0)
    for layer, weight in enumerate(network.weights):
        last = layer == len(network.weights) - 1
        torch.nn.init.normal_(weight, std=0.05 if last else (2 / weight.shape[1]) ** 0.5)
    draws = torch.randint(len(x), (members, len(x)))
    times = torch.stack([torch.bincount(draw, minlength=len(x)) for draw in draws]).float()
    labels = torch.from_numpy(classes)[torch.from_numpy(groups)]
    optimizer = torch.optim.AdamW(
        [
            {"params": list(network.weights), "weight_decay": options["weight_decay"]},
            {"params": list(network.biases), "weight_decay": 0.0},
        ],
        lr=options["lr"],
    )
    average = torch.optim.swa_utils.AveragedModel(network)
    batches = round(len(x) / options["batch_size"])
    for epoch in range(options["epochs"]):
        order = torch.stack([torch.randperm(len(x)) for _ in range(members)])
        for batch in torch.tensor_split(order, batches, dim=1):
            seen = x[batch]
            answers = torch.log_softmax(network.each(seen + options["noise"] * torch.randn_like(seen)), 2)
            loss = _loss(answers, labels[batch], torch.from_numpy(classes)) * times.gather(1, batch)
            optimizer.zero_grad()
            # The mean over cases, and the sum over members, none of which touches another's weights.
            loss.mean(1).sum().backward()
            optimizer.step()
        if epoch >= options["epochs"] // 2:
            average.update_parameters(network)
    state = average.module.state_dict()
    # In half precision, as they are stored.
    return {name: value.half().float() if name.startswith("weights") else value for name, value in state.items()}


def _loss(answers, labels, classes):
    """Mean over the tasks of the cross-entropy, (members, batch), from log-probabilities (members, batch, groups)."""
    total = 0
    for task in range(classes.shape[1]):
        same = labels[..., task, None] == classes[:, task]
        total = total - torch.logsumexp(answers.masked_fill(~same, -torch.inf), 2)
    return total / classes.shape[1]
