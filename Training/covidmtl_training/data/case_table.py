"""The table of cases that a store is made of: where their volumes lie, and what is known of them.

A CSV file with a row a case. ``case`` names it. Then come ``ct``, a CT in HU, with or without ``lungs``, a mask of it;
or ``volume``, a finished lung volume (HU + 1024 in the lungs, 0 elsewhere), with or without ``lungs`` to cut it to.
``covid_ct``, ``covid_nat`` and ``severity`` hold classes of the paper's tasks, by number or name, ``split`` one of
`SPLITS`; where a cell is empty or the column is missing, the class is not known and the case is for training. Any other
column is kept in the store, for tasks that a recipe describes. Paths are relative to the table. Beside the table,
``features.csv`` or ``features.csv.gz`` may hold ``case`` and the 375 features of some or all cases.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.architectures.tasks import MISSING, TASKS
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.utils.csv_tables import check_once, read_rows
from COVIDMTLLib.utils.errors import InputError

from ..cohort.cohort import CLASSES
from ..utils.spreadsheets import UNREADABLE

SPLITS = ("train", "validation", "test")
"""Parts of a cohort; a case of which the table says nothing is in the first."""

NAMES = {task["name"]: task["classes"] for task in TASKS}
"""Of the classes of the paper's tasks."""

UNKNOWN = (MISSING,) * len(CLASSES)
"""The labels of a case of which nothing is known."""

FEATURES = ("features.csv", "features.csv.gz")

KNOWN = ("case", "ct", "lungs", "volume", "split", *CLASSES)
"""Columns that mean something whatever a recipe says."""

WHOLE_ROWS = "give all 375 features of a case or leave out its row"


@dataclass(frozen=True)
class Case:
    """A case and where it comes from.

    Attributes
    ----------
    name : str
    labels : tuple of int
        Classes of the tasks in the order of `cohort.CLASSES`; `MISSING` where none is known.
    split : str
        One of `SPLITS`.
    ct, lungs, volume : Path, optional
    features : ndarray of shape (375,), optional
        Unscaled, in the order of `FEATURE_NAMES`.
    cells : dict of str to str
        Of the other columns.
    """

    name: str
    labels: tuple[int, ...] = UNKNOWN
    split: str = SPLITS[0]
    ct: Path | None = None
    lungs: Path | None = None
    volume: Path | None = None
    features: np.ndarray | None = None
    cells: dict[str, str] = field(default_factory=dict)

    @property
    def sources(self) -> dict[str, Path]:
        """The files and folders it is made of, by column of the table."""
        paths = {"ct": self.ct, "lungs": self.lungs, "volume": self.volume}
        return {column: path for column, path in paths.items() if path is not None}


def read_case_table(path: str | Path) -> list[Case]:
    """Read a table of cases and the features beside it, in the order of the table.

    Whether the files that it leads to are there and of use is not looked at.

    Raises
    ------
    InputError
        If a table is missing, cannot be read, or holds what it should not: a case without a name that can name a file,
        twice, or without exactly one of ``ct`` and ``volume``; a label or split that there is not; features that are
        not all numbers, or of a case that the table lacks.
    """
    path = Path(path)
    rows = read_cases(path)
    for row in rows:
        if bool(row.get("ct")) == bool(row.get("volume")):
            both = "both a ct and a volume" if row.get("ct") else "neither a ct nor a volume"
            raise InputError(f"The case {row['case']} of {path.name} has {both}; give one of them.")
    found = [path.parent / name for name in FEATURES if (path.parent / name).is_file()]
    if len(found) > 1:
        raise InputError(f"Beside {path.name} lie both {' and '.join(FEATURES)}; leave one of them.")
    names = [row["case"] for row in rows]
    features = read_features(found[0], names) if found else np.full((len(rows), len(FEATURE_NAMES)), np.nan)
    return [
        Case(
            row["case"],
            row["labels"],
            row["split"],
            **{column: path.parent / row[column] for column in ("ct", "lungs", "volume") if row.get(column)},
            features=None if np.isnan(values).all() else values,
            cells=row["cells"],
        )
        for row, values in zip(rows, features, strict=True)
    ]


def read_cases(path: str | Path) -> list[dict]:
    """Read the rows of a table of cases: its cells, with ``labels`` (tuple of int) and ``split`` checked.

    ``cells`` has those of columns that mean nothing here.

    Raises
    ------
    InputError
        As `read_case_table` does, but for features and where cases come from.
    """
    name = Path(path).name
    header, lines = read_rows(path)
    if "case" not in header:
        raise InputError(f"{name} has no column case; add one with the names of the cases.")
    if not lines:
        raise InputError(f"{name} has no cases; give a row for each.")
    rows = [dict(zip(header, line, strict=True)) for line in lines]
    for row in rows:
        check_name(row["case"], name)
        row["cells"] = {column: row[column] for column in header if column not in KNOWN}
        row["labels"] = tuple(_label(row, task, name) for task in CLASSES)
        row["split"] = row.get("split") or SPLITS[0]
        if row["split"] not in SPLITS:
            raise InputError(
                f"The case {row['case']} of {name} is in the split {row['split'][:40]!r}; there are "
                f"{', '.join(SPLITS)}, and an empty cell means {SPLITS[0]}."
            )
    check_once((row["case"].casefold() for row in rows), name)  # not all disks tell A.h5 from a.h5
    return rows


def read_features(path: Path, cases: Sequence[str]) -> np.ndarray:
    """Read the features (N, 375) of some cases, float64 as written; NaN rows for cases that the table lacks.

    Raises
    ------
    InputError
        If the table cannot be read, lacks columns, names other cases or one twice, or a row has cells without a number.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except UNREADABLE as error:
        raise InputError(f"{path.name} cannot be read as a CSV table; make it again or leave it out.") from error
    missing = [column for column in ("case", *FEATURE_NAMES) if column not in table]
    if missing:
        raise InputError(f"{path.name} lacks {len(missing)} columns, {missing[0]} first; give all 375 features.")
    if (table.case == "").any() or table.case.duplicated().any():
        raise InputError(f"{path.name} should have a row for each case, every one with its own name.")
    unknown = table.case[~table.case.isin(cases)]
    if len(unknown):
        raise InputError(f"{path.name} has the case {unknown.iloc[0][:80]!r}, which the table of cases lacks.")
    try:
        # Python reads text as the nearest float64, unlike some versions of pandas.
        features = np.array([list(map(float, row)) for row in table[list(FEATURE_NAMES)].to_numpy(object)])
        features = features.reshape(-1, len(FEATURE_NAMES))
    except ValueError as error:
        raise InputError(f"{path.name} has cells without a number; {WHOLE_ROWS}.") from error
    whole = np.isfinite(features).all(axis=1)
    if not whole.all():
        raise InputError(f"{path.name} has a value that is not finite of {table.case[~whole].iloc[0]}; {WHOLE_ROWS}.")
    return pd.DataFrame(features, index=table.case).reindex(cases).to_numpy()


def check_name(case: str, table: str) -> None:
    """Raise `InputError` unless the name of a case can be that of a file."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}", case):
        raise InputError(
            f"{table} has a case {case[:40]!r}; it names files, so give it letters, digits, '_', '-' and '.' alone, "
            "a '.' not first."
        )


def _label(row, task, table):
    cell = row.get(task, "")
    if not cell:
        return MISSING
    names = [name.casefold() for name in NAMES[task]]
    if cell.strip().casefold() in names:
        return names.index(cell.strip().casefold())
    if not re.fullmatch(r"\d(\.0*)?", cell, flags=re.ASCII) or int(cell[0]) >= CLASSES[task]:
        raise InputError(
            f"The case {row['case']} of {table} has {cell[:40]!r} in {task}, whose classes are 0 to "
            f"{CLASSES[task] - 1} ({', '.join(NAMES[task])}); leave the cell empty if it is not known, or give the "
            "column another name if it is for a task of your own."
        )
    return int(cell[0])
