"""Draw how each multitask loss learns a toy problem of one easy and one hard task.

    python Testing/benchmarks/loss_curves.py --out FOLDER

Both tasks share a small network. The easy one asks for the sign of one of 20 inputs, the hard one whether two
others have the same sign, which no linear network can tell. One label in twenty is wrong, and every batch has
new cases. Writes loss_curves.svg and loss_curves.png: the cross-entropy of either task on cases not trained on,
mean and standard deviation over the seeds, and the least that the wrong labels allow.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from COVIDMTLLib.networks.losses import LOSSES, make_loss
from torch import nn
from torch.nn import functional

TASKS = ("easy task", "hard task")
INPUTS, WIDTH = 20, 64
UNSEEN, BATCH, BATCHES = 2000, 50, 40
WRONG = 0.05
LINES = {
    "random-weighted": ("#c1272d", "-"),
    "two-task": ("#e69f00", "--"),
    "uncertainty": ("#0072b2", "-"),
    "mean": ("#222222", "-."),
}


class Network(nn.Module):
    """Two layers that the tasks share, and a linear head for each."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Sequential(nn.Linear(INPUTS, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())
        self.heads = nn.ModuleList(nn.Linear(WIDTH, 2) for _ in TASKS)

    def forward(self, x):
        shared = self.shared(x)
        return [head(shared) for head in self.heads]


def toy_cases(count):
    """Inputs (count, INPUTS) and labels (count, 2): easy, hard."""
    x = torch.randn(count, INPUTS)
    labels = torch.stack([x[:, 0] > 0, x[:, 1] * x[:, 2] > 0], dim=1)
    return x, (labels ^ (torch.rand(labels.shape) < WRONG)).long()


def learn(name, seed, rounds):
    """Train with a loss; cross-entropy and accuracy (rounds, tasks) on cases not trained on.

    With the same seed all losses see the same cases in the same order, from the same start.
    """
    torch.manual_seed(seed)
    unseen, expected = toy_cases(UNSEEN)
    network = Network()
    loss = make_loss(name, len(TASKS), **({"seed": seed} if name in ("random-weighted", "two-task") else {}))
    optimiser = torch.optim.SGD([*network.parameters(), *loss.parameters()], 0.02, 0.9, nesterov=True)
    entropies, accuracies = np.zeros((2, rounds, len(TASKS)))
    for number in range(rounds):
        for _ in range(BATCHES):
            x, labels = toy_cases(BATCH)
            optimiser.zero_grad()
            loss(network(x), labels).backward()
            optimiser.step()
        with torch.inference_mode():
            for task, logits in enumerate(network(unseen)):
                entropies[number, task] = functional.cross_entropy(logits, expected[:, task])
                accuracies[number, task] = (logits.argmax(dim=1) == expected[:, task]).float().mean()
    return entropies, accuracies


def draw(curves):
    """A figure of the entropies {loss: (seeds, rounds, tasks)}, one panel a task."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.2), layout="constrained")
    least = -WRONG * np.log(WRONG) - (1 - WRONG) * np.log(1 - WRONG)
    for task, (panel, title) in enumerate(zip(figure.subplots(1, len(TASKS), sharey=True), TASKS, strict=True)):
        for name, values in curves.items():
            mean, deviation = values[..., task].mean(axis=0), values[..., task].std(axis=0)
            batches = BATCHES * np.arange(1, len(mean) + 1)
            colour, style = LINES[name]
            panel.plot(batches, mean, style, color=colour, label=name)
            panel.fill_between(batches, mean - deviation, mean + deviation, color=colour, alpha=0.12, lw=0)
        panel.axhline(least, color="0.6", lw=1, ls=":", label="least possible")
        panel.set(title=title, xlabel="batches", xlim=(BATCHES, batches[-1]), ylim=(0.15, 0.75))
        panel.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("cross-entropy on unseen cases")
    figure.axes[0].legend(frameon=False)
    return figure


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=30, help=f"of {BATCHES} batches each")
    options = parser.parse_args()
    curves = {}
    for name in LOSSES:
        runs = [learn(name, seed, options.rounds) for seed in range(options.seeds)]
        curves[name] = np.array([entropies for entropies, _ in runs])
        easy, hard = np.mean([accuracies[-1] for _, accuracies in runs], axis=0)
        print(f"{name:<16} accuracy at the end: easy {easy:.3f}, hard {hard:.3f}", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    figure = draw(curves)
    for kind in ("svg", "png"):
        figure.savefig(options.out / f"loss_curves.{kind}", dpi=150)


if __name__ == "__main__":
    main()
