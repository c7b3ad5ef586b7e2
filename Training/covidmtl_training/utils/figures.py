"""One style for all figures of the study, made to be read at the width of a journal's column.

Importing it sets matplotlib's style and its backend without windows.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib
from matplotlib import pyplot
from matplotlib.figure import Figure

MM = 1 / 25.4
"""Inches in a millimetre, matplotlib's unit being the inch."""

COLUMN, WIDE = 85 * MM, 175 * MM
"""Widths of a figure in inches: one column and two."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Of Okabe and Ito, told apart with any colour vision; yellow is left out, which a thin line does not show."""

STYLE = {
    "axes.linewidth": 0.6,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 8,
    "figure.constrained_layout.use": True,
    "font.size": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "savefig.dpi": 300,
    "svg.hashsalt": "covid-mtl",  # the names inside an SVG are drawn at random otherwise
    "xtick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 6.5,
    "ytick.major.width": 0.6,
}
"""matplotlib's settings. All text has 6.5 to 8 points at the size in which a figure is saved."""

matplotlib.use("Agg")
matplotlib.rcParams.update(STYLE)


def save(figure: Figure, out: str | Path, name: str) -> None:
    """Write a figure as ``name.svg`` and ``name.png`` into the folder ``out``, and close it.

    The same figure gives the same files every time.
    """
    figure.savefig(Path(out) / f"{name}.svg", metadata={"Date": None})
    figure.savefig(Path(out) / f"{name}.png")
    pyplot.close(figure)
