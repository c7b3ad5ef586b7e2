"""Published checkpoints as models."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ..utils import atomic_files
from ..utils.csv_tables import read_text
from ..utils.errors import InputError
from ..utils.optional_imports import require
from ..utils.version import RESEARCH_USE_ONLY, __version__
from .card import OF_FEATURES, published_input
from .store import read_card, save_model

RELEASE = "release"
"""In place of a model: the features as the networks of the release saw them."""

RELEASE_FEATURES = Path(__file__).parent / "release_features.json"
"""Names, scaling and distribution of the features in the release's cohort, by ``Training/release_features.py``."""


def import_checkpoint(
    checkpoint: Path,
    out: Path,
    name: str | None = None,
    title: str | None = None,
    tasks: list[dict[str, Any]] | None = None,
    features_from: str = RELEASE,
) -> list[str]:
    """Make a model folder of a checkpoint that the paper's authors, or somebody with their program, trained.

    Parameters
    ----------
    checkpoint : Path
        See `release_checkpoint.read_checkpoint`. Its weights are stored as float32, whatever they were.
    out : Path
        Folder of the model: a new or an empty one.
    name, title : str, optional
        Of the model; by default the name of the folder and what the checkpoint turns out to be.
    tasks : list of dict, optional
        See `release_checkpoint.recognise`.
    features_from : str
        For a network that takes features, where their names, scaling and training distribution are from, which no
        checkpoint holds: `RELEASE`, as the networks of the release have them, or the name or path of a model.

    Returns
    -------
    list of str
        What was found in the checkpoint, and what was taken from elsewhere, in sentences.

    Raises
    ------
    InputError
        If the checkpoint is of no network of the paper, ``out`` is not empty, or ``features_from`` does not fit.
    """
    require("torch", "safetensors.torch")
    from .release_checkpoint import read_checkpoint

    _check_empty(out)
    config, weights, found = read_checkpoint(checkpoint, tasks)
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise InputError(f"The weights in {checkpoint.name} are not all finite numbers; get the checkpoint again.")
    said = [*found, f"Its {len(weights)} arrays of weights got the names that they have here, and are float32."]
    card = {
        "name": name or out.absolute().name,
        "title": title or found[0].split(";")[0].rstrip("."),
        "version": "1.0",
        "license": "that of the checkpoint, which does not state it",
        "intended_use": f"{RESEARCH_USE_ONLY} Imported from a checkpoint, which does not say what it was trained on, "
        "nor how well it did.",
        "tasks": config["tasks"],
        "network": config,
        "input": published_input(),
        "provenance": {
            "checkpoint": {"file": checkpoint.name, "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest()},
            "found": said,
            "software": {"covid-mtl": __version__},
        },
    }
    if config.get("features") is not None:
        given = _features(config["features"], features_from)
        whose = "those of the release's cohort" if features_from == RELEASE else f"those of the model {given['name']}"
        borrowed = (
            f"Names and scaling of its features are {whose}, since the checkpoint does not hold its own: if it was "
            "trained with others, its probabilities are wrong."
        )
        said.append(borrowed)
        card["intended_use"] += f" {borrowed}"
        card |= {key: given[key] for key in OF_FEATURES}
    elif features_from != RELEASE:
        said.append(f"The network takes no features, so that {features_from} was not needed.")
    with atomic_files.staged_folder(out) as folder:
        save_model(folder, card, weights)
    return said


def _check_empty(folder: Path) -> None:
    try:
        full = folder.is_dir() and any(folder.iterdir())
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be used: {error.strerror}; choose another one.") from error
    if full:
        raise InputError(f"The folder {folder} is not empty; give the name of a new one.")


def _features(count: int, source: str) -> dict[str, Any]:
    """What has names, scaling and distribution of so many features: the release's, or the card of a model."""
    card = json.loads(read_text(RELEASE_FEATURES)) if source == RELEASE else read_card(source)
    given = len(card.get("features", []))
    if given != count:
        whose = "the release" if source == RELEASE else f"the model {card['name']}"
        raise InputError(
            f"This network takes {count} features, and {whose} has {given}; name a model that has as many with "
            "--features-from."
        )
    return card
