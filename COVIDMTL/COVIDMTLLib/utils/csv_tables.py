"""Small tables that people give as files: read as text, refused with a sentence."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .errors import InputError

LARGEST = 8 * 2**20
"""Bytes beyond which a file is something else than such a table, or meant to use up the memory."""

MOST = 20
"""Faults of a table that are told at once."""


def read_text(path: str | Path, largest: int = LARGEST) -> str:
    """The text of a file, UTF-8 with or without a byte order mark, of at most so many bytes.

    Raises
    ------
    InputError
        If it is not there, cannot be read, is too large or is in another encoding.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError(f"There is no file {path}; check the path.")
        if path.stat().st_size > largest:
            raise InputError(
                f"{path.name} has more than {largest // 2**20} MiB, so it is no such table; check the path."
            )
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is no text in UTF-8; save it so, a spreadsheet as CSV.") from error


def read_rows(path: str | Path, largest: int = LARGEST) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a CSV file, each row as long as the header; without blank rows.

    Raises
    ------
    InputError
        As `read_text` does, or if it is no CSV with commas, or a row or a name in the header is not whole.
    """
    name = Path(path).name
    try:
        lines = list(csv.reader(io.StringIO(read_text(path, largest), newline=""), strict=True))
    except csv.Error as error:
        raise InputError(f"{name} is damaged or no CSV: {error}.") from error
    rows = [[cell.strip() for cell in line] for line in lines if any(cell.strip() for cell in line)]
    if not rows:
        raise InputError(f"{name} is empty; give a CSV file with a header.")
    header, *rows = rows
    if len(header) == 1 and any(separator in header[0] for separator in ";\t"):
        raise InputError(f"The columns of {name} are not separated by commas; save it as CSV with commas.")
    uneven = [
        f"A row of {name} that begins with {row[0][:40]!r} has {len(row)} cells, and the header {len(header)}; "
        "correct the file."
        for row in rows
        if len(row) != len(header)
    ]
    if uneven:
        raise InputError(all_of(uneven))
    if not all(header):
        raise InputError(f"{name} has a column without a name; correct the header.")
    check_once(header, name)
    return header, rows


def check_once(names: Iterable[Any], table: str) -> None:
    """Raise `InputError` if names are in a table twice."""
    twice = [name for name, number in Counter(names).items() if number > 1]
    if twice:
        raise InputError(all_of([f"{table} has {name[:40]!r} twice; leave one out." for name in twice]))


def all_of(sentences: Sequence[str]) -> str:
    """Sentences of what is wrong with a table as one, which leaves out what is too much."""
    shown = "; ".join(one.rstrip(".") for one in sentences[:MOST])
    more = f"; and {len(sentences) - MOST} more like these" if len(sentences) > MOST else ""
    return f"{shown}{more}."
