"""Transfer a trained network to other tasks (section 5.4): new heads on layers that stay as they are.

    python Training/transfer.py RUN/last STORE --out RUN2 --tasks severity

The heads are trained for 50 more epochs by the recipe that the model was trained by, with Shift3D going on as before;
``--set network.shift=null`` is for Fig. 10 without it. A model that does not say its recipe is trained by the paper's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.volume import WORKING_SPACING
from COVIDMTLLib.models.card import takes_features, takes_volume
from COVIDMTLLib.models.feature_scaling import scaling_options
from COVIDMTLLib.models.store import load_network
from COVIDMTLLib.networks.transfer import transfer as with_new_heads
from COVIDMTLLib.utils.errors import InputError

from ..data.store import open_store
from ..recipes.recipe import PAPER, make_network, read_recipe, tasks_of
from ..recipes.tasks import PAPER as PAPER_TASKS
from .fit import Run, fit
from .run_card import Trained

EPOCHS = 50
"""Of the new heads (section 5.4)."""


def transfer(
    model: str | Path,
    store: str | Path,
    out: Path,
    tasks: Sequence[str],
    config: str | Path | None = None,
    overrides: Sequence[str] = (),
    device: str = "auto",
) -> Run:
    """Train a model's network for other tasks, or go on with such a run that was stopped.

    Parameters
    ----------
    model : str or path
        As `store.load_model` takes it, with a network on volumes.
    store : path
        Of cases in the box and spacing of the model.
    out : Path
        Folder of the run; see `fit.fit`.
    tasks : sequence of str
        Names of the new tasks.
    config : path, optional
        A recipe in place of the model's own.
    overrides : sequence of str
        Changes of the recipe; see `recipe.read_recipe`.
    device : str
        See `fit.fit`.

    Raises
    ------
    InputError
        If the model has no network on volumes or takes other features than those of a store, or as
        `transfer_recipe` and `fit.fit` do.
    """
    card, network = load_network(model)
    if not takes_volume(card):
        raise InputError(f"Model {card['name']} sees no volume; transfer takes a network on volumes, such as RUN/last.")
    if takes_features(card) and card["features"] != list(FEATURE_NAMES):
        raise InputError(f"Model {card['name']} takes other features, or in another order, than a store has.")
    recipe = transfer_recipe(card, tasks, config, overrides)
    torch.manual_seed(recipe["seed"])
    network = with_new_heads(network, [len(task.classes) or 1 for task in tasks_of(recipe)])
    network.backbone.shift = make_network(recipe).backbone.shift
    source = {"name": card["name"], "weights": card["weights"]["sha256"]}
    return fit(open_store(store), recipe, out, start=Trained(network, card.get("scaling"), source), device=device)


def transfer_recipe(
    card: dict[str, Any], tasks: Sequence[str], config: str | Path | None = None, overrides: Sequence[str] = ()
) -> dict[str, Any]:
    """The recipe of a transfer: input, scaling and shared layers are the model's, whatever else may change.

    Parameters
    ----------
    card : dict
        Of the model.
    tasks, config, overrides
        See `transfer`.

    Raises
    ------
    InputError
        If ``config`` or a change is none that a recipe can have, or changes what is the model's.
    """
    network = {
        "architecture": "covid-mtl",
        "backbone": card["network"]["backbone"],
        "features": takes_features(card),
        "head": read_recipe()["network"]["head"],
    }
    if card["network"].get("shift") is not None:
        network["shift"] = card["network"]["shift"]
    kept = {"tasks": list(tasks), "network": network, "input": {"spacing": WORKING_SPACING} | card["input"]}
    if takes_features(card):
        kept["scaling"] = scaling_options(card["scaling"])
    changes = (_recipe_of(card) if config is None else {}) | {"epochs": EPOCHS} | kept
    own = [f"{key}={yaml.safe_dump(value, default_flow_style=True)}" for key, value in changes.items()]
    expected = read_recipe(config or PAPER, own)
    recipe = read_recipe(config or PAPER, [*own, *overrides])
    expected["network"]["shift"] = recipe["network"]["shift"]
    changed = [key for key in kept if recipe[key] != expected[key]]
    if changed:
        raise InputError(f"A transfer keeps {changed[0]} of the model, all but network.shift; leave it out of --set.")
    return recipe


def _recipe_of(card):
    """What the card of a run's model says it was trained by; the loss may be one for another number of tasks."""
    provenance = card.get("provenance")
    recipe = provenance.get("recipe") if isinstance(provenance, dict) else None
    return {key: value for key, value in recipe.items() if key != "loss"} if isinstance(recipe, dict) else {}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="folder of a trained model, such as RUN/last")
    parser.add_argument("store", type=Path, help="prepared cases (see prepare.py)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the new run")
    parser.add_argument("--tasks", nargs="+", required=True, choices=list(PAPER_TASKS), help="new tasks")
    parser.add_argument("--config", type=Path, help="a recipe in place of the model's own, but for its epochs")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the recipe")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    given = options.model, options.store, options.out, options.tasks, options.config, options.set, options.device
    try:
        transfer(*given)
    except InputError as error:
        print(f"transfer: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("transfer: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0
