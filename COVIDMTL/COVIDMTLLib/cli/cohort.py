"""The command ``covid-mtl cohort``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..cohort.folder import passed_over
from ..cohort.output import SUMMARY, TABLE
from ..cohort.run import assess_cohort
from ..models.store import DEFAULT_MODEL
from ..processes.cancellation import Stopped
from ..utils.text import printable
from ..utils.version import RESEARCH_USE_ONLY
from . import console
from .options import add_method, add_progress

HELP = "assess any number of CTs, on this machine or a Dask cluster; run again, it goes on where it was stopped"


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument(
        "table",
        type=Path,
        metavar="TABLE",
        help="CSV or Parquet with the columns case and ct, and any of lungs, series, age, sex and laboratory values; "
        "paths are relative to it. Or a folder, whose CTs are a case each",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the results")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="cases to assess at once (default: one for each core); each needs memory of its own, as much as covid-mtl "
        "assess, and gives it back from time to time",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster, such as tcp://head:8786, whose workers see the same files at the same paths and "
        "assess as many cases at once as they have threads",
    )
    parser.add_argument("--parquet", action="store_true", help="write the table as Parquet, too")
    add_method(parser)
    add_progress(parser)


def cohort(options: argparse.Namespace) -> None:
    """Assess the cases of a table."""
    for said in passed_over(options.table) if options.table.is_dir() else ():
        print(printable(said), file=sys.stderr)
    try:
        with console.progress(options.progress) as progress:
            rows = assess_cohort(
                options.table,
                options.out,
                jobs=options.jobs,
                scheduler=options.scheduler,
                parquet=options.parquet,
                model=options.model or DEFAULT_MODEL,
                refine=options.refine,
                device=options.device,
                grid=options.grid,
                prior=options.prior,
                failed=lambda name, reason: console.note(f"{name} failed: {reason}"),
                noted=lambda name, note: console.note(f"{name}: {note}"),
                progress=progress,
            )
    except Stopped as stop:
        raise Stopped(stop.code, "go on with the same command") from stop
    failed = sum(bool(row["error"]) for row in rows)
    told = f"{len(rows) - failed} assessed, {failed} failed: see {options.out / TABLE}"
    print(told, file=sys.stderr if options.progress == "json" else sys.stdout)
    if options.progress != "json":
        print(f"Summary: {options.out / SUMMARY}\n{RESEARCH_USE_ONLY}")
