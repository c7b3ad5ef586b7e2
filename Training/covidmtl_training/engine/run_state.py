"""Where a training run stands, so that it can go on exactly from there."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from COVIDMTLLib.utils.atomic_files import staged_file
from COVIDMTLLib.utils.errors import InputError

from ..data.store import Store
from ..recipes.recipe import sees_features, tasks_of
from ..recipes.tasks import Task
from .splits import Rows

FILE = "checkpoint.pt"

MAY_CHANGE = ("workers", "checkpoint_steps", "checkpointing", "compile")
"""What of a recipe may be another when a run goes on: it changes nothing, or nothing but the rounding."""


def save(folder: Path, content: Mapping[str, Any]) -> None:
    """Save the state of a run: numbers, text and tensors by name. The file is whole at any moment."""
    with staged_file(folder / FILE) as path:
        torch.save(dict(content), path)


def load(folder: Path, fingerprint: str) -> dict[str, Any] | None:
    """The state of the run in a folder, or None if there is none yet.

    Raises
    ------
    InputError
        If it is of something else than the fingerprint says, or damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(f"{path} is damaged; remove it to train from the start.") from error
    if not isinstance(content, dict) or content.get("fingerprint") != fingerprint:
        raise InputError(
            f"{folder} holds a run of another recipe or other cases (or labels, features or CTs of them); give what it "
            "was started with, or another folder."
        )
    return content


def fingerprint(recipe: Mapping[str, Any], store: Store, rows: Rows, start: Mapping[str, torch.Tensor] | None) -> str:
    """What a run depends on, in short: the recipe, the cases, and the weights it starts from if they are given."""
    kept = {key: value for key, value in recipe.items() if key not in MAY_CHANGE}
    seen = tasks_of(recipe), sees_features(recipe)
    cases = [known_of(store, of_split, *seen) for of_split in (rows.train, rows.validation, rows.test)]
    digest = hashlib.sha256(json.dumps([kept, cases], sort_keys=True).encode())
    for name, tensor in (start or {}).items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def known_of(store: Store, rows: Sequence[int], tasks: Sequence[Task], features: bool) -> str:
    """Cases of a store in short: names, what their volumes are made of, labels of tasks, and features if they count."""
    labels = store.targets(tasks)[rows]
    digest = hashlib.sha256(json.dumps([[store.cases[row], store.source(row)] for row in rows]).encode())
    for values in (labels, store.features[rows]) if features else (labels,):
        digest.update(values.tobytes())
    return digest.hexdigest()
