"""The subcommands of ``covid-mtl model``."""

from __future__ import annotations

import argparse
import json
from math import isfinite, prod
from pathlib import Path
from typing import Any

import numpy as np

from ..architectures.config import weights_wanted
from ..models.card import network_config, takes_features, takes_patient, takes_volume
from ..models.checkpoint_import import RELEASE, import_checkpoint
from ..models.out_of_distribution import QUANTILES
from ..models.store import load_model, load_network, read_card, shipped_models
from ..utils.csv_tables import read_text
from ..utils.errors import InputError
from ..utils.text import printable
from ..utils.version import RESEARCH_USE_ONLY
from . import console
from .options import add_end_with_input

LONGEST_LIST = 20
"""Values beyond which a list is left out where a card is shown."""


def list_models(options: argparse.Namespace) -> None:
    """The shipped models."""
    cards = [read_card(name) for name in shipped_models()]
    if options.json:
        models = [
            {key: card.get(key) for key in ("name", "version", "title")}
            | {"tasks": [task["name"] for task in card["tasks"]], "test_auc": _test_auc(card)}
            for card in cards
        ]
        print(json.dumps({"research_use_only": RESEARCH_USE_ONLY, "models": models}, indent=2))
        return
    for card in cards:
        _say(f"{card['name']} {card['version']}: {card.get('title', '')}", *_tasks(card))
    _say(RESEARCH_USE_ONLY)


def show_model(options: argparse.Namespace) -> None:
    """The card of a model."""
    card = read_card(options.model)
    if options.json:
        print(json.dumps({"research_use_only": RESEARCH_USE_ONLY} | _without_long_lists(card), indent=2))
        return
    _say(f"{card['name']} {card['version']}: {card.get('title', '')}")
    if "intended_use" in card:
        _say(card["intended_use"])
    config = card.get("network", {"architecture": card.get("architecture")})
    for row in card.get("unseen", ()):
        auc = ", ".join(
            f"{task['name']} {one['auc']:.3f} ({one['auc_low']:.3f} to {one['auc_high']:.3f})"
            for task in card["tasks"]
            if (one := row["auc"].get(task["name"]))
        )
        _say(f"AUC at a hospital that was not in the training ({row['where']}, {row['cases']} patients): {auc}")
    parts = [str(config[key]) for key in ("architecture", "backbone") if config.get(key)]
    _say(f"Network: {', '.join(parts)}", f"Takes: {_inputs(card)}", "Tasks:", *_tasks(card))
    _say(f"Weights: SHA-256 {card['weights']['sha256']}", RESEARCH_USE_ONLY)


def check_model(options: argparse.Namespace) -> None:
    """Load a model and run it once, on an average case or an empty volume."""
    model = load_model(options.model, "cpu")
    card = model.card
    features = None
    if model.takes_features:
        medians = [of_one[QUANTILES.index(0.5)] for of_one in card["training_distribution"]["values"]]
        features = dict(zip(model.features, medians, strict=True))
    model.predict(features, np.zeros(card["input"]["size"], np.float32) if model.takes_volume else None)
    if model.takes_volume:
        parameters = sum(tensor.numel() for tensor in load_network(options.model)[1].parameters())
    else:  # trees and the cases of a kernel, which are no parameters to PyTorch, count
        parameters = sum(prod(shape) for shape, _kind in weights_wanted(network_config(card)).values())
    _say(f"OK: {card['name']} {card['version']}, {parameters:,} parameters", f"Takes: {_inputs(card)}", "Tasks:")
    _say(*_tasks(card), RESEARCH_USE_ONLY)


def import_model(options: argparse.Namespace) -> None:
    """Make a model folder of a published checkpoint."""
    with console.progress(options.progress) as progress:
        progress("import", 0.0, "Importing the checkpoint")
        said = _import_checkpoint(options)
        progress("done", 1.0, "Done")
    if options.progress != "json":
        _say(*said, f"Model: {options.out}", "Tasks:", *_tasks(read_card(options.out)), RESEARCH_USE_ONLY)


def _import_checkpoint(options: argparse.Namespace) -> list[str]:
    tasks = None
    if options.tasks is not None:
        try:
            tasks = json.loads(read_text(options.tasks))
        except InputError:
            raise
        except (ValueError, RecursionError) as error:
            raise InputError(f"The tasks in {options.tasks} cannot be read as JSON; correct the file.") from error
        if not isinstance(tasks, list):
            raise InputError(f'The tasks in {options.tasks} have to be a list of {{"name", "title", "classes"}}.')
    return import_checkpoint(options.checkpoint, options.out, options.name, options.title, tasks, options.features_from)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON")


def _model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="NAME|PATH", help="shipped model, model folder or zip of one")


def _model_json(parser: argparse.ArgumentParser) -> None:
    _model(parser)
    _json(parser)


def _import(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help="state dict that PyTorch saved")
    parser.add_argument("--out", type=Path, metavar="FOLDER", required=True, help="folder for the model; a new one")
    parser.add_argument("--name", metavar="TEXT", help="of the model (default: the name of the folder)")
    parser.add_argument("--title", metavar="TEXT", help="of the model (default: what the checkpoint turns out to be)")
    parser.add_argument(
        "--tasks",
        type=Path,
        metavar="FILE",
        help='JSON list of {"name", "title", "classes"}, in the order of the network, if they are not the paper\'s; a '
        "checkpoint does not hold them",
    )
    parser.add_argument(
        "--features-from",
        metavar="MODEL",
        default=RELEASE,
        help="for a network that takes features, whose names and scaling a checkpoint does not hold: release, as the "
        "paper's authors scaled them, or the model whose it is to have (default: release)",
    )
    parser.add_argument(
        "--progress",
        default="none",
        choices=("json", "none"),
        help="a JSON line on standard output at the start and at the end, in place of what was found (default: none)",
    )
    add_end_with_input(parser)


COMMANDS = {
    "list": (list_models, "list the shipped models", _json),
    "show": (show_model, "show what is known about a model", _model_json),
    "check": (check_model, "load a model, run it once and say whether it is whole", _model),
    "import": (import_model, "make a model folder of a published checkpoint", _import),
}
"""For each subcommand its function, what it does, and what adds its options to a parser."""


def _say(*lines: str) -> None:
    """Print lines, without the control characters that a stranger's card may hold for the terminal."""
    for line in lines:
        print(printable(line))


def _tasks(card: dict[str, Any]) -> list[str]:
    auc, where = _test_auc(card), "AUC, cross-validated there," if "site" in card else "AUC at home"
    return [
        f"  {task['name']}: {task['title']} ({', '.join(task['classes'])})"
        + (f", {where} {auc[task['name']]:.3f}" if task["name"] in auc else "")
        for task in card["tasks"]
    ] + [
        f"  {one['name']}: {one['title']} (a value{' in ' + one['unit'] if one['unit'] else ''})"
        for one in card.get("network", {}).get("regression", [])
    ]


def _test_auc(card: dict[str, Any]) -> dict[str, float]:
    """The areas under the curves on the test cases, by task, as far as the card has them."""
    given = card.get("metrics")
    metrics = given if isinstance(given, dict) else {}
    found = {task["name"]: metrics.get(task["name"]) for task in card["tasks"]}
    auc = {name: one.get("auc") for name, one in found.items() if isinstance(one, dict)}
    return {name: value for name, value in auc.items() if isinstance(value, float)}


def _inputs(card: dict[str, Any]) -> str:
    inputs = []
    if takes_volume(card):
        inputs.append(f"a lung volume of {' x '.join(map(str, card['input']['size']))} voxels (z, y, x)")
    if takes_features(card):
        inputs.append(f"{len(card['features'])} features")
    if takes_patient(card):
        labs = len(card["patient_values"]) - 2
        inputs.append("if known age, sex" + (f", any of {labs} laboratory values" if labs else ""))
    return " and ".join(inputs)


def _without_long_lists(value: Any) -> Any:
    if isinstance(value, float) and not isfinite(value):
        return None  # JSON has none such
    if isinstance(value, dict):
        return {
            key: _without_long_lists(one)
            for key, one in value.items()
            if not (isinstance(one, list) and len(one) > LONGEST_LIST)
        }
    return [_without_long_lists(one) for one in value] if isinstance(value, list) else value
