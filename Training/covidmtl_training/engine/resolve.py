"""What of a recipe follows from the rows that a run trains on."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from ..data.store import Store
from ..recipes.recipe import sees_volume, tasks_of


def resolved(recipe: dict[str, Any], store: Store, rows: np.ndarray) -> dict[str, Any]:
    """A copy of a recipe with what it leaves to the training rows.

    Parameters
    ----------
    recipe : dict
    store : Store
    rows : ndarray of int
        To train on.

    Returns
    -------
    dict
        With ``mean`` and ``std`` of the input, unless they are given, as the paper has them: the means over cases of
        mean and standard deviation of the whole box; and with ``values``, mean and standard deviation of each task
        that is a value.

    Raises
    ------
    InputError
        If the volume of a case is missing or damaged.
    """
    recipe = copy.deepcopy(recipe)
    given = recipe["input"]
    if sees_volume(recipe) and None in (given["mean"], given["std"]):
        mean, std = store.moments(rows)
        given |= {key: one for key, one in (("mean", mean), ("std", std or 1.0)) if given[key] is None}
    for task in tasks_of(recipe):
        if not task.classes:
            targets = store.targets([task])[rows, 0]
            found = {"mean": float(np.nanmean(targets)), "std": float(np.nanstd(targets))}
            recipe["values"][task.name] = found | recipe["values"].get(task.name, {})
    return recipe
