"""What came of a case, as its folder holds it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..results.rows import failed_row, row_of

DONE, FAILED = "assessment.json", "failed.json"
"""The file of a case that was assessed, and of one that could not be."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case.

    Attributes
    ----------
    row : dict
        Its row of the table.
    seconds : float
        That assessing it took.
    titles : dict
        Of the tasks, by name.
    made_with : str
        JSON of what it was assessed with: ``models``, ``lungs``, ``software``.
    """

    row: dict[str, Any]
    seconds: float = 0.0
    titles: dict[str, str] = field(default_factory=dict)
    made_with: str = ""

    @property
    def error(self) -> str:
        """Why it failed; empty if it did not."""
        return self.row["error"]


def read_outcome(folder: Path) -> Outcome | None:
    """What came of the case of a folder; None if nothing did yet."""
    if (folder / DONE).is_file():
        return _assessed(folder.name, json.loads((folder / DONE).read_text(encoding="utf-8")))
    if (folder / FAILED).is_file():
        failure = json.loads((folder / FAILED).read_text(encoding="utf-8"))
        return Outcome(failed_row(folder.name, failure["error"]))
    return None


def _assessed(name: str, result: dict[str, Any]) -> Outcome:
    ranges = [one["training_range"] for one in result["models"] if one["training_range"]]
    unusual = max((one["unusual_share"] for one in ranges), default="")
    made_with = {
        "models": [{key: model[key] for key in ("name", "version", "title", "device")} for model in result["models"]],
        "lungs": result["lungs"]["source"],
        "software": result["software"],
    }
    return Outcome(
        row_of(name, result) | {"unusual_share": unusual},
        sum(result["seconds"].values()),
        {task: answer["title"] for task, answer in result["tasks"].items()},
        json.dumps(made_with, sort_keys=True),
    )
