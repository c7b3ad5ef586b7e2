"""What the ablation study of the paper compares (sections 5.3, 5.4 and 7), and the networks that this takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from COVIDMTLLib.models.release_checkpoint import TASKS

TITLES = {task["name"]: task["title"] for task in TASKS}
ALL_TASKS = tuple(TITLES)
DIAGNOSES = ("covid_ct", "covid_nat")

PAPER_LOSS = "random-weighted"

SHIFT, TRANSFER = "Shift3D", "transfer instead of three tasks at once"
REFINED, UNIFORM = "refined instead of initial lungs", "uniform instead of gaussian shifts"
"""What is changed; the losses are the other."""

SHIFTS = {
    "none": {"network.shift": None},
    "uniform": {"network.shift.distribution": "uniform"},
    "gaussian": {"network.shift.distribution": "gaussian"},
}
"""What makes up a shift, over the options of Shift3D in the recipe."""


class Cell(NamedTuple):
    """A network of the study, which is trained once with every seed.

    Attributes
    ----------
    tasks : tuple of str
    backbone : str
    shift : {"none", "uniform", "gaussian"}
        Whether there is Shift3D, and the distribution of its lines.
    loss : str
    lungs : {"refined", "initial"}
        Which store it is trained on.
    parent : Cell, optional
        Which it is made of by transfer.
    """

    tasks: tuple[str, ...]
    backbone: str
    shift: str = "uniform"
    loss: str = "mean"
    lungs: str = "refined"
    parent: Cell | None = None

    @property
    def name(self) -> str:
        """Of its folder, another for every cell."""
        tasks = "multitask" if self.tasks == ALL_TASKS else "+".join(self.tasks)
        transfer = () if self.parent is None else ("transfer",)
        return "_".join([tasks, self.backbone, self.shift, self.loss, self.lungs, *transfer])


class Comparison(NamedTuple):
    """What is changed, and where.

    Attributes
    ----------
    figure : str
        One of `FIGURES`.
    what, where : str
        Such as ``Shift3D`` and ``Severity of COVID-19, single task``.
    pairs : tuple of (Cell, Cell)
        With what is changed, and without; of several pairs the differences are averaged.
    tasks : tuple of str
        What is measured; if none is named, the tasks of each pair.
    curves : bool
        Whether the losses of the two are of the same kind, so that convergence compares.
    published : tuple, optional
        Tables and models of the paper, ``((table, model), (table, model))``, whose AUC have this difference.
    headline : bool
        Whether it is said in short.
    """

    figure: str
    what: str
    where: str
    pairs: tuple[tuple[Cell, Cell], ...]
    tasks: tuple[str, ...]
    curves: bool = True
    published: tuple[tuple[str, str], tuple[str, str]] | None = None
    headline: bool = False


def plan(figures: Iterable[str], config: dict[str, Any]) -> list[Comparison]:
    """All comparisons of figures and tables, which are some of `FIGURES`."""
    return [comparison for figure in figures for comparison in FIGURES[figure](config)]


def cells_of(comparisons: Iterable[Comparison]) -> list[Cell]:
    """The networks that comparisons take, each once, parents before what is transferred from them."""
    found = dict.fromkeys(cell for one in comparisons for pair in one.pairs for cell in pair)
    parents = dict.fromkeys(cell.parent for cell in found if cell.parent is not None)
    return list(parents | found)


def settings(cell: Cell, seed: int, config: dict[str, Any], changes: Sequence[str] = ()) -> list[str]:
    """What a run changes of the recipe, as KEY=VALUE, the last of a key counting.

    ``changes`` are those that the user wants; what makes up the cell stands after them.
    """
    loss = {"name": cell.loss} | config["losses"].get(cell.loss, {})
    common, single = config["settings"], config["single_task"] if len(cell.tasks) == 1 and cell.parent is None else {}
    own = {
        "seed": seed,
        "tasks": list(cell.tasks),
        "loss": loss,
        "network.backbone": cell.backbone,
        **SHIFTS[cell.shift],
        "watch_test": True,
    }
    if cell.parent is not None:
        own["epochs"] = config["transfer_epochs"]
    return [*_as_changes(common | single), *changes, *_as_changes(own)]


def _single(config, task, shift="uniform", **others):
    return Cell((task,), **{"backbone": config["backbone"], "shift": shift} | others)


def _multitask(config, loss=PAPER_LOSS, shift="uniform"):
    return Cell(ALL_TASKS, config["backbone"], shift, loss)


def _fig_4(config):
    pairs = {task: (_single(config, task), _single(config, task, "none")) for task in ALL_TASKS}
    for task, pair in pairs.items():
        published = (_where_published(task), "ShiftNet3D"), (_where_published(task), "SqueezeNet3D")
        yield Comparison("fig_4", SHIFT, f"{TITLES[task]}, single task", (pair,), (task,), published=published)
    yield Comparison("fig_4", SHIFT, "mean over the three single tasks", tuple(pairs.values()), (), headline=True)
    pair = _multitask(config), _multitask(config, shift="none")
    published = ("table_3", "COVID-MTL"), ("table_3", "COVID-MTL without Shift3D")
    yield Comparison("fig_4", SHIFT, "multitask", (pair,), ALL_TASKS, published=published, headline=True)


def _fig_9(config):
    pairs = {loss: tuple(_multitask(config, loss, shift) for shift in ("uniform", "none")) for loss in config["losses"]}
    for loss, pair in pairs.items():
        yield Comparison("fig_9", SHIFT, f"{loss} loss", (pair,), ALL_TASKS)
    several = tuple(pairs.values())
    yield Comparison("fig_9", SHIFT, f"mean over the {len(pairs)} losses", several, ALL_TASKS, headline=True)
    for other in (loss for loss in pairs if loss != PAPER_LOSS):
        both = tuple(zip(pairs[PAPER_LOSS], pairs[other], strict=True))
        what = f"{PAPER_LOSS} instead of {other} loss"
        for where, pair in zip(("with Shift3D", "without Shift3D"), both, strict=True):
            yield Comparison("fig_9", what, where, (pair,), ALL_TASKS)
        yield Comparison("fig_9", what, "mean over with and without Shift3D", both, ALL_TASKS, headline=True)


def _fig_10(config):
    parent = Cell(DIAGNOSES, config["backbone"], "uniform", PAPER_LOSS)
    kept, removed = (Cell(("severity",), config["backbone"], shift, parent=parent) for shift in ("uniform", "none"))
    pair, where = (kept, removed), "kept in transfer to severity"
    yield Comparison("fig_10", SHIFT, where, (pair,), ("severity",), headline=True)
    pair, where = (kept, _multitask(config)), TITLES["severity"]
    published = ("table_4", "COVID-MTL by transfer"), ("table_4", "COVID-MTL")
    yield Comparison("fig_10", TRANSFER, where, (pair,), ("severity",), False, published, headline=True)


def _table_6(config):
    pairs = []
    for name, (backbone, shift) in config["models"].items():
        for task in ALL_TASKS:
            pair = tuple(
                _single(config, task, shift, backbone=backbone, lungs=lungs) for lungs in ("refined", "initial")
            )
            published = (_where_published(task), name), ("table_6", name)
            where = f"{name}, {TITLES[task]}"
            yield Comparison("table_6", REFINED, where, (pair,), (task,), False, published)
            pairs.append(pair)
    yield Comparison("table_6", REFINED, "mean over models and tasks", tuple(pairs), (), False, headline=True)


def _table_7(config):
    pairs = []
    for task in ALL_TASKS:
        pair = tuple(_single(config, task, shift) for shift in ("uniform", "gaussian"))
        published = tuple(("table_7", f"ShiftNet3D, {shift}") for shift in ("uniform", "gaussian"))
        yield Comparison("table_7", UNIFORM, TITLES[task], (pair,), (task,), published=published)
        pairs.append(pair)
    yield Comparison("table_7", UNIFORM, "mean over the three tasks", tuple(pairs), (), headline=True)


FIGURES = {"fig_4": _fig_4, "fig_9": _fig_9, "fig_10": _fig_10, "table_6": _table_6, "table_7": _table_7}
"""The figures and tables of the paper, and what each compares."""


def _where_published(task):
    return "table_4" if task == "severity" else "table_3"


def _as_changes(values):
    return [f"{key}={json.dumps(value)}" for key, value in values.items()]
