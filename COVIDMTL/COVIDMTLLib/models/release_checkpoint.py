"""Checkpoints as the paper's authors' release writes them, read as networks of this software."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..architectures.tasks import TASKS
from ..networks import build_network
from ..utils.errors import InputError

State = Mapping[str, torch.Tensor]
Tasks = list[dict[str, Any]]

NAMES = (
    (r"(?:features\.)?convbn\.(.+)", lambda of: f"backbone.stem.0.{of[1]}"),
    (
        r"(?:features\.)?features\.(\d{1,3})\.(\w+)_bn\.(.+)",
        lambda of: f"backbone.body.{int(of[1]) - 1}.{of[2]}.1.{of[3]}",
    ),
    (
        r"(?:features\.)?features\.(\d{1,3})\.(\w+)\.(.+)",
        lambda of: f"backbone.body.{int(of[1]) - 1}.{of[2]}.0.{of[3]}",
    ),
    (r"radioFNN\.features\.(.+)", lambda of: f"fnn.{of[1]}"),
    (r"radioFNN\.classifier\.(.+)", lambda of: f"fnn.6.{of[1]}"),
    (r"classifier(\d{1,3})_\.1\.(.+)", lambda of: f"heads.{int(of[1]) - 1}.reduce.{of[2]}"),
    (r"classifier(\d{1,3})\.1\.(.+)", lambda of: f"heads.{int(of[1]) - 1}.classify.{of[2]}"),
    (r"classifier\.1\.(.+)", lambda of: f"heads.0.reduce.{of[1]}"),
    (r"conv1\.(.+)", lambda of: f"backbone.stem.0.0.{of[1]}"),
    (r"bn1\.(.+)", lambda of: f"backbone.stem.0.1.{of[1]}"),
    (r"layer(\d{1,3})\.(\d{1,3}\.)conv1\.(.+)", lambda of: f"backbone.body.{int(of[1]) - 1}.{of[2]}first.0.{of[3]}"),
    (r"layer(\d{1,3})\.(\d{1,3}\.)bn1\.(.+)", lambda of: f"backbone.body.{int(of[1]) - 1}.{of[2]}first.1.{of[3]}"),
    (r"layer(\d{1,3})\.(\d{1,3}\.)conv2\.(.+)", lambda of: f"backbone.body.{int(of[1]) - 1}.{of[2]}second.0.{of[3]}"),
    (r"layer(\d{1,3})\.(\d{1,3}\.)bn2\.(.+)", lambda of: f"backbone.body.{int(of[1]) - 1}.{of[2]}second.1.{of[3]}"),
    (
        r"layer(\d{1,3})\.(\d{1,3}\.)downsample\.(.+)",
        lambda of: f"backbone.body.{int(of[1]) - 1}.{of[2]}around.{of[3]}",
    ),
    (r"fc\.(.+)", lambda of: f"heads.0.classify.{of[1]}"),
)
"""Names of the release, and what they are here; the first that fits counts."""


SAFE = "2.6"
"""The first version of PyTorch that executes nothing when it loads a checkpoint."""


class Checkpoint(NamedTuple):
    """A checkpoint that is understood.

    Attributes
    ----------
    config : dict
        For `build_network`.
    state : dict of tensors
        For ``load_state_dict`` of that network; float32.
    found : list of str
        What the file turned out to hold, in sentences.
    """

    config: dict[str, Any]
    state: dict[str, torch.Tensor]
    found: list[str]


def read_checkpoint(path: str | Path, tasks: list[dict[str, Any]] | None = None) -> Checkpoint:
    """Read a checkpoint file of PyTorch. Nothing in it is executed.

    Parameters
    ----------
    path : str or Path
        Of a state dict, or of a dict that holds one as ``state_dict``.
    tasks : list of dict, optional
        As `recognise` takes them.

    Raises
    ------
    InputError
        If it cannot be read, holds more than numbers, or is of no network of the paper.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}; give the checkpoint that PyTorch saved.")
    # Older ones could be made to run code in spite of weights_only (CVE-2025-32434).
    if torch.torch_version.TorchVersion(torch.__version__) < SAFE:
        raise InputError(
            f"To import a checkpoint safely takes PyTorch {SAFE} or later, not {torch.__version__}; update it."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an unusual pickle, which is read or not
            state = torch.load(path, map_location="cpu", weights_only=True)
    # What the bytes of any other file raise is anything.
    except Exception as error:
        raise InputError(
            f"{path.name} is damaged, is no checkpoint of PyTorch, or holds more than tensors, which is not read "
            "because it could be a program; give a file that holds the network's state_dict() alone."
        ) from error
    if isinstance(state, dict) and "state_dict" in state:
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise InputError(f"{path.name} holds no weights by name; give a file with the network's state_dict().")
    return recognise(state, tasks)


def recognise(state: dict[str, Any], tasks: list[dict[str, Any]] | None = None) -> Checkpoint:
    """Find out which of the release's networks a state dict is of.

    Parameters
    ----------
    state : dict of tensors
        Names may start with ``module.``; half precision becomes float32.
    tasks : list of dict, optional
        ``name``, ``title`` and ``classes`` of each task, if they are not the release's: the names are in no
        checkpoint, and where 32 averaged maps are the logits, the number of classes is not either.

    Raises
    ------
    InputError
        If it is of none, with the first thing that does not fit.
    """
    for name, tensor in state.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
            raise InputError(f"{name} in the checkpoint is no array of numbers; give the network's state_dict() alone.")
    found = []
    plain = {re.sub(r"^(module\.)+", "", name): tensor for name, tensor in state.items()}
    if plain.keys() != state.keys():
        found.append("The names of its weights start with module., as those of networks trained on several GPUs do.")
    if any(tensor.dtype in (torch.float16, torch.bfloat16) for tensor in plain.values()):
        found.append("Its weights are in half precision.")
    config, what = _config(plain, tasks)
    if config.get("head", {}).get("published_logits"):
        plain = _without_twins(plain, found)
    renamed = _renamed(plain)
    _check_shapes(renamed, config)
    weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in renamed.items()}
    return Checkpoint(config, weights, [what, *found])


def _config(state: State, tasks: Tasks | None) -> tuple[dict[str, Any], str]:
    """The configuration of the network that a state dict has the layers of, and a sentence about it."""
    if "classifier1_.1.weight" in state:
        return _multitask(state, tasks)
    for layer, first, backbone, title in (
        ("classifier.1", "convbn.0.weight", "squeezenet3d", "SqueezeNet3D or ShiftNet3D"),
        ("fc", "conv1.weight", "resnet3d34", "ResNet3D-34"),
    ):
        if first in state and f"{layer}.weight" in state:
            classes = _size(state, f"{layer}.weight", 0)
            tasks = tasks or ([TASKS[2]] if classes == 3 else _unnamed([classes]))
            config = {"architecture": "single-task", "backbone": backbone, "shift": None, "tasks": tasks}
            return config, f"{title} with one task of {classes} classes."
    raise InputError(
        "The checkpoint is of none of the paper's networks: it has the layers neither of COVID-MTL (classifier1_) nor "
        "of SqueezeNet3D (convbn, classifier) nor of ResNet3D (conv1, fc)."
    )


def _multitask(state: State, tasks: Tasks | None) -> tuple[dict[str, Any], str]:
    count = sum(re.fullmatch(r"classifier\d{1,3}_\.1\.weight", name) is not None for name in state)
    features = _size(state, "radioFNN.features.0.weight", 1) if "radioFNN.features.0.weight" in state else None
    if tasks is None:
        tasks = TASKS[:count]
        classes = [len(task["classes"]) for task in tasks]
        if features is not None:
            classes = [_size(state, f"classifier{number}.1.weight", 0) for number in range(1, count + 1)]
        if classes != [len(task["classes"]) for task in tasks]:
            tasks = _unnamed(classes)
    head = {"dropout": 0.3, "maps": _size(state, "classifier1_.1.weight", 0), "published_logits": features is None}
    config = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "shift": None, "features": features}
    seen = "a volume" if features is None else f"a volume and {features} features"
    what = f"COVID-MTL on {seen}, {count} tasks"
    what += f"; the averages of {head['maps']} maps are the logits of each." if features is None else "."
    return config | {"tasks": tasks, "head": head}, what


def _unnamed(classes: list[int]) -> list[dict[str, Any]]:
    """Tasks whose names nobody has given."""
    return [
        {
            "name": f"task_{number}",
            "title": f"Task {number}",
            "classes": [f"class {one}" for one in range(1, count + 1)],
        }
        for number, count in enumerate(classes, 1)
    ]


def _size(state: State, name: str, axis: int) -> int:
    if name not in state or state[name].dim() <= axis:
        raise InputError(f"The checkpoint does not fit: {name} is missing or has too few dimensions.")
    return state[name].shape[axis]


def _without_twins(state: State, found: list[str]) -> dict[str, torch.Tensor]:
    """Without the second name that each head has in the release's networks on the volume alone.

    There classifier1 and classifier1_ are one and the same layer, and the release's own loading, were they to
    differ, leaves the weights of the first in it.
    """
    twins = {name: name.replace(".1.", "_.1.", 1) for name in state if re.fullmatch(r"classifier\d{1,3}\.1\.\w+", name)}
    if any(twin not in state or not torch.equal(state[name], state[twin]) for name, twin in twins.items()):
        found.append("Its heads are there twice and differ; the ones that the release computes with are taken.")
    return {name: tensor for name, tensor in state.items() if name not in twins} | {
        twin: state[name] for name, twin in twins.items()
    }


def _renamed(state: State) -> dict[str, torch.Tensor]:
    renamed = {}
    for name, tensor in state.items():
        here = next((new(of) for old, new in NAMES if (of := re.fullmatch(old, name))), None)
        if here is None or here in renamed:
            raise InputError(f"The checkpoint does not fit: {name} is no layer of the network that its others make.")
        renamed[here] = tensor
    return renamed


def _check_shapes(state: State, config: dict[str, Any]) -> None:
    with torch.device("meta"):
        expected = {name: tuple(tensor.shape) for name, tensor in build_network(config).state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = [name for name in expected | shapes if expected.get(name) != shapes.get(name)]
    if wrong:
        first = wrong[0]
        has, needs = (f"shape {list(of[first])}" if first in of else "no such layer" for of in (shapes, expected))
        raise InputError(
            f"The checkpoint does not fit: {first}, as it is called here, has {has} in it and {needs} in the network "
            f"({len(wrong)} such in all)."
        )
