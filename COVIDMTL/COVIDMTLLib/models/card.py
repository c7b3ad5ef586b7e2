"""Model cards: what ``model.json`` has to hold, and what it means. Needs no PyTorch."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ..architectures.config import WITHOUT_IMAGES
from ..features.names import FEATURE_NAMES, VOLUME
from ..imaging.lung_crop import BOX, CROP, HIGHEST, MEAN, START, STD
from ..patient.laboratory import LABORATORY
from ..utils.errors import InputError
from ..utils.text import shortened
from .archive import CARD
from .card_evidence import senseless_evidence
from .card_metrics import senseless_claim
from .out_of_distribution import QUANTILES

FORMAT = "covid-mtl-model"
FORMAT_VERSIONS = (1, 2)
"""1: a network on features, which the card does not describe; 2: with the ``network`` of `networks.build_network`.
``model.schema.json`` beside this module describes both for other programs; `check_card` is what decides here."""

OF_FEATURES = ("features", "scaling", "training_distribution")
"""What a card holds if its network takes features, and only then."""

OF_PATIENT = ("patient_values", "prediction_sets")
"""What a card holds if its network takes what is known of the patient, and only then."""

TASK_NAME = r"[\w+-][\w.+ -]{0,63}"
"""What tasks may be called: files are named after them, and must not come to lie elsewhere."""

DEEPEST = 50
"""Lists within lists, or objects, beyond which a card is a mistake, or meant to use up the stack."""

LARGEST_BOX = 1000
"""Voxels along an axis of an input beyond which it is a mistake, or meant to use up the memory."""

SPACINGS = (0.5, 20.0)
"""Least and largest voxel of an input in mm: more would be no lung any more, less more than a CT holds."""

INPUT = {"box": BOX, "start": START, "size": CROP, "clip": HIGHEST, "mean": MEAN, "std": STD}
"""The ``input`` of a network on volumes, as the paper's have it: what `lung_crop.prepare` does to a CT.

A card may add ``spacing``, of the voxels in mm; without it they have 1 mm."""


def published_input() -> dict[str, Any]:
    """The ``input`` of a card for a network trained as the paper's: `INPUT` as JSON has it."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in INPUT.items()}


def takes_features(card: dict[str, Any]) -> bool:
    """Whether the network of a card sees lung features."""
    return card["format_version"] == 1 or card["network"].get("features") is not None


def takes_volume(card: dict[str, Any]) -> bool:
    """Whether the network of a card sees the lung volume."""
    return card["format_version"] > 1 and card["network"].get("architecture") not in WITHOUT_IMAGES


def takes_patient(card: dict[str, Any]) -> bool:
    """Whether the network of a card sees age, sex or laboratory values, if they are known."""
    return card["format_version"] > 1 and card["network"].get("architecture") == "tabular"


def network_config(card: dict[str, Any]) -> dict[str, Any]:
    """What `networks.build_network` takes to build the network of a card."""
    if card["format_version"] > 1:
        return card["network"]
    tasks = [{key: task[key] for key in ("name", "title", "classes")} for task in card["tasks"]]
    return {"architecture": "features-mtl", "features": len(card["features"]), "tasks": tasks}


def parse_card(content: bytes, model: str) -> dict[str, Any]:
    """The card that a file holds; ``model`` is what to call it in messages.

    Raises
    ------
    InputError
        If it is no JSON, or `check_card` finds fault with it.
    """
    try:
        card = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"The {CARD} of model {model} is damaged: it is no JSON; get the model again.") from error
    if isinstance(card, dict):
        _check_depth(card, model)
    check_card(card, model)
    return card


def check_card(card: Any, model: str) -> None:
    """Raise `InputError` unless a card is whole, of a format that is known here, and consistent."""
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"The {CARD} of model {model} is of something else than a COVID-MTL model.")
    version = card.get("format_version")
    if version not in FORMAT_VERSIONS or isinstance(version, bool):
        known = " and ".join(map(str, FORMAT_VERSIONS))
        raise InputError(
            f"Model {model} has format version {version}, and this version of the software reads {known}; update one "
            "of them."
        )
    _check_keys(card, model, ["name", "version", "tasks", "weights", *(["network"] if version > 1 else [])])
    if not isinstance(card.get("network", {}), dict):
        _refuse(model, "network")
    needed = [
        *(OF_FEATURES if takes_features(card) else ()),
        *(["input"] if takes_volume(card) else []),
        *(OF_PATIENT if takes_patient(card) else ()),
    ]
    _check_keys(card, model, needed)
    if "site" in card:
        needed.append("prediction_sets")
    unfit = [key for key in (*OF_FEATURES, "input", *OF_PATIENT) if key in card and key not in needed]
    if unfit:
        raise InputError(f"Model {model} has {unfit[0]} in its {CARD}, which its network has no use for.")
    for key in ("name", "version", "title", "intended_use"):
        if not isinstance(card.get(key, ""), str):
            _refuse(model, key)
    if not isinstance(card["weights"], dict) or not isinstance(card["weights"].get("sha256"), str):
        _refuse(model, "weights")
    _check_tasks(card, model)
    if takes_features(card):
        _check_features(card, model)
    if takes_volume(card):
        _check_input(card["input"], model)
    if takes_patient(card):
        _check_patient(card, model)
    elif "prediction_sets" in card:
        _check_sets(card, ("without_labs",), model)
    claim = senseless_evidence(card, takes_features(card)) or senseless_claim(card)
    if claim:
        _refuse(model, claim)


def _check_depth(card: Any, model: str) -> None:
    """Raise `InputError` for lists in lists without end, which nothing that goes through a card would come to."""
    level = [card]
    for _ in range(DEEPEST):
        level = [one for value in level for one in (value.values() if isinstance(value, dict) else value)]
        level = [one for one in level if isinstance(one, (dict, list))]
        if not level:
            return
    raise InputError(f"The {CARD} of model {model} is nested more than {DEEPEST} deep; get the model again.")


def _refuse(model: str, key: str) -> NoReturn:
    raise InputError(f"The {CARD} of model {model} has no sensible {key}; get the model again.")


def _check_keys(card: dict[str, Any], model: str, needed: Sequence[str]) -> None:
    missing = [key for key in needed if key not in card]
    if missing:
        raise InputError(f"The {CARD} of model {model} lacks {', '.join(missing)}; get the model again.")


def _check_tasks(card: dict[str, Any], model: str) -> None:
    tasks = card["tasks"]
    regression = card.get("network", {}).get("regression", [])
    if not isinstance(tasks, list) or not isinstance(regression, list) or not (tasks or regression):
        _refuse(model, "tasks")
    for one in regression:
        if not isinstance(one, dict) or not re.fullmatch(TASK_NAME, str(one.get("name"))):
            _refuse(model, "regression")
    for task in tasks:
        classes = task.get("classes") if isinstance(task, dict) else None
        if not isinstance(classes, list) or len(classes) < 2:
            _refuse(model, "tasks")
        if not all(isinstance(text, str) and text for text in (task.get("name"), task.get("title"), *classes)):
            _refuse(model, "tasks")
        if not re.fullmatch(TASK_NAME, task["name"]):
            raise InputError(
                f"A task of model {model} is called {shortened(task['name'])}, which is no name for a file; give it "
                "another."
            )
    if card["format_version"] > 1 and card["network"].get("tasks") != tasks:
        raise InputError(f"The {CARD} of model {model} names other tasks than its network has; get the model again.")


def _check_features(card: dict[str, Any], model: str) -> None:
    names, scaling, distribution = (card[key] for key in OF_FEATURES)
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        _refuse(model, "features")
    unknown = [name for name in names if name not in (*FEATURE_NAMES, VOLUME)]
    if unknown:
        raise InputError(f"Model {model} wants features that this version does not compute: {unknown[0][:80]!r}, say.")
    count = len(names)
    if len(set(names)) < count or (card["format_version"] > 1 and card["network"]["features"] != count):
        raise InputError(f"The {CARD} of model {model} names other features than its network has; get the model again.")
    if not _sensible_scaling(scaling, count):
        _refuse(model, "scaling")
    shares = distribution.get("unusual_share") if isinstance(distribution, dict) else None
    if (
        not isinstance(shares, dict)
        or not _numbers(distribution.get("values"), (count, len(QUANTILES)))
        or not all(_numbers(shares.get(key)) for key in ("unusual", "outside"))
    ):
        _refuse(model, "training_distribution")


def _sensible_scaling(scaling: Any, count: int) -> bool:
    """Whether this is a scaling of so many features; see `feature_scaling.scale`."""
    if not isinstance(scaling, dict):
        return False
    shift, width = ("minimum", "range") if "minimum" in scaling else ("mean", "std")
    alone = ("clip", "gain") if width == "std" else ()
    if not all(_numbers(scaling.get(key), (count,)) for key in (shift, width)):
        return False
    return all(_numbers(scaling.get(key)) for key in alone) and min(*scaling[width], scaling.get("clip", 1)) > 0


def _check_patient(card: dict[str, Any], model: str) -> None:
    names = card["patient_values"]
    if not isinstance(names, list) or names[:2] != ["age", "sex"] or len(set(map(str, names))) < len(names):
        _refuse(model, "patient_values")
    unknown = [name for name in names[2:] if not isinstance(name, str) or name not in LABORATORY]
    if unknown or card["network"].get("patient") != len(names):
        wrong = f"{str(unknown[0])[:80]!r}, say, is none" if unknown else "and others than its network has"
        raise InputError(f"Model {model} wants laboratory values that this version does not know: {wrong}.")
    _check_sets(card, ("without_labs", "with_labs") if len(names) > 2 else ("without_labs",), model)


def _check_sets(card: dict[str, Any], given: Sequence[str], model: str) -> None:
    sets = card["prediction_sets"]
    if not isinstance(sets, dict) or not _numbers(sets.get("coverage")) or not 0 < sets["coverage"] < 1:
        _refuse(model, "prediction_sets")
    counts = {task["name"]: len(task["classes"]) for task in card["tasks"]}
    for known in given:
        least = sets.get(known)
        if not isinstance(least, dict) or least.keys() != counts.keys():
            _refuse(model, "prediction_sets")
        # One number for all classes is of models from before sets held in each class.
        if not all(_numbers(one) or _numbers(one, (counts[task],)) for task, one in least.items()):
            _refuse(model, "prediction_sets")


def _check_input(given: Any, model: str) -> None:
    if (
        not isinstance(given, dict)
        or given.keys() - {"spacing"} != INPUT.keys()
        or not _numbers(given.get("spacing", 1.0))
        or not SPACINGS[0] <= given.get("spacing", 1.0) <= SPACINGS[1]
        or not all(_whole(given[key]) for key in ("box", "start", "size"))
        or not all(_numbers(given[key]) for key in ("clip", "mean", "std"))
        or not all(0 <= a and 0 < n and a + n <= b <= LARGEST_BOX for a, n, b in zip(*_corners(given), strict=True))
        or min(given["clip"], given["std"]) <= 0
    ):
        _refuse(model, "input")


def _corners(given: dict[str, Any]) -> tuple[list[int], list[int], list[int]]:
    return given["start"], given["size"], given["box"]


def _whole(values: Any) -> bool:
    return isinstance(values, list) and len(values) == 3 and all(type(value) is int for value in values)


def _numbers(values: Any, shape: tuple[int, ...] = ()) -> bool:
    """Whether values from JSON are finite numbers in lists of this shape."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of several lengths
        return False
    return array.dtype.kind in "if" and array.shape == shape and bool(np.isfinite(array).all())
