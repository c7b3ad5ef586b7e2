"""The table of a follow-up: a row a CT."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .change import MEASURES


def write_table(result: Mapping[str, Any], path: Path) -> None:
    """Write what ``follow.json`` holds as CSV: of each CT its measures, and what they changed by since the one before.

    Of a measure ``M`` the columns are ``M``, ``M_low``, ``M_high``, and ``M_change``, ``M_change_low``,
    ``M_change_high`` and ``M_verdict``; empty is what is not there.
    """
    rows = [_row(number, one) | _changes(number, result["changes"]) for number, one in enumerate(result["cts"])]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[-1]), restval="")
        writer.writeheader()
        writer.writerows(rows)


def _row(number: int, ct: Mapping[str, Any]) -> dict[str, Any]:
    row = {"number": number + 1, "ct": ct["name"]}
    row |= {name: ct[name] for name in ("made", "slices_mm", "kernel", "scanner")}
    for one in MEASURES:
        value = ct["values"][one.key] or dict.fromkeys(("value", "low", "high"))
        row |= {one.key: value["value"], f"{one.key}_low": value["low"], f"{one.key}_high": value["high"]}
    return row


def _changes(number: int, changes: list[Mapping[str, Any]]) -> dict[str, Any]:
    found = [one for one in changes if one["to"] == number and one["from"] == number - 1]
    row = {}
    for one in MEASURES:
        change = (found[0]["measures"][one.key] if found else None) or {}
        row[f"{one.key}_change"] = change.get("change")
        row |= {f"{one.key}_change_{end}": change.get(end) for end in ("low", "high")}
        row[f"{one.key}_verdict"] = change.get("verdict")
    return row
