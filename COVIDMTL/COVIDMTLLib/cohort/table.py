"""The table of the cases of a cohort: which CTs, and what is known of their patients."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..patient.table import by_case, patient_of
from ..utils.csv_tables import all_of, read_rows
from ..utils.errors import InputError
from ..utils.optional_imports import require
from .folder import cases

COLUMNS = ("ct", "lungs", "series")

LARGEST = 2**30
"""Bytes beyond which a CSV file is something else than a table of cases."""

FOLDER_NAME = re.compile(r'[^\s.\x00-\x1f<>:"/\\|?*]([^\x00-\x1f<>:"/\\|?*]{0,98}[^\s.\x00-\x1f<>:"/\\|?*])?')
"""What a folder may be called on all systems."""


@dataclass(frozen=True)
class Case:
    """A case of a cohort.

    Attributes
    ----------
    name : str
        What it and its folder are called.
    ct : Path
        Image file or DICOM folder, absolute.
    options : mapping
        What `pipeline.assess` is told of this case alone: ``lungs``, ``series``, ``age``, ``sex`` and ``labs``.
    error : str
        Why it cannot be assessed as its row has it; empty if it can be tried.
    """

    name: str
    ct: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


def read_cases(path: str | Path) -> list[Case]:
    """Read a table of cases, or find the CTs of a folder.

    Parameters
    ----------
    path : path
        CSV or Parquet with the columns ``case`` and ``ct``, and any of ``lungs``, ``series``, ``age``, ``sex`` and the
        names of `laboratory.LABORATORY`; an empty cell is a value that is not known, and paths are relative to
        the table. Or a folder, whose image files and subfolders are a case each, as `folder.cases` finds them.

    Returns
    -------
    list of Case
        In the order of the table; one whose row lacks a CT, or is as `patient.check_patient` does not take it, has an
        ``error``. Whether their CTs are there is not looked at.

    Raises
    ------
    InputError
        If the table cannot be read, lacks a column, has cases twice or some whose names no folder can have, or if all
        of its rows have an error; all of them are named.
    """
    path = Path(path).absolute()
    if path.is_dir():
        found = [Case(name, ct) for name, ct in cases(path).items()]
    else:
        read = _read_parquet if path.suffix.lower() == ".parquet" else _read_csv
        rows = by_case(*read(path), path.name, COLUMNS)
        found = [_case(name, row, path) for name, row in rows.items()]
    if not found:
        raise InputError(f"{path.name} has no case; give it a row for each CT.")
    _check_names([case.name for case in found], path.name)
    errors = [case.error for case in found if case.error]
    if len(errors) == len(found):
        raise InputError(all_of(errors))
    return found


def _read_csv(path: Path) -> tuple[list[str], list[list[str]]]:
    return read_rows(path, LARGEST)


def _read_parquet(path: Path) -> tuple[list[str], list[list[str]]]:
    require("pyarrow.parquet")
    import pyarrow
    from pyarrow import parquet

    if not path.is_file():
        raise InputError(f"There is no file {path}; check the path.")
    try:
        table = parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path.name} cannot be read as Parquet; it may be damaged or of another format.") from error
    columns = [[_text(cell) for cell in column.to_pylist()] for column in table.columns]
    return list(table.column_names), [list(row) for row in zip(*columns, strict=True)]


def _text(cell: Any) -> str:
    """A cell as it would be in CSV; what is missing is None, or NaN, which is not itself."""
    return "" if cell is None or cell != cell else str(cell).strip()  # noqa: PLR0124


def _case(name: str, row: dict[str, str], table: Path) -> Case:
    given = {column: row.pop(column, "") for column in COLUMNS}
    ct = table.parent / given["ct"]
    try:
        if not given["ct"]:
            said = f"{table.name} says of the case {name[:80]!r} not where its CT is; fill in the column ct."
            raise InputError(said)
        known = asdict(patient_of(row, name, table.name))
    except InputError as error:
        return Case(name, ct, error=str(error))
    lungs = table.parent / given["lungs"] if given["lungs"] else None
    return Case(name, ct, {"lungs": lungs, "series": given["series"] or None} | known)


def _check_names(names: list[str], table: str) -> None:
    seen: dict[str, str] = {}
    errors = []
    for name in names:
        if not FOLDER_NAME.fullmatch(name):
            errors.append(
                f"{table} has a case {name[:80]!r}, and no folder can be called so everywhere; give it a name of up to "
                'a hundred characters without any of <>:"/\\|?* and without a full stop or a blank at an end.'
            )
        other = seen.setdefault(name.casefold(), name)
        if other is not name:
            errors.append(f"{table} has the cases {other} and {name}, whose folders may be the same; rename one.")
    if errors:
        raise InputError(all_of(errors))
