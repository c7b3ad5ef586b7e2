"""Lung features by class, as box plots (Fig. 5 of the paper)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

import pandas as pd
import seaborn
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.release_checkpoint import TASKS
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.preprocessing import MinMaxScaler

from ..cohort.cohort import Cohort
from ..utils.figures import COLOURS, MM, WIDE

CLASS_COLOURS = {2: (COLOURS[5], COLOURS[1]), 3: (COLOURS[5], COLOURS[4], COLOURS[1])}
"""Colours of the classes, from no disease on, by number of classes."""

HEIGHT = 150 * MM


def box_plots(whole: Cohort, features: Sequence[str]) -> Figure:
    """Box plots of features, scaled to 0..1 by their range in the cohort, by the classes of each task in a row.

    Boxes are quartiles, whiskers the furthest case within 1.5 times their distance; beyond it every case is a dot.
    """
    columns = [FEATURE_NAMES.index(name) for name in features]
    scaled = MinMaxScaler().fit_transform(whole.features[:, columns])
    names = [wrapped(name) for name in features]
    figure, rows = pyplot.subplots(len(TASKS), sharex=True, figsize=(WIDE, HEIGHT))
    for axes, task, labels in zip(rows, TASKS, whole.labels.T, strict=True):
        table = pd.DataFrame(scaled, columns=names).assign(label=[task["classes"][label] for label in labels])
        seaborn.boxplot(
            table.melt("label", var_name="feature", value_name="value"),
            x="feature",
            y="value",
            hue="label",
            hue_order=task["classes"],
            palette=dict(zip(task["classes"], CLASS_COLOURS[len(task["classes"])], strict=True)),
            saturation=1,
            width=0.75,
            gap=0.15,
            linewidth=0.6,
            flierprops={"marker": ".", "markersize": 1.2, "markeredgewidth": 0, "markerfacecolor": "0.45"},
            ax=axes,
        )
        axes.set(xlabel="", ylabel="scaled to 0..1", ylim=(-0.02, 1.02))
        axes.set_title(task["title"], loc="left", fontweight="bold")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0, handlelength=1)
        axes.tick_params(axis="x", length=0)
    return figure


def wrapped(name: str, width: int = 12) -> str:
    """The name of a feature in lines short enough to stand under a box, broken between its words."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_", " ", name)
    return "\n".join(textwrap.wrap(words, width))
