"""Attention of all models for one case (section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..imaging.volume import Geometry, Volume
from ..models.inference import Runner
from ..models.model import Model
from ..networks import CovidMTLNet
from .attention_maps import attention_maps, to_geometry


def attention_of(
    models: Sequence[Model],
    features: Sequence[Mapping[str, float] | None],
    volumes: Sequence[Volume | None],
    tasks: Mapping[str, Mapping[str, Any]],
    grid: Geometry,
    patient: Mapping[str, float] | None = None,
) -> dict[str, Volume]:
    """How much each place of a CT made the models say what they say.

    Of each model the map of the class that is the verdict, cut off below 0, in shares of its largest value; of
    several models the mean.

    Parameters
    ----------
    models, features, volumes
        As of `ensemble.judge_all`.
    tasks : mapping
        The verdict of each task; tasks that are not in it have no attention.
    grid : Geometry
        To bring the maps to.
    patient : mapping, optional
        As of `ensemble.judge_all`.

    Returns
    -------
    dict
        float32 `Volume`, 0 to 1, for each task that a model on volumes has.
    """
    found: dict[str, list[np.ndarray]] = {}
    for model, of_model, volume in zip(models, features, volumes, strict=True):
        if volume is None:
            continue
        # A task that models have with different classes has no verdict of all of them, and no attention.
        shared = [(i, task) for i, task in enumerate(model.card["tasks"]) if task["name"] in tasks]
        classes = {i: task["classes"].index(tasks[task["name"]]["verdict"]) for i, task in shared}
        runner, network = model.runner, model.network
        assert isinstance(runner, Runner) and isinstance(network, CovidMTLNet), "a model that takes a volume"
        maps = attention_maps(network, **runner.tensors(**model.case(of_model, volume, patient)), classes=classes)
        for i, task in shared:
            positive = np.maximum(maps[i], 0)
            share = positive / positive.max() if positive.max() > 0 else positive
            on_grid = to_geometry(share, network.backbone.stride, volume.geometry, grid)
            found.setdefault(task["name"], []).append(on_grid.array)
    return {name: Volume(np.stack(arrays).mean(axis=0, dtype=np.float32), grid) for name, arrays in found.items()}
