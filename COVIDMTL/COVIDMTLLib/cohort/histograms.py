"""Pictures of how values are distributed over a cohort."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#2f6fb2", "#c98a00", "#8c1d2c", "#5b6675")
"""Apart for colour-blind readers."""

MOST_BINS = 30

RATIOS = (1 / 30, 30)
"""Likelihood ratios that are told apart."""


def histogram(values: np.ndarray, unit: str) -> str:
    """A histogram of a measure as the URL of an SVG, its median marked.

    Parameters
    ----------
    values : ndarray of shape (N,)
        Finite, none below 0, one at least. Whole numbers, such as scores, have a bin each if they are not too many.
    unit : str
        What is written below; shares are shown in per cent if it begins with that.
    """
    figure, axes = _axes()
    values = 100 * values if unit.startswith("%") else values
    low, high = values.min(), values.max()
    if high - low < MOST_BINS and not np.any(values % 1):
        edges = np.arange(low - 0.5, high + 1)
        axes.xaxis.get_major_locator().set_params(integer=True)
    else:
        spread = max(high - low, 1.0)
        bins = min(MOST_BINS, 4 + 2 * round(len(values) ** 0.5))
        edges = np.linspace(max(low - 0.02 * spread, 0), low + 1.02 * spread, bins + 1)
    axes.hist(values, edges, color="#a9c3df")
    axes.axvline(float(np.median(values)), color=COLOURS[0], linewidth=1.6)
    return _url(figure, axes, unit)


def probabilities(by_class: Mapping[str, np.ndarray]) -> str:
    """Histograms of the probabilities of classes, over each other, as the URL of an SVG."""
    figure, axes = _axes()
    several = len(by_class) > 1
    for (name, values), colour in zip(by_class.items(), COLOURS, strict=False):
        if not several:
            axes.hist(100 * values, 20, range=(0, 100), color=colour, alpha=0.25)
        axes.hist(100 * values, 20, range=(0, 100), histtype="step", color=colour, linewidth=1.4, label=name)
    axes.set_xlim(0, 100)
    if several:
        figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=8)
    return _url(figure, axes, "probability, %")


def ratios(values: np.ndarray) -> str:
    """A histogram of likelihood ratios on a logarithmic axis, 1 marked, as the URL of an SVG."""
    figure, axes = _axes()
    axes.hist(np.clip(values, *RATIOS), np.geomspace(*RATIOS, 25), color="#a9c3df")
    axes.axvline(1, color=COLOURS[0], linewidth=1.6)
    axes.set_xscale("log")
    axes.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])
    axes.set_xticks([], minor=True)
    return _url(figure, axes, "likelihood ratio")


def _axes() -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.3, 1.9), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def _url(figure: Figure, axes: Axes, unit: str) -> str:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, colors="#5b6675")
    axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
    axes.set_xlabel(unit, fontsize=8, color="#5b6675")
    axes.set_ylabel("cases", fontsize=8, color="#5b6675")
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(svg.getvalue()).decode()
