"""The table and the summary of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..results.rows import columns_of, write_rows
from ..utils import atomic_files
from .locks import claim
from .outcome import Outcome
from .summary import write_summary

CASES, TABLE, PARQUET, SUMMARY = "cases", "cohort.csv", "cohort.parquet", "cohort.html"


def write_results(outcomes: Sequence[Outcome], total: int, out: Path, parquet: bool) -> None:
    """Write what has come of a cohort so far; another run that does on the same folder waits meanwhile.

    Parameters
    ----------
    outcomes : sequence of Outcome
        In the order of the cases.
    total : int
        How many cases there are.
    out : Path
        Folder for the table and the summary, and that of the folder of the cases.
    parquet : bool
        Whether to write the table as Parquet, too.
    """
    rows = [outcome.row for outcome in outcomes]
    with claim(out, "cohort", wait=True):
        atomic_files.sweep(out)
        with atomic_files.staged_file(out / TABLE) as path:
            write_rows(rows, path)
        if parquet:
            with atomic_files.staged_file(out / PARQUET) as path:
                _write_parquet(rows, path)
        with atomic_files.staged_file(out / SUMMARY) as path:
            write_summary(outcomes, total, CASES, path)


def _write_parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    table = {column: [_cell(column, row.get(column)) for row in rows] for column in columns_of(rows)}
    parquet.write_table(pyarrow.table(table), path)


def _cell(column: str, value: Any) -> Any:
    """A value of a column of one type: what CSV leaves empty is missing, but for the error of a case without one."""
    return None if value == "" and column != "error" else value
