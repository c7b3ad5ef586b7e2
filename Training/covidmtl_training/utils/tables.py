"""Tables as files, and beside those that the paper printed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "reference" / "published.yaml").read_text(encoding="utf-8"))
"""The paper's Tables 3, 4, 6, 7, 8, 9 and 10: table, then task, then model, then measure."""

MEASURES = {"precision": "Prec.", "recall": "Rec.", "f1": "F1", "accuracy": "Acc.", "auc": "AUC"}
"""The measures of the paper's tables and what it calls them; all are shares of 1 here."""


def write(table: pd.DataFrame, out: str | Path, name: str, digits: int = 3, shown: pd.DataFrame | None = None) -> None:
    """Write a table as ``name.csv``, with all its digits, and ``name.md``, rounded, into the folder ``out``.

    ``shown`` takes its place in the Markdown, where another form is easier to read.
    """
    table.to_csv(Path(out) / f"{name}.csv", index=False)
    text = markdown(table if shown is None else shown, digits)
    (Path(out) / f"{name}.md").write_text(text, encoding="utf-8")


def markdown(table: pd.DataFrame, digits: int = 3) -> str:
    """A table without its index as Markdown; of numbers that are not whole that many digits."""
    rows = [["" if pd.isna(cell) else _cell(cell, digits) for cell in row] for row in table.itertuples(index=False)]
    right = [pd.api.types.is_numeric_dtype(kind) for kind in table.dtypes]
    lines = [map(str, table.columns), ("--:" if one else "---" for one in right), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each interval (columns ``_low`` and ``_high``) in the cell of its value."""
    columns = {}
    for name in table:
        if f"{name}_low" in table:
            cells = table[[name, f"{name}_low", f"{name}_high"]].to_numpy()
            columns[name] = ["" if np.isnan(value) else f"{value:.3f} ({a:.3f}-{b:.3f})" for value, a, b in cells]
        elif not name.endswith(("_low", "_high")):
            columns[name] = table[name]
    return pd.DataFrame(columns)


def of_measures(found: Mapping[str, Mapping[str, Mapping[str, float]]]) -> pd.DataFrame:
    """Measures by task, then by model, as a table with a row for each model and task."""
    rows = [{"task": task, "model": m} | dict(values) for task, models in found.items() for m, values in models.items()]
    return pd.DataFrame(rows).rename(columns=MEASURES)


def compare(table: str, reproduced: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> pd.DataFrame:
    """A table of the paper beside its reproduction.

    Parameters
    ----------
    table : str
        One of `PUBLISHED`, such as ``table_3``.
    reproduced : mapping
        Measures by task, then by model as the paper calls it, such as `metrics.classification_metrics` gives them.

    Returns
    -------
    DataFrame
        A row for each measure that the paper gives of a model that is reproduced: ``table``, ``task``, ``model``,
        ``measure``, ``published``, ``reproduced``, ``difference``.
    """
    rows = [
        (table, task, model, MEASURES[measure], value, reproduced[task][model][measure])
        for task, models in PUBLISHED[table].items()
        for model, measures in models.items()
        if model in reproduced.get(task, {})
        for measure, value in measures.items()
    ]
    found = pd.DataFrame(rows, columns=["table", "task", "model", "measure", "published", "reproduced"])
    return found.assign(difference=found.reproduced - found.published)


def _cell(cell, digits):
    if isinstance(cell, float):
        return f"{round(cell, digits) + 0.0:.{digits}f}"  # -0.0 is 0.0
    return str(cell).replace("|", "\\|")
