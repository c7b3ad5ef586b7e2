"""What is known of the patients of a batch, in one table with a row a case."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from ..utils.csv_tables import check_once, read_rows
from ..utils.errors import InputError
from .patient import Patient, check_patient


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
    table = by_case(*read_rows(path), name)
    unknown = [case for case in table if case not in cases]
    if unknown:
        raise InputError(f"{name} has the case {unknown[0][:80]!r}, which is not in the folder; correct or remove it.")
    return {case: patient_of(row, case, name) for case, row in table.items()}


def by_case(
    header: Sequence[str], rows: Iterable[Sequence[str]], name: str, others: Collection[str] = ()
) -> dict[str, dict[str, str]]:
    """The rows of a table by the cases that its column ``case`` names, each by column.

    Parameters
    ----------
    header, rows : sequence of str, and of those
        As `csv_tables.read_rows` gives them.
    name : str
        What the table is called.
    others : collection of str
        Columns beside ``case``, ``age`` and ``sex`` whose names, too, may be in upper or lower case.

    Raises
    ------
    InputError
        If there is no column ``case``, or a column or a case is there twice.
    """
    known = {"case", "age", "sex", *others}
    columns = [column.casefold() if column.casefold() in known else column for column in header]
    check_once(columns, name)
    if "case" not in columns:
        raise InputError(f"{name} has no column case; add one with the names of the cases.")
    table = [dict(zip(columns, row, strict=True)) for row in rows]
    check_once((row["case"] for row in table), name)
    return {row.pop("case"): row for row in table}


def patient_of(row: Mapping[str, str], case: str, table: str) -> Patient:
    """What a row says of a patient: ``age``, ``sex`` and laboratory values, each of which may be missing.

    Raises
    ------
    InputError
        As `check_patient` does, with the case and the table named.
    """
    labs = {name: value for name, value in row.items() if name not in ("age", "sex")}
    try:
        return check_patient(row.get("age"), row.get("sex"), labs)
    except InputError as error:
        raise InputError(f"{table}, case {case}: {error}") from error
