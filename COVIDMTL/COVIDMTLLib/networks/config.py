"""Networks from plain JSON values, as model cards hold them."""

from __future__ import annotations

from typing import Any

from torch import nn

from ..errors import InputError
from ..shift3d import Shift3D
from .auxiliary import EMBEDDING, AuxiliaryFNN
from .covid_mtl import CovidMTLNet
from .decovnet import DeCoVNet
from .features_mtl import FeaturesMTL
from .heads import Head
from .resnet3d import ResNet3D34
from .squeezenet3d import SqueezeNet3D
from .tabular import AGE_AND_SEX, TabularNetwork

BACKBONES = {"squeezenet3d": SqueezeNet3D, "resnet3d34": ResNet3D34, "decovnet": DeCoVNet}

EXPERTS = {
    "ct_forest": ("trees", "nodes"),
    "ct_kernel": ("cases", "width"),
    "ct_perceptrons": ("members",),
    "labs_forest": ("trees", "nodes"),
    "labs_kernel": ("cases", "width"),
}
"""The experts of a tabular network and what is said of each; those on laboratory values may be missing."""

KEYS = {
    "covid-mtl": ("backbone", "tasks", "shift", "features", "head"),
    "single-task": ("backbone", "tasks", "shift"),
    "features-mtl": ("features", "tasks"),
    "tabular": ("features", "patient", "tasks", "groups", *EXPERTS),
}
"""What the configuration of each architecture holds besides its name."""

LARGEST = {
    "features": 100_000,
    "classes": 1000,
    "tasks": 100,
    "maps": 4096,
    "patient": 10_000,
    "groups": 1000,
    "trees": 100_000,
    "nodes": 10_000_000,
    "cases": 1_000_000,
    "width": 100_000,
    "members": 1000,
}
"""Sizes beyond which a configuration is a mistake, or meant to use up the memory."""


def build_network(config: dict[str, Any]) -> nn.Module:
    """The network that a configuration describes, its weights as PyTorch starts them.

    Parameters
    ----------
    config : dict
        Plain JSON values:

        - ``architecture``: ``covid-mtl``, ``single-task`` (a backbone with the head that its authors gave it), or
          ``features-mtl`` or ``tabular`` (`TabularNetwork`), which see no volume;
        - ``tasks``: a list of ``{"name", "title", "classes"}``, classes by name;
        - ``backbone``: ``squeezenet3d``, ``resnet3d34`` or ``decovnet``;
        - ``shift``: the options of `Shift3D` to put it after the stem, or null, the default;
        - ``features``: number of lung features, or null, the default, for a network on the volume alone;
        - of ``tabular``: ``patient``, number of values of the patient; ``groups``, for each a list of the number of
          its class in each task; ``ct_forest`` and ``labs_forest``, ``{"trees", "nodes"}``, ``ct_kernel`` and
          ``labs_kernel``, ``{"cases", "width"}``, ``ct_perceptrons``, ``{"members"}``, those on laboratory values
          both null, the default, without them;
        - ``head``: options ``dropout`` (0.3), ``maps`` (32) and ``published_logits`` (false) of `Head`.

    Returns
    -------
    CovidMTLNet, FeaturesMTL or TabularNetwork

    Raises
    ------
    InputError
        If there is no such architecture, backbone or option, or a value is none that it can have.
    """
    if not isinstance(config, dict) or config.get("architecture") not in tuple(KEYS):
        raise InputError(f"A network has to have one of the architectures {', '.join(KEYS)}; this one names another.")
    architecture = config["architecture"]
    _check_keys(config, "network", ("architecture", *KEYS[architecture]))
    classes = _classes(config)
    features = config.get("features")
    if features is not None or architecture in ("features-mtl", "tabular"):
        _check_whole(features, "features", 1)
    if architecture == "features-mtl":
        return FeaturesMTL(features, classes)
    if architecture == "tabular":
        return _tabular(config, features, classes)
    name = config.get("backbone")
    if name not in tuple(BACKBONES):
        raise InputError(f"There is no backbone {name}; choose one of {', '.join(BACKBONES)}.")
    backbone = BACKBONES[name](_shift(config.get("shift")))
    if architecture == "single-task":
        if len(classes) > 1:
            raise InputError("A network of the architecture single-task has one task; choose covid-mtl for several.")
        return CovidMTLNet(backbone, [_own_head(backbone, classes[0])])
    options = _head_options(config.get("head", {}), max(classes), features)
    fnn = None if features is None else AuxiliaryFNN(features)
    width = 0 if features is None else EMBEDDING
    return CovidMTLNet(backbone, [Head(backbone.channels, count, features=width, **options) for count in classes], fnn)


def _tabular(config: dict[str, Any], features: int, classes: list[int]) -> TabularNetwork:
    patient, groups = config.get("patient"), config.get("groups")
    _check_whole(patient, "patient", AGE_AND_SEX)
    if not isinstance(groups, list) or not 2 <= len(groups) <= LARGEST["groups"]:
        raise InputError(f"A tabular network has to have a list of 2 to {LARGEST['groups']} groups, and this has not.")
    for group in groups:
        if (
            not isinstance(group, list)
            or len(group) != len(classes)
            or not all(type(one) is int and 0 <= one < count for one, count in zip(group, classes, strict=True))
        ):
            raise InputError("A group of the network does not give the number of its class in each of the tasks.")
    experts = {}
    for name, keys in EXPERTS.items():
        sizes = config.get(name)
        if sizes is None and name.startswith("labs"):
            continue
        if not isinstance(sizes, dict) or tuple(sizes) != keys:
            raise InputError(f"The {name} of the network is not described by its numbers of {' and '.join(keys)}.")
        for what, size in sizes.items():
            _check_whole(size, what, 1)
        experts[name] = sizes
    if ("labs_forest" in experts) != ("labs_kernel" in experts):
        raise InputError("A tabular network has both of its experts on laboratory values, or neither; this has one.")
    return TabularNetwork(features, patient, groups, classes, **experts)


def _own_head(backbone: nn.Module, classes: int) -> Head:
    if isinstance(backbone, SqueezeNet3D):
        return Head(backbone.channels, classes, maps=classes, published_logits=True)
    return Head(backbone.channels, classes, maps=None, dropout=0.0, largest=isinstance(backbone, DeCoVNet))


def _classes(config: dict[str, Any]) -> list[int]:
    """Number of classes of each task."""
    tasks = config.get("tasks")
    if not isinstance(tasks, list) or not 1 <= len(tasks) <= LARGEST["tasks"]:
        raise InputError(f"A network has to have a list of 1 to {LARGEST['tasks']} tasks, and this one has not.")
    for task in tasks:
        if not isinstance(task, dict):
            raise InputError('A task of the network is not of the form {"name": ..., "title": ..., "classes": [...]}.')
        _check_keys(task, "task", ("name", "title", "classes"))
        classes = task.get("classes")
        texts = [task.get("name"), task.get("title"), *(classes if isinstance(classes, list) else [None])]
        if not all(isinstance(text, str) and text for text in texts):
            raise InputError("A task of the network lacks a name, a title or a list of the names of its classes.")
        if not 2 <= len(set(classes)) == len(classes) <= LARGEST["classes"]:
            raise InputError(
                f"Task {task['name']} has to have 2 to {LARGEST['classes']} classes, each with a name of its own."
            )
    if len({task["name"] for task in tasks}) < len(tasks):
        raise InputError("Two tasks of the network have the same name; give each its own.")
    return [len(task["classes"]) for task in tasks]


def _shift(options: dict[str, Any] | None) -> Shift3D | None:
    if options is None:
        return None
    if not isinstance(options, dict):
        raise InputError("The shift of a network is null or the options of Shift3D by name, and this is neither.")
    try:
        return Shift3D(**options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"Shift3D cannot have the options that the network gives it: {error}.") from error


def _head_options(options: Any, classes: int, features: int | None) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise InputError("The head of a network is its options by name, and this is not.")
    _check_keys(options, "head", ("dropout", "maps", "published_logits"))
    options = {"dropout": 0.3, "maps": 32, "published_logits": False} | options
    dropout, published = options["dropout"], options["published_logits"]
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise InputError(f"The dropout of a head has to be a number from 0 to below 1, and {dropout} is not.")
    if not isinstance(published, bool):
        raise InputError(f"published_logits of a head is true or false, and {published} is neither.")
    if published and features is not None:
        raise InputError("A head with published_logits takes no features; leave out one of the two.")
    _check_whole(options["maps"], "maps", classes if published else 1)
    return options


def _check_keys(values: dict[str, Any], what: str, known: tuple[str, ...]) -> None:
    unknown = [key for key in values if key not in known]
    if unknown:
        raise InputError(f"This {what} has {unknown[0]}, which is unknown here; known are {', '.join(known)}.")


def _check_whole(value: Any, what: str, least: int) -> None:
    if type(value) is not int or not least <= value <= LARGEST[what]:
        raise InputError(
            f"The number of {what} of a network is a whole one from {least} to {LARGEST[what]}, and {value} is not."
        )
