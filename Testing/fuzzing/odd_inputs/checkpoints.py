"""Odd and bad checkpoints to import as models."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch
from COVIDMTLLib.models.archive import WEIGHTS

from .damage import damage


class Evil:
    """A pickle of it would write a file when it is read."""

    def __init__(self, path: Path):
        self.path = str(path)

    def __reduce__(self):
        return os.system, (f"touch '{self.path}'",)


def imported(stock, folder, out, rng):
    """Files to import that are no checkpoint of the paper's networks, or that would execute something."""
    path = folder / "checkpoint.pt"
    evil = Evil(out / "executed")
    kinds = (
        lambda: torch.save({"state_dict": evil}, path),
        lambda: path.write_bytes(pickle.dumps(evil)),
        lambda: torch.save(evil, path),
        lambda: torch.save({"a": torch.zeros(3)}, path),
        lambda: torch.save([1, 2], path),
        lambda: torch.save({1: torch.zeros(3)}, path),
        lambda: torch.save({"x\x1b[2J": 1}, path),
        lambda: torch.save(
            {"classifier1_.1.weight": torch.zeros(3), "radioFNN.features.0.weight": torch.zeros(3)}, path
        ),
        lambda: torch.save({"fc.weight": torch.zeros(10**6, 1), "conv1.weight": torch.zeros(1)}, path),
        lambda: torch.save({"fc.weight": torch.zeros(()), "conv1.weight": torch.zeros(1)}, path),
        lambda: torch.save({"fc.weight": torch.zeros(3, 3).to_sparse(), "conv1.weight": torch.zeros(1)}, path),
        lambda: torch.save({f"classifier{n}_.1.weight": torch.zeros(32, 1) for n in range(1, 200)}, path),
        lambda: path.write_bytes(stock.checkpoint.read_bytes()),
        lambda: damage(Path(path.write_bytes(stock.checkpoint.read_bytes()) and path), rng),
        lambda: path.write_bytes((stock.model / WEIGHTS).read_bytes()),
        lambda: path.write_text("not a checkpoint"),
        lambda: os.mkfifo(path),
        lambda: None,
    )
    kinds[rng.integers(len(kinds))]()
    words = ["model", "import", str(path), "--out", str(out / "model")]
    if rng.random() < 0.3:
        tasks = folder / "tasks.json"
        odd = [
            "",
            "[]",
            "{}",
            "[1]",
            "[" * 10**5,
            '[{"name": 1}]',
            '[{"name": "a", "title": "b", "classes": ["c", "d"]}]',
        ]
        tasks.write_text(str(rng.choice(odd)))
        if rng.random() < 0.2:
            tasks.unlink()
            os.mkfifo(tasks)
        words += ["--tasks", str(tasks)]
    return words + (
        ["--features-from", str(rng.choice(["nothing", "features-mtl", "/dev/zero"]))] if rng.random() < 0.2 else []
    )
