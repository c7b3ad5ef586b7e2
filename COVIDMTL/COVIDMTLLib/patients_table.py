"""What is known of the patients of a batch, in one table."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from .errors import InputError
from .patient import Patient, check_patient
from .tables import check_once, read_rows


def read_patients(path: str | Path, cases: Collection[str]) -> dict[str, Patient]:
    """Read what is known of the patients of a batch.

    Parameters
    ----------
    path : path
        CSV with a column ``case`` and any of ``age``, ``sex`` and the names of `laboratory.LABORATORY`; an empty
        cell is a value that is not known.
    cases : collection of str
        What the cases of the batch are called.

    Returns
    -------
    dict
        A `Patient` for each case in the table, which need not have all cases.

    Raises
    ------
    InputError
        If the file cannot be read, has no column ``case``, a case that is unknown or comes twice, or as
        `check_patient` does, with the case named.
    """
    name = Path(path).name
    header, rows = read_rows(path)
    columns = [column.casefold() if column.casefold() in ("case", "age", "sex") else column for column in header]
    check_once(columns, name)
    if "case" not in columns:
        raise InputError(f"{name} has no column case; add one with the names of the cases.")
    table = [dict(zip(columns, row, strict=True)) for row in rows]
    check_once((row["case"] for row in table), name)
    unknown = [row["case"] for row in table if row["case"] not in cases]
    if unknown:
        raise InputError(f"{name} has the case {unknown[0][:80]!r}, which is not in the folder; correct or remove it.")
    patients = {}
    for row in table:
        case = row.pop("case")
        try:
            patients[case] = check_patient(row.pop("age", None), row.pop("sex", None), row)
        except InputError as error:
            raise InputError(f"{name}, case {case}: {error}") from error
    return patients
