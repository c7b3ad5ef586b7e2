"""Networks as model cards describe them, in plain JSON values; what can be checked of them without PyTorch."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ..utils.errors import InputError

AGE_AND_SEX = 2
"""The first of the patient's values are age and sex; laboratory values follow."""

OF_CT, OF_LABS = 3, 2
"""Experts on the CT, and on laboratory values."""

EXPERTS = {
    "ct_forest": ("trees", "nodes"),
    "ct_kernel": ("cases", "width"),
    "ct_perceptrons": ("members",),
    "labs_forest": ("trees", "nodes"),
    "labs_kernel": ("cases", "width"),
}
"""The experts of a tabular network and what is said of each; those on laboratory values may be missing."""

KEYS = {
    "covid-mtl": ("backbone", "tasks", "regression", "shift", "features", "head"),
    "single-task": ("backbone", "tasks", "regression", "shift"),
    "features-mtl": ("features", "tasks", "regression"),
    "tabular": ("features", "patient", "tasks", "groups", *EXPERTS),
    "kernel-ridge": ("features", "tasks", "cases", "penalty"),
}
"""What the configuration of each architecture holds besides its name."""

WITHOUT_IMAGES = ("features-mtl", "tabular", "kernel-ridge")
"""Architectures that see no images, and take no PyTorch to run."""

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


PERCEPTRON_NODES = (96, 32)
"""Hidden nodes of each perceptron of a tabular network."""

FNN_NODES = (256, 128, 64)
EMBEDDING = 32
"""Nodes of the auxiliary FNN (section 5.1): three hidden layers and the 32 that the heads see."""


def read_config(config: dict[str, Any]) -> tuple[str, list[int], int | None]:
    """The architecture of a network, the number of outputs of each task, and the number of its lung features, if any.

    A task has as many outputs as classes, and after the tasks each regression has one.

    Raises
    ------
    InputError
        If there is no such architecture or option, or a value is none that it can have.
    """
    if not isinstance(config, dict) or config.get("architecture") not in tuple(KEYS):
        raise InputError(f"A network has to have one of the architectures {', '.join(KEYS)}; this one names another.")
    architecture = config["architecture"]
    check_keys(config, "network", ("architecture", *KEYS[architecture]))
    classes = _classes(config)
    features = config.get("features")
    if features is not None or architecture in WITHOUT_IMAGES:
        check_whole(features, "features", 1)
    if architecture == "kernel-ridge":
        check_whole(config.get("cases"), "cases", 2)
        if any(count != 2 for count in classes):
            raise InputError("A kernel ridge regression has two classes in each task, and this one has others.")
    return architecture, classes, features


def weights_wanted(config: dict[str, Any]) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and type of each of the weights of a network that sees no images, by name; raises as `read_config` does."""
    architecture, classes, features = read_config(config)
    assert features is not None, f"{architecture} sees images"
    wanted: dict[str, tuple[tuple[int, ...], str]] = {}

    def add(part: str, **shapes: tuple[int, ...]) -> None:
        wanted.update({f"{part}.{name.replace('__', '.')}": (shape, "float32") for name, shape in shapes.items()})

    if architecture == "features-mtl":
        nodes = (features, *FNN_NODES, EMBEDDING)
        for layer, (into, out) in enumerate(pairwise(nodes)):
            add(f"fnn.{2 * layer}", weight=(out, into), bias=(out,))
        for task, count in enumerate(classes):
            add(f"heads.{task}.1", weight=(count, EMBEDDING), bias=(count,))
        return wanted
    if architecture == "kernel-ridge":
        cases, tasks = config["cases"], len(classes)
        wanted |= {"labels": ((cases, tasks), "int8"), "gamma": ((), "float32")}
        wanted |= dict.fromkeys(("slope", "bias"), ((tasks,), "float32"))
        return wanted | {"cases": ((cases, features), "float16"), "dual": ((cases, tasks), "float32")}
    experts, groups = tabular_experts(config, classes), len(config["groups"])
    for name, sizes in experts.items():
        columns = features + AGE_AND_SEX if name.startswith("ct") else config["patient"]
        if name.endswith("forest"):
            trees, splits = sizes["trees"], sizes["nodes"]
            add(name, threshold=(splits,), value=(splits, groups))
            wanted[f"{name}.root"] = (trees,), "int32"
            for one, kind in (("column", "int16"), ("right", "int32"), ("unknown_left", "bool")):
                wanted[f"{name}.{one}"] = (splits,), kind
            continue
        seen = columns if name.startswith("ct") else 2 * columns
        add(name, mean=(columns,), std=(columns,), average=(seen,))
        if name.endswith("kernel"):
            cases, width = sizes["cases"], sizes["width"]
            add(name, projection=(seen, width), cases=(cases, width), gamma=(), dual=(cases, groups))
            add(f"{name}.calibration", weight=(groups, groups), bias=(groups,))
            continue
        layers = (seen, *PERCEPTRON_NODES, groups)
        for layer, (into, out) in enumerate(pairwise(layers)):
            add(name, **{f"weights__{layer}": (sizes["members"], into, out)})
            add(name, **{f"biases__{layer}": (sizes["members"], 1, out)})
    combinations = {"without_labs": OF_CT} | ({"with_labs": OF_CT + OF_LABS} if "labs_forest" in experts else {})
    for name, number in combinations.items():
        add(name, weight=(len(classes), number))
        add(name, **{f"bias__{task}": (count,) for task, count in enumerate(classes)})
    return wanted


def tabular_experts(config: dict[str, Any], classes: list[int]) -> dict[str, dict[str, int]]:
    """The experts of a tabular network by name, each with its sizes; raises as `read_config` does."""
    patient, groups = config.get("patient"), config.get("groups")
    check_whole(patient, "patient", AGE_AND_SEX)
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
            check_whole(size, what, 1)
        experts[name] = sizes
    if ("labs_forest" in experts) != ("labs_kernel" in experts):
        raise InputError("A tabular network has both of its experts on laboratory values, or neither; this has one.")
    return experts


def _classes(config: dict[str, Any]) -> list[int]:
    """Number of outputs of each task, and of each regression, which is 1."""
    tasks, regression = config.get("tasks"), config.get("regression", [])
    if (
        not isinstance(tasks, list)
        or not isinstance(regression, list)
        or not 1 <= len(tasks) + len(regression) <= LARGEST["tasks"]
    ):
        raise InputError(f"A network has to have a list of 1 to {LARGEST['tasks']} tasks, and this one has not.")
    for task in tasks:
        if not isinstance(task, dict):
            raise InputError('A task of the network is not of the form {"name": ..., "title": ..., "classes": [...]}.')
        check_keys(task, "task", ("name", "title", "classes"))
        given = task.get("classes")
        classes = given if isinstance(given, list) else [None]
        texts = [task.get("name"), task.get("title"), *classes]
        if not all(isinstance(text, str) and text for text in texts):
            raise InputError("A task of the network lacks a name, a title or a list of the names of its classes.")
        if not 2 <= len(set(classes)) == len(classes) <= LARGEST["classes"]:
            raise InputError(
                f"Task {task['name']} has to have 2 to {LARGEST['classes']} classes, each with a name of its own."
            )
    for one in regression:
        _check_regression(one)
    if len({one["name"] for one in (*tasks, *regression)}) < len(tasks) + len(regression):
        raise InputError("Two tasks of the network have the same name; give each its own.")
    return [len(task["classes"]) for task in tasks] + [1] * len(regression)


def _check_regression(one: Any) -> None:
    """Raise `InputError` unless this describes a regression: its output times ``std`` plus ``mean`` is in ``unit``."""
    if not isinstance(one, dict) or one.keys() != {"name", "title", "unit", "mean", "std"}:
        raise InputError("A regression of the network is described by its name, title, unit, mean and std.")
    if not all(isinstance(one[key], str) for key in ("name", "title", "unit")) or not (one["name"] and one["title"]):
        raise InputError("A regression of the network lacks a name or a title, or its unit is no text.")
    for key in ("mean", "std"):
        if isinstance(one[key], bool) or not isinstance(one[key], (int, float)) or not abs(one[key]) < 1e300:
            raise InputError(f"The {key} of the regression {one['name']} is no number.")
    if one["std"] <= 0:
        raise InputError(f"The std of the regression {one['name']} has to be above 0, and {one['std']} is not.")


def check_keys(values: dict[str, Any], what: str, known: tuple[str, ...]) -> None:
    """Raise `InputError` for a key that is none of those known."""
    unknown = [key for key in values if key not in known]
    if unknown:
        raise InputError(f"This {what} has {unknown[0]}, which is unknown here; known are {', '.join(known)}.")


def check_whole(value: Any, what: str, least: int) -> None:
    """Raise `InputError` unless a value is a whole number from ``least`` to `LARGEST`."""
    if type(value) is not int or not least <= value <= LARGEST[what]:
        raise InputError(
            f"The number of {what} of a network is a whole one from {least} to {LARGEST[what]}, and {value} is not."
        )
