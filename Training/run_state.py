"""Where a training run stands, so that it can go on exactly from there."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.writing import staged_file

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
            f"{folder} holds a run of another recipe or other cases; give the recipe that it was started with, or "
            "another folder."
        )
    return content


def fingerprint(
    recipe: Mapping[str, Any], cases: Mapping[str, Sequence[str]], start: Mapping[str, torch.Tensor] | None
) -> str:
    """What a run depends on, in short: the recipe, the cases, and the weights it starts from if they are given."""
    kept = {key: value for key, value in recipe.items() if key not in MAY_CHANGE}
    digest = hashlib.sha256(json.dumps([kept, dict(cases)], sort_keys=True).encode())
    for name, tensor in (start or {}).items():
        digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
