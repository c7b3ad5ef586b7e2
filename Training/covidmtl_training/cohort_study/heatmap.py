"""Patients clustered by their lung features, with labels, age and sex beside (Fig. 6 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
import pandas as pd
import seaborn
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.release_checkpoint import TASKS
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from scipy.cluster.hierarchy import linkage
from scipy.stats import zscore

from ..cohort.cohort import Cohort
from ..cohort.groups import AGES, age_group
from ..utils.figures import MM, WIDE
from .box_plots import CLASS_COLOURS

HEIGHT = 125 * MM
LIMIT = 3
"""Standard deviations at which the colours end."""

TITLES = ("CT", "NAT", "Severity")
SEX_COLOURS = {"Female": "#882255", "Male": "#DDCC77"}


def heat_map(whole: Cohort, features: Sequence[str]) -> Figure:
    """Clustered heat map: a row a feature, a column a patient.

    Features are z-scored over the cohort. Both are clustered by Pearson's correlation distance with average linkage.

    Raises
    ------
    InputError
        If the cohort does not give age and sex of everyone.
    """
    values = zscore(whole.features[:, [FEATURE_NAMES.index(name) for name in features]], ddof=1)
    table = pd.DataFrame(values.T, index=list(features))
    strips, legends = _strips(whole)
    # seaborn lays the parts out itself, and warns of any other layout.
    with matplotlib.rc_context({"figure.constrained_layout.use": False}):
        grid = seaborn.clustermap(
            table,
            row_linkage=linkage(table, "average", "correlation"),
            col_linkage=linkage(table.T, "average", "correlation"),
            col_colors=strips,
            cmap="RdBu_r",
            vmin=-LIMIT,
            vmax=LIMIT,
            xticklabels=False,
            yticklabels=True,
            rasterized=True,
            figsize=(WIDE, HEIGHT),
            dendrogram_ratio=(0.09, 0.13),
            colors_ratio=0.026,
            cbar_kws={"orientation": "horizontal", "ticks": [-LIMIT, 0, LIMIT]},
            tree_kws={"linewidths": 0.3},
        )
        _arrange(grid, legends)
    return grid.figure


def _strips(whole):
    """Colours of each patient (columns by title), and what they mean."""
    patients = whole.described()
    columns, legends = {}, {}
    for task, title, labels in zip(TASKS, TITLES, whole.labels.T, strict=True):
        colours = CLASS_COLOURS[len(task["classes"])]
        columns[title] = [colours[label] for label in labels]
        if title != TITLES[0]:  # CT and NAT have the same classes
            heading = title if len(colours) > 2 else " and ".join(TITLES[:2])
            legends[heading] = dict(zip(task["classes"], colours, strict=True))
    greys = [str(level) for level in np.linspace(0.88, 0.1, len(AGES))]
    columns["Age"] = [greys[code] for code in age_group(patients.Age).cat.codes]
    legends["Age"] = dict(zip(AGES, greys, strict=True))
    columns["Sex"] = patients.Gender.map(SEX_COLOURS)
    legends["Sex"] = SEX_COLOURS
    return pd.DataFrame(columns), legends


def _arrange(grid, legends):
    """Make room for names on the right and legends below."""
    for axes in (grid.ax_heatmap, grid.ax_col_colors):
        axes.tick_params(axis="y", length=0, labelsize=6.5, pad=2)
    grid.ax_heatmap.set(xlabel="", ylabel="")
    grid.figure.subplots_adjust(left=0.01, right=0.695, bottom=0.15, top=0.995)
    grid.ax_cbar.set_position([0.03, 0.075, 0.12, 0.02])
    grid.ax_cbar.tick_params(length=2)
    grid.ax_cbar.set_title("z-score", fontsize=6.5, pad=2)
    for x, (title, colours) in zip((0.2, 0.38, 0.62, 0.82), legends.items(), strict=True):
        grid.figure.legend(
            [Patch(color=colour) for colour in colours.values()],
            colours,
            title=title,
            title_fontproperties={"size": 6.5, "weight": "bold"},
            alignment="left",
            loc="upper left",
            bbox_to_anchor=(x, 0.135),
            borderaxespad=0,
            handlelength=1,
            labelspacing=0.25,
        )
