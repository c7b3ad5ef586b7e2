"""The log of a training run: CSV, TensorBoard, and lines on the screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from COVIDMTLLib.utils.atomic_files import staged_file
from torch.utils.tensorboard import SummaryWriter

FILE = "log.csv"


def write_log(folder: Path, log: Sequence[dict[str, float]]) -> None:
    """Write ``log.csv`` anew, a row for each epoch: whole at any moment, and no epoch twice in a run that went on."""
    with staged_file(folder / FILE) as path:
        pd.DataFrame(log).to_csv(path, index=False)


def to_tensorboard(writer: SummaryWriter, row: dict[str, float]) -> None:
    """Add a row of the log; ``test_auc_severity`` stands under ``test`` there."""
    for name, value in row.items():
        if name not in ("epoch", "step") and not math.isnan(value):
            group = next((part for part in ("validation", "test") if name.startswith(f"{part}_")), "train")
            writer.add_scalar(f"{group}/{name.removeprefix(f'{group}_')}", value, int(row["epoch"]))
    writer.flush()


def line(row: dict[str, float], epochs: int) -> str:
    """A row of the log to read on the screen."""
    parts = [f"epoch {row['epoch']:.0f}/{epochs}", f"{row['seconds']:.0f} s", f"loss {row['loss']:.3f}"]
    for group in ("validation", "test"):
        if f"{group}_loss" in row:
            aucs = [value for name, value in row.items() if name.startswith(f"{group}_auc_")]
            parts.append(f"{group} loss {row[f'{group}_loss']:.3f}, AUC {' '.join(f'{one:.3f}' for one in aucs)}")
    return "   ".join(parts)
