"""ROC curves and reliability diagrams of models on the same rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from COVIDMTLLib.architectures.tasks import TASKS
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve
from statsmodels.stats.proportion import proportion_confint

from ..utils.figures import COLOURS, MM, WIDE
from .metrics import auc, expected_calibration_error, reliability
from .predictions import Predictions, class_names, labelled, tasks_of

TITLES = {task["name"]: task["title"] for task in TASKS}

DASHES = ("-", "--", ":")
"""For models beyond the number of colours."""


def roc(models: Mapping[str, Predictions]) -> Figure:
    """ROC curves of all models, one panel for each task that any has (Fig. 3 of the paper).

    Of more than two classes a curve is the mean, at each false positive rate, of those of each class against the
    rest, and the area under it the AUC of the tables.
    """
    tasks = tasks_of(models.values())
    size = (_width(tasks), 64 * MM)
    figure, panels = pyplot.subplots(1, len(tasks), figsize=size, squeeze=False, sharey=True)
    for panel, task in zip(panels[0], tasks, strict=True):
        panel.plot([0, 1], [0, 1], color="0.8", linewidth=0.6)
        labels, said = labelled(models, task)
        for name, probabilities in said.items():
            index = list(models).index(name)
            panel.plot(
                *_mean_curve(labels, probabilities),
                color=COLOURS[index % len(COLOURS)],
                linestyle=DASHES[index // len(COLOURS) % len(DASHES)],
                label=f"{auc(labels, probabilities):.3f}  {name}",
            )
        several = "\n(mean of each class against the rest)" if len(class_names(models.values(), task)) > 2 else "\n"
        panel.set(
            title=TITLES.get(task, task) + several,
            xlabel="False positive rate",
            aspect="equal",
            xlim=(0, 1),
            ylim=(0, 1),
        )
        panel.legend(loc="lower right", title="AUC", alignment="left", handlelength=1.2, borderaxespad=0.2)
    panels[0, 0].set_ylabel("True positive rate")
    return figure


def reliability_diagram(models: Mapping[str, Predictions]) -> Figure:
    """How often each model is right, by the probability of its answer; a row a model, a column a task.

    With the 95 % interval (Wilson) of each point, whose area goes with its number of cases, and the expected
    calibration error.
    """
    tasks = tasks_of(models.values())
    size = (_width(tasks), (42 * len(models) + 8) * MM)
    figure, panels = pyplot.subplots(len(models), len(tasks), figsize=size, squeeze=False, sharey=True, sharex="col")
    for column, task in zip(panels.T, tasks, strict=True):
        column[0].set_title(TITLES.get(task, task))
        column[-1].set_xlabel("Probability of the leading class")
        labels, said = labelled(models, task)
        for panel, name in zip(column, models, strict=True):
            panel.set(xlim=(1 / len(class_names(models.values(), task)) - 0.02, 1.02), ylim=(0, 1.02))
            if name in said:
                _draw_points(panel, labels, said[name])
            else:
                panel.text(0.05, 0.9, "does not have this task", color="0.5", transform=panel.transAxes)
    for panel, name in zip(panels[:, 0], models, strict=True):
        panel.set_ylabel(f"{name}\nShare that is right")
    return figure


def _width(tasks):
    return min(WIDE, 66 * MM * len(tasks))


def _draw_points(panel, labels, probabilities):
    points = reliability(labels, probabilities)
    ends = proportion_confint(np.rint(points.accuracy * points.cases), points.cases, method="wilson")
    panel.plot([0, 1], [0, 1], color="0.8", linewidth=0.6)
    panel.vlines(points.confidence, *ends, color=COLOURS[0], linewidth=0.8)
    area = 2 + 60 * points.cases / len(labels)
    panel.scatter(points.confidence, points.accuracy, area, COLOURS[0], zorder=3, clip_on=False)
    error = expected_calibration_error(labels, probabilities)
    panel.text(0.97, 0.06, f"ECE {error:.3f}", horizontalalignment="right", transform=panel.transAxes)


def _mean_curve(labels, probabilities):
    """False and true positive rates; of two classes those of the second."""
    classes = range(probabilities.shape[1]) if probabilities.shape[1] > 2 else [1]
    curves = [roc_curve(labels == c, probabilities[:, c], drop_intermediate=False)[:2] for c in classes]
    if len(curves) == 1:
        return curves[0]
    grid = np.unique(np.concatenate([false for false, _ in curves]))
    rates = [true[np.searchsorted(false, grid, side="right") - 1] for false, true in curves]
    return np.append(0, grid), np.append(0, np.mean(rates, axis=0))
