"""How well lungs were found: the measures of the paper's Table 2 and more, and their means over cases."""

from __future__ import annotations

import numpy as np
import pandas as pd
from COVIDMTLLib.measurements.overlap import overlap

MEASURES = {
    "dice": "Dice",
    "jaccard": "Jaccard",
    "mcc": "MCC",
    "precision": "Precision",
    "recall": "Recall of opacities",
    "hd95": "HD95 (mm)",
    "seconds": "Seconds",
    "of_plain": "Share of plain time",
}
"""Columns of the tables and what they are called where they are shown."""

WORST = ("dice", "precision")


def measure(predicted: np.ndarray, reference: np.ndarray, opacities: np.ndarray | None = None) -> dict[str, float]:
    """The measures of a mask that need no clock.

    Parameters
    ----------
    predicted, reference : ndarray of bool, shape (z, y, x)
        Lungs on the 1 mm working grid.
    opacities : ndarray of bool, shape (z, y, x), optional
        Opacities in the lungs.

    Returns
    -------
    dict
        ``dice``, ``jaccard``, ``mcc``, ``precision``; ``recall``, the share of the opacities that was found; ``hd95``
        in mm. NaN where there is nothing to measure.
    """
    found = np.mean(predicted[opacities]) if opacities is not None and opacities.any() else np.nan
    return overlap(predicted, reference) | {"recall": float(found), "hd95": hausdorff_95(predicted, reference)}


def hausdorff_95(predicted: np.ndarray, reference: np.ndarray) -> float:
    """95 % Hausdorff distance: what 95 % of either surface lies within of the other, in voxels, here mm.

    Parameters
    ----------
    predicted, reference : ndarray of bool, shape (z, y, x)

    Returns
    -------
    float
        NaN if a mask is empty.
    """
    from scipy.spatial import KDTree

    if not (predicted.any() and reference.any()):
        return float("nan")
    first, second = _surface(predicted), _surface(reference)
    # Of points, as there are a hundred times fewer of them than of voxels that a distance transform would fill.
    there, _ = KDTree(second).query(first, workers=-1)
    back, _ = KDTree(first).query(second, workers=-1)
    return float(np.percentile(np.concatenate([there, back]), 95))


def _surface(mask: np.ndarray) -> np.ndarray:
    """Voxels of a mask with a face to the outside: (n, 3)."""
    from scipy import ndimage

    return np.argwhere(mask & ~ndimage.binary_erosion(mask))


def summarise(cases: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation of each measure a group of cases and method, and the worst of some.

    Parameters
    ----------
    cases : DataFrame
        ``group``, ``method``, ``error`` and `MEASURES`, a row a case and method.

    Returns
    -------
    DataFrame
        In the order of the groups and methods in the table, ``cases`` and ``failed`` counted; a mean is of the cases
        that have the measure.
    """
    rows = []
    for (group, method), found in cases.groupby(["group", "method"], sort=False):
        row = {"group": group, "method": method, "cases": len(found), "failed": int((found.error != "").sum())}
        for name in MEASURES:
            row |= {f"{name}_mean": found[name].mean(), f"{name}_sd": found[name].std()}
        rows.append(row | {f"{name}_worst": found[name].min() for name in WORST})
    return pd.DataFrame(rows)


def as_shown(summary: pd.DataFrame) -> pd.DataFrame:
    """A summary to read: mean ± standard deviation in a cell, without measures that no row has."""
    table = summary[["group", "method", "cases", "failed"]].rename(columns=str.capitalize)
    for name, title in MEASURES.items():
        means, deviations = summary[f"{name}_mean"], summary[f"{name}_sd"]
        if means.notna().any():
            table[title] = [_cell(*both) for both in zip(means, deviations, strict=True)]
    return table.assign(**{f"Worst {MEASURES[name]}": summary[f"{name}_worst"] for name in WORST})


def _cell(mean: float, deviation: float) -> str:
    if np.isnan(mean):
        return ""
    return f"{mean:.3f}" if np.isnan(deviation) else f"{mean:.3f} ± {deviation:.3f}"
