"""The record of looks at the test rows: with which models, and what was seen.

Who looks often enough at test rows, and keeps what looks best, has trained on them. So every finished model is
entered when it is evaluated on them, once. The column ``note`` is for people to fill in.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from COVIDMTLLib.utils.atomic_files import staged_file

from ..evaluation.predictions import CLASSES

RECORD = Path(__file__).parents[2] / "test_looks.csv"


class Look(NamedTuple):
    """A look at the test rows.

    Attributes
    ----------
    model : str
    weights : str
        SHA-256 of the weights.
    auc : dict
        By task.
    """

    model: str
    weights: str
    auc: dict[str, float]


def record(path: Path, look: Look) -> None:
    """Enter a look, unless the same weights have been looked at before."""
    columns = ["date", "model", "weights", *CLASSES, "note"]
    known = pd.read_csv(path, dtype=str, keep_default_na=False) if path.is_file() else pd.DataFrame(columns=columns)
    if look.weights in set(known.weights):
        return
    row = [date.today().isoformat(), look.model, look.weights, *(round(look.auc[task], 4) for task in CLASSES), ""]
    with staged_file(path) as staged:
        pd.concat([known, pd.DataFrame([row], columns=columns)]).to_csv(staged, index=False)
