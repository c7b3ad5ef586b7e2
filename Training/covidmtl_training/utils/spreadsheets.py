"""Reading tables: what cannot be read becomes one sentence."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import pandas as pd
from COVIDMTLLib.utils.errors import InputError

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile)
"""What pandas and openpyxl raise for a file that is damaged or something else than its name says."""


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV table, compressed or not. Raises `InputError` if it cannot be read."""
    try:
        return pd.read_csv(path)
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a CSV table; give the file as it was published.") from error


def read_sheets(path: Path) -> dict[str, pd.DataFrame]:
    """Read all sheets of an Excel file by name. Raises `InputError` if it cannot be read."""
    try:
        return pd.read_excel(path, sheet_name=None, engine="openpyxl")
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as an Excel file; give the file as it was published.") from error


def numbers(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """The table, if it holds numbers and empty cells only.

    Raises
    ------
    InputError
        If a column holds something else; ``name`` is the file to blame.
    """
    for column in table:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(
                f"{name} has something other than numbers in the column {column}; mend it or leave it empty."
            )
    return table
