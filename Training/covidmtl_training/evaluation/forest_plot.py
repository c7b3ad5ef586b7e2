"""AUC of models by group of patients, with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
from COVIDMTLLib.models.release_checkpoint import TASKS
from matplotlib import pyplot
from matplotlib.figure import Figure

from ..utils.figures import COLOURS, MM, WIDE

ROW = 6.5 * MM
SPREAD = 0.5
"""Of the height of a row, over which the models of a group are spread."""


def forest_plot(table: pd.DataFrame) -> Figure:
    """The AUC of `limits.by_group`, a panel a task, with its 95 % interval; dotted is that of all patients."""
    groups = table[["grouping", "group"]].drop_duplicates()
    models = list(table.model.unique())
    # A step further down wherever another grouping begins.
    heights = np.arange(len(groups)) + 0.5 * (groups.grouping != groups.grouping.shift()).cumsum().to_numpy()
    offsets = np.linspace(-SPREAD / 2, SPREAD / 2, len(models)) if len(models) > 1 else [0]
    size = (WIDE, ROW * heights[-1] + 22 * MM)
    figure, panels = pyplot.subplots(1, len(TASKS), figsize=size, sharex=True, sharey=True)
    for panel, task in zip(panels, TASKS, strict=True):
        for model, offset, colour in zip(models, offsets, COLOURS, strict=False):
            found = table[(table.task == task["name"]) & (table.model == model)]
            errors = [found.auc - found.auc_low, found.auc_high - found.auc]
            panel.axvline(found.auc.iloc[0], color=colour, linewidth=0.6, linestyle=":")
            panel.errorbar(
                found.auc,
                heights + offset,
                xerr=errors,
                fmt="o",
                markersize=2.8,
                linewidth=0.9,
                color=colour,
                label=model,
            )
        panel.set(title=task["title"], xlabel="AUC")
        panel.tick_params(axis="y", length=0)
    cases = table[(table.task == TASKS[0]["name"]) & (table.model == models[0])].cases
    totals = [sum(map(int, one.split(" / "))) for one in cases]
    panels[0].set_yticks(heights, [f"{group} ({total})" for group, total in zip(groups.group, totals, strict=True)])
    panels[0].invert_yaxis()
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure
