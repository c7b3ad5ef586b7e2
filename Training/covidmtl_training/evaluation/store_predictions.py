"""What trained models say of the cases of a store, case by case, as the main job would say of a user's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from COVIDMTLLib.architectures.tasks import MISSING
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.volume import WORKING_SPACING
from COVIDMTLLib.models.model import Model
from COVIDMTLLib.models.store import load_model
from COVIDMTLLib.utils.errors import InputError
from tqdm import tqdm

from ..data.store import Store, open_store
from ..recipes.tasks import Task
from .predictions import CLASSES, Predictions


def predict_split(
    models: Mapping[str, str | Path], store: str | Path, split: str
) -> tuple[dict[str, Predictions], list[str]]:
    """What models say of the cases of one split; see `predict_store`.

    Cases without features are left out if any of the models takes them, as they are in training.

    Parameters
    ----------
    models : mapping
        Trained models by the name that they are to have in figures, tables and files.
    store : path
    split : str
        ``train``, ``validation`` or ``test``.

    Returns
    -------
    dict of Predictions
        By name of the model.
    list of str
        A sentence, if cases are left out.

    Raises
    ------
    InputError
        If there is no such store, it has no case of the split that can be assessed, or as `predict_store` does.
    """
    cases, loaded = open_store(store), {name: load_model(path) for name, path in models.items()}
    rows = cases.rows(split)
    if not len(rows):
        raise InputError(f"The store {Path(store).name} has no cases of the split {split}; choose another one.")
    without = np.unique(np.concatenate([_without_features(model, cases, rows) for model in loaded.values()]))
    kept = np.setdiff1d(rows, without)
    if not len(kept):
        raise InputError(f"No case of the split {split} of {Path(store).name} has the features that the models take.")
    left_out = [f"{len(without)} cases are left out, since they have no features."] if len(without) else []
    return {name: _predict(model, cases, kept) for name, model in loaded.items()}, left_out


def predict_store(model: str | Path, store: Store, rows: Sequence[int]) -> Predictions:
    """What a model says of cases of a store.

    Parameters
    ----------
    model : str or path
        As `store.load_model` takes it. One that can use age, sex and laboratory values does without them.
    store : Store
    rows : sequence of int
        Of the store.

    Returns
    -------
    Predictions
        Of the tasks of the model, in the order of ``rows``; probabilities are those that the main job would give.

    Raises
    ------
    InputError
        If there is no such model, its tasks or its input are not those of the store, a case has no features and the
        model takes them, or a case is damaged.
    """
    return _predict(load_model(model), store, np.asarray(rows))


def _predict(model: Model, store: Store, rows: np.ndarray) -> Predictions:
    if model.takes_volume:
        _check_input(model, store)
    _check_features(model, store, rows)
    tasks = _tasks_of(model)
    store.targets(tasks)
    said = []
    for row in tqdm(rows, desc=f"cases, {model.card['name']}", leave=False):
        features = dict(zip(FEATURE_NAMES, store.features[row], strict=True)) if model.takes_features else None
        volume = read_input(store, row, model.card["input"]) if model.takes_volume else None
        said.append(model.predict(features, volume))
    found = Predictions(np.array(store.cases)[rows], {}, {})
    for task in tasks:
        targets, outputs = store.targets([task])[rows, 0], np.array([one[task.name] for one in said])
        if task.classes:
            found.labels[task.name] = np.where(np.isnan(targets), MISSING, targets).astype(np.int64)
            found.probabilities[task.name], found.classes[task.name] = outputs, list(task.classes)
        else:
            found.values[task.name], found.predicted[task.name] = targets, outputs[:, 0]
    return found


def _tasks_of(model: Model) -> list[Task]:
    """The tasks of a model, in the columns that its recipe names, or else in those of their names."""
    provenance = model.card.get("provenance", {})
    recipe = provenance.get("recipe") if isinstance(provenance, dict) else None
    given = recipe.get("tasks") if isinstance(recipe, dict) else None
    described = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    columns = {one.get("name"): one.get("column", one.get("name")) for one in described}
    for task in model.card["tasks"]:
        if task["name"] not in columns and task["classes"] != CLASSES.get(task["name"], task["classes"]):
            raise InputError(
                f"Model {model.card['name']} has a task {task['name']} of the classes {', '.join(task['classes'])}, of "
                f"which a store has no labels; its own are {', '.join(CLASSES[task['name']])}."
            )
    found = [
        Task(task["name"], task["title"], columns.get(task["name"], task["name"]), tuple(task["classes"]))
        for task in model.card["tasks"]
    ]
    return found + [
        Task(one["name"], one["title"], columns.get(one["name"], one["name"]), unit=one["unit"])
        for one in model.regression
    ]


def read_input(store: Store, row: int, given: Mapping[str, Any]) -> np.ndarray:
    """The lung volume of a case as a network takes it, float32; see `lung_crop.prepare`.

    Parameters
    ----------
    store : Store
    row : int
    given : mapping
        The ``input`` of a model card.
    """
    values = np.clip(store.volume(row, given["start"], given["size"]).astype(np.float32), 0, given["clip"])
    values -= given["mean"]
    values /= given["std"]
    return values


def _check_input(model: Model, store: Store) -> None:
    given = model.card["input"]
    wanted = _box(given["box"], given.get("spacing", WORKING_SPACING))
    has = _box(store.box, store.spacing)
    if wanted != has:
        raise InputError(
            f"Model {model.card['name']} takes a box of {wanted}, and the cases of the store have one of {has}; "
            "prepare them for this model."
        )


def _box(size: Sequence[int], spacing: float) -> str:
    return f"{' x '.join(map(str, size))} voxels of {spacing:g} mm"


def _without_features(model: Model, store: Store, rows: np.ndarray) -> np.ndarray:
    """Those of the rows that lack features which the model takes."""
    taken = [FEATURE_NAMES.index(name) for name in model.features] if model.takes_features else []
    return rows[np.isnan(store.features[rows][:, taken]).any(axis=1)]


def _check_features(model: Model, store: Store, rows: np.ndarray) -> None:
    without = _without_features(model, store, rows)
    if len(without):
        raise InputError(
            f"Model {model.card['name']} takes lung features, and {store.cases[without[0]]} has none in the store "
            f"({len(without)} such in all); prepare the store with them."
        )
