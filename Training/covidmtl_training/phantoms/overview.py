"""A page of phantoms to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from matplotlib import pyplot
from matplotlib.figure import Figure

from ..utils import figures
from . import cases
from .labels import STATES

ROWS, COLUMNS = 3, 6

HEIGHT = 59 * figures.MM
"""Of a row."""

WINDOW = (-1000, 200)
"""HU that are black and white, as for reading lungs."""

DENSE = -700
"""HU above which there is more than healthy lung."""


def overview(folder: Path, table: pd.DataFrame) -> Figure:
    """The coronal and the axial slice with most opacity of some cases of each state, with their labels.

    Parameters
    ----------
    folder : Path
        Of the cohort, with its files.
    table : DataFrame
        As `phantom_labels.draw_cases` gives it.
    """
    chosen = _some_of_each(table, ROWS * COLUMNS)
    rows = -(-len(chosen) // COLUMNS)
    figure, panels = pyplot.subplots(rows, COLUMNS, figsize=(figures.WIDE, rows * HEIGHT))
    figure.get_layout_engine().set(w_pad=0.01, h_pad=0.04)
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, case in zip(panels.flat, chosen, strict=False):
        axes.imshow(_slices(folder, case["case"]), "gray", vmin=WINDOW[0], vmax=WINDOW[1], interpolation="bilinear")
        axes.set_title(_title(case), fontsize=6.5, pad=2)
    return figure


def _slices(folder: Path, case: str) -> np.ndarray:
    """A coronal slice above an axial one, with a white line between."""
    ct = read_ct(cases.path(folder, "ct", case)).array
    lungs = read_mask(cases.path(folder, "lungs", case)).array > 0
    dense = lungs & (ct > DENSE)
    coronal, axial = ct[::-1, dense.sum(axis=(0, 2)).argmax()], ct[dense.sum(axis=(1, 2)).argmax()]
    line = np.full((max(1, len(axial) // 50), axial.shape[1]), WINDOW[1])
    return np.concatenate([coronal, line, axial])


def _some_of_each(table: pd.DataFrame, count: int) -> list[dict[str, Any]]:
    """Rows of the first cases of every state, in the order of `STATES`."""
    order = table.state.map(list(STATES).index)
    turn = table.groupby("state").cumcount()
    first = np.lexsort((order, turn))[:count]
    return table.iloc[first[np.argsort(order.to_numpy()[first], kind="stable")]].to_dict("records")


def _title(case: dict[str, Any]) -> str:
    sign = {0: "\N{MINUS SIGN}", 1: "+"}
    amount = "no opacities" if case["kind"] == "none" else f"{case['kind']}, {_share(case):.0%}"
    return f"{case['state']}\nCT {sign[case['covid_ct']]}  NAT {sign[case['covid_nat']]}\n{amount}"


def _share(case: dict[str, Any]) -> float:
    return case["ground_glass"] + case["consolidation"]
