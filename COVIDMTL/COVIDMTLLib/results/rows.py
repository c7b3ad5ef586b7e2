"""A row a case, and tables of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..prediction.verdicts import in_words


def row_of(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a case that was assessed.

    Parameters
    ----------
    name : str
        What the case is called.
    result : mapping
        What its ``assessment.json`` holds.

    Returns
    -------
    dict
        ``case``; ``error``, empty; volumes in ml, shares of the lung at opacity densities; volume of the opacities,
        shares of the lung with them and with high opacity, and the sum of the scores of the zones; the share of the
        boundary that the image shows, the DICOM series that was read and, if there were others, why it was; why there
        is no verdict, verdicts, probabilities or likelihood ratios and whether they are stable, the number of
        warnings.
    """
    both = result["lungs"]["both"]
    row = {"case": name, "error": "", "lungs_ml": both["volume_ml"]}
    row |= {key: both[key] for key in ("ground_glass_share", "consolidation_share")}
    row |= _of_opacities(result.get("opacities"))
    row["boundary_supported"] = result["lungs"].get("boundary_supported", {}).get("both", "")  # not in older results
    row |= {key: result["ct"].get(key) or "" for key in ("series", "series_note")}  # nor is this
    row["no_verdict"] = result.get("no_verdict") or ""
    for task, answer in result["tasks"].items():
        row[task] = in_words(answer)
        if "evidence" in answer:
            keys = ("likelihood_ratio", "likelihood_ratio_low", "likelihood_ratio_high")
            row |= {f"{task}: {key.replace('_', ' ')}": answer["evidence"][key] for key in keys}
            row[f"{task}: stable"] = "yes" if answer.get("stability", {"stable": True})["stable"] else "no"
        else:
            row |= {f"{task}: {c}": p for c, p in zip(answer["classes"], answer["probabilities"], strict=True)}
    row |= {name: one["value"] for name, one in result.get("regression", {}).items()}
    return row | {"warnings": len(result["warnings"])}


def _of_opacities(measures: Mapping[str, Any] | None) -> dict[str, Any]:
    """The columns of opacities; empty cells for results from before they were measured."""
    columns = ("opacity_ml", "opacity_share", "high_opacity_share", "opacity_score")
    if measures is None or measures["both"]["opacity"] is None:
        return dict.fromkeys(columns, "")
    both = measures["both"]
    values = (both["opacity_ml"], both["opacity"]["share"], both["high_opacity"]["share"], measures["score"]["sum"])
    return dict(zip(columns, values, strict=True))


def failed_row(name: str, error: str) -> dict[str, Any]:
    """The row of a case that could not be assessed, with a sentence that says why."""
    return {"case": name, "error": error}


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns of a table, in the order in which its rows have them."""
    return list(dict.fromkeys(column for row in rows for column in row))


def write_rows(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a table as CSV; what a row does not have is an empty cell."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns_of(rows), restval="")
        writer.writeheader()
        writer.writerows(rows)
