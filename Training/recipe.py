"""Recipes: how networks on volumes are trained. ``covid_mtl.yaml`` is the paper's; others say what they change."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from COVIDMTLLib.checkpoints import TASKS
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.feature_names import FEATURE_NAMES
from COVIDMTLLib.losses import make_loss
from COVIDMTLLib.networks import build_network
from COVIDMTLLib.scaling import make_scaling

PAPER = Path(__file__).parent / "covid_mtl.yaml"

TASK_NAMES = [task["name"] for task in TASKS]

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")

OPEN = ("loss", "shift", "head", "scaling")
"""Parts whose keys depend on what they describe; what they describe checks them."""

LIMITS = {
    "noise": (0, 1),
    "turn": (0, 1),
    "flip": (0, 1),
    "validation_share": (0, 0.9),
    "noise_std": (0, 1e6),
    "seed": (0, 2**31),
    "workers": (0, 1000),
    "checkpoint_steps": (1, 10**9),
    "momentum": (0, 1),
    "norm_momentum": (0.001, 1),
    "weight_decay": (0, 1e6),
    "lr_min": (0, 1e6),
}
"""Least and largest values of numbers; any other has to be above 0, but for ``mean``."""


def read_recipe(path: str | Path = PAPER, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a recipe.

    Parameters
    ----------
    path : path
        YAML; what it leaves out is as in ``covid_mtl.yaml``.
    overrides : sequence of str
        Changes such as ``epochs=10`` or ``network.shift=null``.

    Returns
    -------
    dict
        Every key of ``covid_mtl.yaml``.

    Raises
    ------
    InputError
        If the file cannot be read, or a key or value is none that a recipe can have.
    """
    recipe = _read(PAPER)
    _change(recipe, _read(Path(path)))
    for one in overrides:
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise InputError(f"The change {one} is not of the form KEY=VALUE, such as epochs=10.")
        for part in reversed(key.split(".")):
            value = {part: _parse(value) if isinstance(value, str) else value}
        _change(recipe, value)
    check_recipe(recipe)
    return recipe


def check_recipe(recipe: dict[str, Any]) -> None:
    """Raise `InputError` unless a recipe is whole and consistent; see `read_recipe`."""
    tasks = recipe["tasks"]
    if not isinstance(tasks, list) or not tasks or any(task not in TASK_NAMES for task in tasks):
        raise InputError(f"tasks of a recipe is a list of any of {', '.join(TASK_NAMES)}, and {tasks} is none.")
    network_config(recipe)
    make_network(recipe)
    loss_of(recipe)
    make_scaling(np.zeros((1, 1)), **{"name": None} | recipe["scaling"])
    size, box, step = recipe["input"]["size"], recipe["input"]["box"], recipe["crops"]["step"]
    for first in (recipe["input"]["start"], recipe["crops"]["first"], recipe["crops"]["last"]):
        if any(start < 0 or start + n > outer for start, n, outer in zip(first, size, box, strict=True)):
            raise InputError(f"A crop of {size} voxels from {first} leaves the box of {box}; change one of them.")
    starts = zip(recipe["crops"]["first"], recipe["crops"]["last"], strict=True)
    if any(last < first or (last - first) % step for first, last in starts):
        raise InputError("Crops start from first to last in steps, and these do not meet last; change crops.")
    if recipe["augmentation"]["turn"] and size[1] != size[2]:
        raise InputError("Quarter turns need crops as high as wide; change input.size, or set augmentation.turn=0.")
    if recipe["batch_size"] < recipe["micro_batch_size"]:
        raise InputError("micro_batch_size is more than batch_size; it is the part of a batch that is held at a time.")
    if recipe["precision"] not in PRECISIONS:
        raise InputError(f"There is no precision {recipe['precision']}; choose one of {', '.join(PRECISIONS)}.")


def tasks_of(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """The tasks of a recipe, as model cards have them."""
    return [TASKS[TASK_NAMES.index(name)] for name in recipe["tasks"]]


def network_config(recipe: dict[str, Any]) -> dict[str, Any]:
    """What `networks.build_network` takes."""
    given = recipe["network"]
    config = {"architecture": given["architecture"], "backbone": given["backbone"], "tasks": tasks_of(recipe)}
    if given["shift"] is not None:
        config["shift"] = given["shift"]
    if given["architecture"] == "covid-mtl":
        config["head"] = given["head"]
        if given["features"]:
            config["features"] = len(FEATURE_NAMES)
    elif given["architecture"] != "single-task":
        raise InputError("A recipe is for a network on volumes; its network.architecture is covid-mtl or single-task.")
    elif given["features"]:
        raise InputError("A network single-task sees no features; set network.features=false, or choose covid-mtl.")
    return config


def make_network(recipe: dict[str, Any]):
    """The network of a recipe, its weights as PyTorch starts them, which can take the recipe's crops."""
    network = build_network(network_config(recipe))
    try:
        network.backbone.check((1, 1, *recipe["input"]["size"]))
    except ValueError as error:
        raise InputError(f"The network cannot take crops of this size: {error}") from error
    return network


def loss_of(recipe: dict[str, Any]):
    """The loss of a recipe."""
    options = dict(recipe["loss"])
    return make_loss(options.pop("name", None), len(recipe["tasks"]), **options)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} is no YAML; start from {PAPER.name}.") from error
    if not isinstance(found, dict):
        raise InputError(f"The recipe {path} holds no settings by name; start from {PAPER.name}.")
    return found


def _parse(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(f"The value {text} is no YAML; give a number, a name or a list.") from error


def _change(recipe: dict[str, Any], changes: dict[str, Any], under: str = "") -> None:
    """Change a recipe in place, each value to one of its kind."""
    for key, new in changes.items():
        name = f"{under}{key}"
        if key not in recipe:
            raise InputError(f"A recipe has no {name}; {PAPER.name} has all there is.")
        old = recipe[key]
        if key in OPEN:
            if not (isinstance(new, dict) or (new is None and key == "shift")):
                raise InputError(f"{name} of a recipe is a list of settings by name, and {new!r} is not.")
            whole = not (old and new) or "name" in new
            recipe[key] = new if whole else old | new
        elif isinstance(old, dict):
            if not isinstance(new, dict):
                raise InputError(f"{name} of a recipe has settings by name; change one of them, such as {name}.X=1.")
            _change(old, new, f"{name}.")
        else:
            _check_kind(name, key, old, new)
            recipe[key] = float(new) if isinstance(old, float) else new


def _check_kind(name: str, key: str, old: Any, new: Any) -> None:
    if isinstance(old, list) and key != "tasks":
        fits = isinstance(new, list) and len(new) == len(old) and all(type(one) is int and one >= 0 for one in new)
    elif isinstance(old, bool) or isinstance(old, str):
        fits = type(new) is type(old)
    elif isinstance(old, (int, float)):
        least, most = LIMITS.get(key, (None, None))
        fits = type(new) is int or (isinstance(old, float) or key == "clip") and isinstance(new, float)
        fits = fits and (least <= new <= most if least is not None else key == "mean" or new > 0)
    else:
        fits = isinstance(new, list)
    if not fits:
        raise InputError(f"{name} of a recipe cannot be {new!r}; {PAPER.name} has {old!r}.")
