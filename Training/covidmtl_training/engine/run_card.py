"""The model card of a network that a run trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from COVIDMTLLib import RESEARCH_USE_ONLY, __version__
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models import out_of_distribution
from COVIDMTLLib.models.store import save_model
from COVIDMTLLib.utils.atomic_files import staged_folder
from torch import nn

from ..data.store import Store
from ..recipes.recipe import network_config, sees_volume
from .splits import Rows


class Trained(NamedTuple):
    """A network, and what its model card says of where it comes from.

    Attributes
    ----------
    network : CovidMTLNet or FeaturesMTL
    scaling : dict or None
        Of the features, if it takes them.
    source : dict or None
        The model that it was transferred from.
    """

    network: nn.Module
    scaling: dict[str, Any] | None = None
    source: dict[str, Any] | None = None


def export(
    folder: Path, trained: Trained, recipe: dict[str, Any], store: Store, rows: Rows, row: dict[str, float]
) -> None:
    """Write a network as a model folder that the main job and the panel take.

    Parameters
    ----------
    folder : Path
    trained : Trained
    recipe : dict
    store : Store
    rows : Rows
        What it was trained on.
    row : dict
        Of the log: how it did after the epoch that it is of.
    """
    network, scaling, source = trained
    config = network_config(recipe)
    measures = {name: row[name] for name in row if name.startswith(("validation", "test")) and np.isfinite(row[name])}
    card = {
        "name": folder.parent.absolute().name,
        "title": _title(config),
        "version": "1.0",
        "license": "that of the data it was trained on",
        "intended_use": (
            f"{RESEARCH_USE_ONLY} Trained on {len(rows.train)} cases of {store.folder.absolute().name}; what it says "
            "of any others is unknown."
        ),
        "tasks": config["tasks"],
        "network": config,
        **({"input": recipe["input"]} if sees_volume(recipe) else {}),
        "training": {
            "training_cases": len(rows.train),
            "validation_cases": len(rows.validation),
            "epoch": int(row["epoch"]),
            "measures": measures,
        },
        "provenance": {
            "script": f"Training/{'train' if source is None else 'transfer'}.py",
            **({} if source is None else {"transferred_from": source}),
            "recipe": recipe,
            "software": {"covid-mtl": __version__, "numpy": np.__version__, "torch": str(torch.__version__)},
        },
    }
    if scaling is not None:
        card |= {
            "features": list(FEATURE_NAMES),
            "scaling": scaling,
            "training_distribution": out_of_distribution.describe(store.features[rows.train]),
        }
    with staged_folder(folder) as staged:
        save_model(staged, card, network)


def _title(config: dict[str, Any]) -> str:
    tasks = ", ".join(one["name"] for one in [*config["tasks"], *config.get("regression", [])])
    if config["architecture"] == "features-mtl":
        return f"COVID-MTL on features: {tasks}"
    given = "volume and features" if config.get("features") else "volume"
    shift = " with Shift2D" if config["backbone"] == "squeezenet2d" else " with Shift3D"
    return f"{config['backbone']}{shift if config.get('shift') else ''} on {given}: {tasks}"
