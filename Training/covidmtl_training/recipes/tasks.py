"""The tasks of a recipe: the paper's by name, or any others, with the columns of the table of cases that hold them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from COVIDMTLLib.architectures.tasks import TASKS
from COVIDMTLLib.models.card import TASK_NAME
from COVIDMTLLib.utils.errors import InputError

PAPER = {task["name"]: task for task in TASKS}

CRITERIA = ("huber", "l1", "mse")
"""Losses of a regression."""

KEYS = ("name", "title", "column", "classes", "unit", "loss")


class Task(NamedTuple):
    """A task: a classification, or a regression, which has no classes.

    Attributes
    ----------
    name : str
        In figures, tables and files.
    title : str
        What it is called where there is room.
    column : str
        Of the table of cases.
    classes : tuple of str
        Names of the classes, none of a regression.
    unit : str
        Of the values of a regression; may be empty.
    loss : str
        Of a regression: one of `CRITERIA`, of values in standard deviations. Otherwise ``cross-entropy``.
    """

    name: str
    title: str
    column: str
    classes: tuple[str, ...] = ()
    unit: str = ""
    loss: str = "cross-entropy"

    def read(self, cells: Sequence[str], cases: Sequence[str]) -> np.ndarray:
        """The targets (N,) in cells of the column: class numbers or values, NaN where a cell is empty.

        A class is given by its name, in any case, or by its number from 0.

        Raises
        ------
        InputError
            If a cell is neither.
        """
        return np.array([self._target(cell.strip(), case) for cell, case in zip(cells, cases, strict=True)], float)

    def _target(self, cell: str, case: str) -> float:
        if not cell:
            return math.nan
        names = [name.casefold() for name in self.classes]
        if cell.casefold() in names:
            return names.index(cell.casefold())
        value = _number(cell)
        if self.classes and not (value.is_integer() and 0 <= value < len(names)):
            raise InputError(
                f"The case {case} has {cell[:40]!r} in {self.column}, and the classes of {self.name} are "
                f"{', '.join(self.classes)}, or 0 to {len(names) - 1}; leave the cell empty if it is not known."
            )
        if not math.isfinite(value):
            raise InputError(f"The case {case} has {cell[:40]!r} in {self.column}, which is no number.")
        return value


def read_tasks(given: Any) -> list[Task]:
    """The tasks that a recipe gives: classifications in its order, then regressions.

    Parameters
    ----------
    given : list
        Names of the paper's tasks, and descriptions such as ``{name: cause, classes: [none, viral, bacterial]}`` or
        ``{name: extent, unit: "%"}``: ``name``, and if you like ``title`` and ``column``, both by default the name;
        then ``classes``, names or numbers, or for a regression ``unit`` and, if you like, ``loss``, by default
        ``huber``.

    Raises
    ------
    InputError
        If there is none, or one is not of this form.
    """
    if not isinstance(given, list) or not given:
        raise InputError(
            f"tasks of a recipe is a list of any of {', '.join(PAPER)}, or of tasks of your own such as "
            f"{{name: stage, classes: [early, late]}}, and {given} is none."
        )
    tasks = [_task(one) for one in given]
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise InputError(f"Two tasks of the recipe are called {max(names, key=names.count)}; give each its own name.")
    return sorted(tasks, key=lambda task: not task.classes)


def _task(given: Any) -> Task:
    if isinstance(given, str) and given in PAPER:
        return Task(given, PAPER[given]["title"], given, tuple(PAPER[given]["classes"]))
    if not isinstance(given, dict):
        raise InputError(
            f"tasks of a recipe is a list of any of {', '.join(PAPER)}, or of tasks of your own such as "
            f"{{name: stage, classes: [early, late]}}, and {given} is none of these."
        )
    unknown = [key for key in given if key not in KEYS]
    if unknown:
        raise InputError(f"A task of a recipe has no {unknown[0]}; it has {', '.join(KEYS)}.")
    name = given.get("name")
    if not isinstance(name, str) or not re.fullmatch(TASK_NAME, name):
        raise InputError(f"A task of the recipe is called {name}; give it a name that can be that of a file.")
    texts = {key: given.get(key, name) for key in ("title", "column")}
    if not all(isinstance(text, str) and text for text in texts.values()):
        raise InputError(f"title and column of the task {name} have to be texts.")
    if "classes" in given:
        classes = given["classes"]
        if (
            not isinstance(classes, list)
            or len({str(one).casefold() for one in classes}) < len(classes)
            or len(classes) < 2
        ):
            raise InputError(f"The task {name} has to have a list of two classes or more, each with its own name.")
        if "unit" in given or "loss" in given:
            raise InputError(f"The task {name} has classes, and a unit or a loss, which values have; leave out one.")
        return Task(name, **texts, classes=tuple(map(str, classes)))
    if "unit" not in given:
        raise InputError(f"Give the classes of the task {name}, or if it is a value its unit, such as unit: ml.")
    loss, unit = given.get("loss", CRITERIA[0]), given["unit"]
    if loss not in CRITERIA or not isinstance(unit, str):
        raise InputError(f"The loss of the value {name} is one of {', '.join(CRITERIA)}, and its unit a text.")
    return Task(name, **texts, unit=unit, loss=loss)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan
