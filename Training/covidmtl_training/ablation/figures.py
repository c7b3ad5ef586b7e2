"""The figures of the ablation study: curves of the test rows, and differences with their intervals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..utils.figures import COLOURS, MM, WIDE
from .effects import MEASURES, NOTHING, finding, guessing, log_of, verdict
from .plan import PAPER_LOSS, SHIFT, Cell, Comparison
from .runs import Study

LINES = ("-", "--")
"""With and without Shift3D, as in the paper."""

TASK_COLOURS = (COLOURS[0], COLOURS[2], COLOURS[3])
LOSS_COLOURS = (COLOURS[1], COLOURS[0], COLOURS[6], COLOURS[2], COLOURS[3])

HIGH = 62 * MM
"""Height of a panel with curves in inches."""

SEED = {"marker": "|", "linestyle": "", "markersize": 6, "markeredgewidth": 0.7}
PAPER = {"marker": "D", "linestyle": "", "markersize": 3.5, "fillstyle": "none", "color": COLOURS[1]}

OVER_CURVES = {"frameon": True, "facecolor": "white", "edgecolor": "none", "framealpha": 0.85}
"""Of a legend that curves may run behind."""

ROW = 4.2 * MM
LINE = 8
"""Height of a line of text in points."""


def fig_4(study: Study, comparisons: Sequence[Comparison], found: pd.DataFrame) -> Figure:
    """Test loss with and without Shift3D, of networks with one task (A-C) and with all three (D)."""
    shown = [one for one in comparisons if len(one.pairs) == 1]
    figure, grid = pyplot.subplots(2, 2, figsize=(WIDE, 2 * HIGH), sharex=True)
    colours = (*TASK_COLOURS, COLOURS[6])
    for panel, letter, one, colour in zip(grid.flat, "ABCD", shown, colours, strict=True):
        _with_and_without(panel, study, one.pairs[0], "test_loss", colour)
        names = {"auc": "AUC", "loss_mean": "loss"}
        _title(panel, f"{letter}  {one.where[0].upper()}{one.where[1:]}", _findings(found, one, names))
        _show_guessing([panel], one.tasks)
        panel.set_ylabel("test loss")
    above = "Above: what Shift3D changes in the AUC at the end and in the mean loss over all epochs, with 95 % interval"
    figure.supxlabel(f"epoch ({_seeds(study)})\n{above}", fontsize=7)
    return figure


def fig_9(study: Study, comparisons: Sequence[Comparison], found: pd.DataFrame) -> Figure:
    """Test loss of three tasks by the loss they are trained with, and what Shift3D and the losses change."""
    below = _height(found[found.measure == "auc"])
    figure = pyplot.figure(figsize=(WIDE, HIGH + below))
    upper, lower = figure.subfigures(2, height_ratios=[HIGH, below])
    by_loss = [one.pairs[0] for one in comparisons if one.what == SHIFT and len(one.pairs) == 1]
    panels = upper.subplots(1, 2, sharex=True, sharey=True)
    for panel, letter, shift, where in zip(panels, "AB", (1, 0), ("without Shift3D", "with Shift3D"), strict=True):
        for pair, colour in zip(by_loss, LOSS_COLOURS, strict=False):
            _curve(panel, study, pair[shift], "test_loss", colour, LINES[shift], f"{pair[shift].loss} loss")
        lines = [f"AUC of {PAPER_LOSS} loss instead of"]
        for one in (one for one in comparisons if one.where == where):
            lines += _findings(found, one, {"auc": one.what.removeprefix(f"{PAPER_LOSS} instead of ")})
        _title(panel, f"{letter}  {where[0].upper()}{where[1:]}", lines)
        panel.set_ylabel("test loss, mean of three tasks" if shift else None)
    _show_guessing(panels, comparisons[0].tasks)
    upper.supxlabel(f"epoch ({_seeds(study)}; differences with 95 % interval)", fontsize=7)
    headline = next(one for one in comparisons if one.headline)
    panels = lower.subplots(1, 2, sharey=True)
    for panel, letter, name in zip(panels, "CD", ("loss_mean", "auc"), strict=True):
        _differences(panel, found[found.measure == name])
        title = MEASURES[name].title
        _title(
            panel, f"{letter}  {title[0].upper()}{title[1:]}", _findings(found, headline, {name: SHIFT})[0].split(": ")
        )
    lower.legend(handles=_legend(found), loc="outside lower center", ncols=4)
    return figure


def fig_10(study: Study, comparisons: Sequence[Comparison], found: pd.DataFrame) -> Figure:
    """Severity by transfer from the two diagnoses, with Shift3D kept and removed."""
    shift, transfer = comparisons
    figure, panels = pyplot.subplots(1, 3, figsize=(WIDE, HIGH), sharex=True)
    shown = {
        "loss_mean": ("test_loss", "loss", "mean over the epochs"),
        "accuracy": ("test_accuracy_severity", "accuracy", "at the end"),
        "auc": ("test_auc_severity", "AUC", "at the end"),
    }
    for panel, letter, (name, (column, title, when)) in zip(panels, "ABC", shown.items(), strict=True):
        _with_and_without(panel, study, shift.pairs[0], column, TASK_COLOURS[2], ("kept", "removed"))
        lines = [f"Shift3D kept, {when}:", *_findings(found, shift, {name: ""})[0].split(": ")]
        _title(panel, f"{letter}  Test {title} of severity", lines)
        panel.set_ylabel(f"test {title}")
    _show_guessing(panels[:1], shift.tasks)
    figure.supxlabel(f"epoch of transfer ({_seeds(study)}; differences with 95 % interval)", fontsize=7)
    _, whole = transfer.pairs[0]
    ends = [log_of(study.folder(run)).test_auc_severity.iloc[-1] for run in study.runs(whole)]
    line = panels[2].axhline(np.mean(ends), color="0.3", linestyle=":", label="three tasks at once")
    panels[2].legend(handles=[line], **OVER_CURVES)
    return figure


def differences(found: pd.DataFrame) -> Figure:
    """Differences in test AUC, one row a comparison, beside those that the paper gives."""
    rows = found[found.measure == "auc"]
    figure, panel = pyplot.subplots(figsize=(WIDE, _height(rows)))
    _differences(panel, rows)
    [mean] = [row for _, row in rows.iterrows() if row.headline]
    _title(panel, f"{mean.what[0].upper()}{mean.what[1:]}", [f"test AUC, {mean['where']}: {finding(mean)}"])
    figure.legend(handles=_legend(rows), loc="outside lower center", ncols=4)
    return figure


def _with_and_without(panel, study, pair, column, colour, names=("with Shift3D", "without Shift3D")):
    for cell, line, name in zip(pair, LINES, names, strict=True):
        _curve(panel, study, cell, column, colour, line, name)
    panel.legend(**OVER_CURVES)


def _curve(panel: Axes, study: Study, cell: Cell, column: str, colour: str, line: str, name: str) -> None:
    """The median of the seeds, which one that starts badly does not hide, and thin lines for each."""
    values = np.array([log_of(study.folder(run))[column] for run in study.runs(cell)])
    epochs = np.arange(1, values.shape[1] + 1)
    panel.plot(epochs, values.T, line, color=colour, linewidth=0.5, alpha=0.4)
    panel.plot(epochs, np.median(values, axis=0), line, color=colour, label=name)
    panel.set_xlim(1, max(2, len(epochs)))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))


def _show_guessing(panels: Sequence[Axes], tasks: Sequence[str]) -> None:
    """A line where a loss is no better; of losses that are much worse, as in first epochs, not all is shown."""
    guessed = guessing(tasks)
    low = min(panel.dataLim.y0 for panel in panels)
    high = min(max(panel.dataLim.y1 for panel in panels), 1.5 * guessed)
    for panel in panels:
        panel.axhline(guessed, color="0.6", linestyle=":", linewidth=0.8, label="guessing")
        panel.set_ylim(min(0.97 * low, 0.95 * guessed), max(1.03 * high, 1.05 * guessed))
        panel.legend(**OVER_CURVES)


def _seeds(study):
    count = len(study.config["seeds"])
    return f"median and {count} seeds" if count > 1 else "1 seed"


def _differences(panel: Axes, rows: pd.DataFrame) -> None:
    """A row a comparison, under what is changed; the mean is a larger dot."""
    height, ticks, bold = -1, {}, set()
    for what, group in rows.groupby("what", sort=False):
        if rows.what.nunique() > 1:
            height += 1
            ticks[height] = what[0].upper() + what[1:]
            bold.add(height)
        for _, row in group.iterrows():
            height += 1
            ticks[height] = row["where"]
            _difference(panel, row, height)
    panel.axvline(0, color="0.3", linewidth=0.6, zorder=0)
    panel.set(ylim=(height + 0.6, -0.6), xlabel=f"difference in {MEASURES[rows.measure.iloc[0]].title}")
    panel.set_yticks(list(ticks), ticks.values())
    panel.tick_params(axis="y", length=0)
    for height, label in zip(ticks, panel.get_yticklabels(), strict=False):  # shared ones have none
        label.set_fontweight("bold" if height in bold else "normal")


def _difference(panel, row, height):
    colour = _colour(verdict(row))
    panel.plot(row.by_seed, [height] * len(row.by_seed), color=colour, **SEED)
    panel.hlines(height, row.low, row.high, color=colour, linewidth=1.1)
    panel.plot(row.difference, height, "o", color=colour, markersize=5 if row.headline else 3.5)
    panel.plot(row.published, height, **PAPER)
    means = f"{row.changed:.3f} against {row.against:.3f}"
    panel.annotate(means, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=6.5)


def _colour(said):
    return "0.45" if said == NOTHING else COLOURS[0]


def _legend(rows):
    """What the marks of differences are."""
    interval = {"marker": "o", "markersize": 3.5}
    handles = [
        Line2D([], [], color=_colour("shown"), label="mean, 95 % interval without 0", **interval),
        Line2D([], [], color=_colour(NOTHING), label=f"interval with 0: {NOTHING}", **interval),
        Line2D([], [], color="0.45", label="a seed", **SEED),
    ]
    return [*handles, Line2D([], [], label="paper", **PAPER)] if rows.published.notna().any() else handles


def _height(rows):
    return (len(rows) + rows.what.nunique()) * ROW + 22 * MM


def _findings(found, comparison, names):
    """A line for each measure, by the name that it has there."""
    rows = found[(found.what == comparison.what) & (found["where"] == comparison.where)].set_index(
        "measure", drop=False
    )
    return [f"{shown} {finding(rows.loc[name])}".strip() for name, shown in names.items()]


def _title(panel, title, lines):
    panel.set_title(title, loc="left", fontweight="bold", pad=3 + LINE * len(lines))
    panel.text(0, 1.015, "\n".join(lines), transform=panel.transAxes, va="bottom", fontsize=6.5, in_layout=False)
