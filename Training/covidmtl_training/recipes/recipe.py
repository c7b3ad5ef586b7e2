"""Recipes: how networks are trained. ``covid_mtl.yaml`` is the paper's; others say what they change.

PyTorch is imported once a recipe is known to be of the right form, so that typing errors are told at once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.feature_scaling import make_scaling
from COVIDMTLLib.utils.errors import InputError

from .tasks import Task, read_tasks

PAPER = Path(__file__).parents[2] / "recipes" / "covid_mtl.yaml"

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed")

OPEN = ("loss", "shift", "head", "scaling", "optimizer", "schedule", "values")
"""Parts whose keys depend on what they describe; what they describe checks them."""

CHANCES = ("noise", "turn", "flip", "flip_rows", "zoom", "smooth", "stripes")

LIMITS = {
    **dict.fromkeys(CHANCES, (0, 1)),
    "validation_share": (0, 0.9),
    "noise_std": (0, 1e6),
    "seed": (0, 2**31),
    "workers": (0, 1000),
    "checkpoint_steps": (1, 10**9),
    "norm_momentum": (0.001, 1),
    "ema": (0, 0.99999),
}
"""Least and largest values of numbers; any other has to be above 0."""

UNDER, OVER = (20, 50, 50), (30, 10, 10)
"""How far before and beyond the crop of the test (z, y, x) crops start in training, as far as the box goes."""


class _Loader(yaml.SafeLoader):
    """YAML 1.2's numbers: 1e-3 is one, too."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


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
        Every key of ``covid_mtl.yaml``. A crop of another size, or in another box, whose place is not given lies in the
        middle, and crops of the training around it.

    Raises
    ------
    InputError
        If the file cannot be read, or a key or value is none that a recipe can have.
    """
    recipe = _read(PAPER)
    if Path(path) != PAPER:
        _change_all(recipe, [_read(Path(path))])
    changes = []
    for one in overrides:
        key, equals, value = one.partition("=")
        if not (key and equals):
            raise InputError(f"The change {one} is not of the form KEY=VALUE, such as epochs=10.")
        for part in reversed(key.split(".")):
            value = {part: _parse(value) if isinstance(value, str) else value}
        changes.append(value)
    _change_all(recipe, changes)
    recipe["micro_batch_size"] = min(recipe["micro_batch_size"], recipe["batch_size"])
    check_recipe(recipe)
    return recipe


def _change_all(recipe: dict[str, Any], changes: Sequence[dict[str, Any]]) -> None:
    """Change a recipe in place, and with it the place of crops that the changes give a size and no place."""
    for one in changes:
        _change(recipe, one)
    of_input, of_crops = ({key for one in changes for key in one.get(part) or ()} for part in ("input", "crops"))
    _place(recipe, of_input, of_crops)


def _place(recipe: dict[str, Any], of_input: set[str], of_crops: set[str]) -> None:
    """Put crops whose size is given, and whose place is not, into the middle of the box."""
    given, crops = recipe["input"], recipe["crops"]
    room = [box - size for box, size in zip(given["box"], given["size"], strict=True)]
    if not {"size", "box"} & of_input or min(room) < 0:
        return
    if "start" not in of_input:
        given["start"] = [one // 2 for one in room]
    if not {"first", "last"} & of_crops:
        crops["first"] = [max(0, start - under) for start, under in zip(given["start"], UNDER, strict=True)]
        last = [min(most, start + over) for most, start, over in zip(room, given["start"], OVER, strict=True)]
        steps = [(b - a) // crops["step"] for a, b in zip(crops["first"], last, strict=True)]
        crops["last"] = [a + crops["step"] * n for a, n in zip(crops["first"], steps, strict=True)]


def check_recipe(recipe: dict[str, Any]) -> None:
    """Raise `InputError` unless a recipe is whole and consistent; see `read_recipe`."""
    tasks_of(recipe)
    make_scaling(np.zeros((1, 1)), **{"name": None} | recipe["scaling"])
    if recipe["precision"] not in PRECISIONS:
        raise InputError(f"There is no precision {recipe['precision']}; choose one of {', '.join(PRECISIONS)}.")
    if sees_volume(recipe):
        _check_crops(recipe)
    network_config(recipe)
    import torch

    with torch.device("meta"):  # no memory and no time for weights
        make_network(recipe)
    loss_of(recipe)
    _check_steps(recipe)


def _check_steps(recipe: dict[str, Any]) -> None:
    import torch

    from .registers import optimizer_of, schedule_of

    options, schedule = dict(recipe["optimizer"]), dict(recipe["schedule"])
    optimizer = optimizer_of(options.pop("name", None), [torch.nn.Parameter(torch.zeros(1))], **options)
    schedule_of(schedule.pop("name", None), optimizer, recipe["epochs"], **schedule)


def _check_crops(recipe: dict[str, Any]) -> None:
    size, box, step = recipe["input"]["size"], recipe["input"]["box"], recipe["crops"]["step"]
    for first in (recipe["input"]["start"], recipe["crops"]["first"], recipe["crops"]["last"]):
        if any(start < 0 or start + n > outer for start, n, outer in zip(first, size, box, strict=True)):
            raise InputError(f"A crop of {size} voxels from {first} leaves the box of {box}; change one of them.")
    starts = zip(recipe["crops"]["first"], recipe["crops"]["last"], strict=True)
    if any(last < first or (last - first) % step for first, last in starts):
        raise InputError("Crops start from first to last in steps, and these do not meet last; change crops.")
    if recipe["augmentation"]["turn"] and size[1] != size[2]:
        raise InputError("Quarter turns need crops as high as wide; change input.size, or set augmentation.turn=0.")


def tasks_of(recipe: dict[str, Any]) -> list[Task]:
    """The tasks of a recipe, classifications first, in the order of the network's heads."""
    return read_tasks(recipe["tasks"])


def sees_volume(recipe: dict[str, Any]) -> bool:
    """Whether the network of a recipe takes the lung volume."""
    return recipe["network"]["architecture"] != "features-mtl"


def sees_features(recipe: dict[str, Any]) -> bool:
    """Whether the network of a recipe takes the lung features."""
    return recipe["network"]["features"] or not sees_volume(recipe)


def network_config(recipe: dict[str, Any]) -> dict[str, Any]:
    """What `networks.build_network` takes; mean and deviation of a regression are 0 and 1 unless ``values`` says."""
    given, tasks = recipe["network"], tasks_of(recipe)
    config = {"architecture": given["architecture"]}
    config["tasks"] = [
        {"name": task.name, "title": task.title, "classes": list(task.classes)} for task in tasks if task.classes
    ]
    values = [task for task in tasks if not task.classes]
    if values:
        known = [{"mean": 0.0, "std": 1.0} | recipe["values"].get(task.name, {}) for task in values]
        config["regression"] = [
            {"name": task.name, "title": task.title, "unit": task.unit} | one
            for task, one in zip(values, known, strict=True)
        ]
    if given["architecture"] == "features-mtl":
        return config | {"features": len(FEATURE_NAMES)}
    config["backbone"] = given["backbone"]
    if given["shift"] is not None:
        config["shift"] = given["shift"]
    if given["architecture"] == "covid-mtl":
        config["head"] = given["head"]
        if given["features"]:
            config["features"] = len(FEATURE_NAMES)
    elif given["architecture"] != "single-task":
        raise InputError(
            "network.architecture of a recipe is covid-mtl, single-task or, on features alone, features-mtl."
        )
    elif given["features"]:
        raise InputError("A network single-task sees no features; set network.features=false, or choose covid-mtl.")
    return config


def make_network(recipe: dict[str, Any]):
    """The network of a recipe, its weights as PyTorch starts them, which can take the recipe's crops."""
    config = network_config(recipe)
    from COVIDMTLLib.networks import build_network

    network = build_network(config)
    if sees_volume(recipe):
        try:
            network.backbone.check((1, 1, *recipe["input"]["size"]))
        except ValueError as error:
            raise InputError(f"The network cannot take crops of this size: {error}") from error
    return network


def loss_of(recipe: dict[str, Any]):
    """The loss of a recipe."""
    from COVIDMTLLib.networks.losses import make_loss

    options, tasks = dict(recipe["loss"]), tasks_of(recipe)
    return make_loss(options.pop("name", None), len(tasks), [task.loss for task in tasks], **options)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506, a SafeLoader
    except OSError as error:
        raise InputError(f"The recipe {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The recipe {path} is no YAML; start from {PAPER.name}.") from error
    if not isinstance(found, dict):
        raise InputError(f"The recipe {path} holds no settings by name; start from {PAPER.name}.")
    return found


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)  # noqa: S506, a SafeLoader
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
    elif isinstance(old, (bool, str)):
        fits = type(new) is type(old)
    elif key in ("mean", "std"):
        fits = new is None or (type(new) in (int, float) and (key == "mean" or new > 0))
    elif isinstance(old, (int, float)):
        least, most = LIMITS.get(key, (None, None))
        fits = type(new) is int or ((isinstance(old, float) or key == "clip") and isinstance(new, float))
        fits = fits and (least <= new <= most if least is not None else new > 0)
    else:
        fits = isinstance(new, list)
    if not fits:
        raise InputError(f"{name} of a recipe cannot be {new!r}; {PAPER.name} has {old!r}.")
