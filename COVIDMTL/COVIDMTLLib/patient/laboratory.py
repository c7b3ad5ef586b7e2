"""The laboratory values that may be known of a patient: their names, units, normal ranges, and what is believed."""

from __future__ import annotations

import csv
import difflib
import math
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..utils.errors import InputError
from ..utils.text import shortened

TABLE = "laboratory_values.csv"

COUNTS = {"9": "g", "12": "t"}
"""Powers of ten that laboratories write for giga and tera."""


class LabValue(NamedTuple):
    """A laboratory value, as the tables of the cohort have it.

    Attributes
    ----------
    name : str
        The cohort's abbreviation, such as ``LY``.
    title : str
        Such as ``Lymphocyte count``.
    unit : str
        Empty for a ratio.
    normal_low, normal_high : float or None
        What the cohort's hospitals call normal, in both sexes; None where that side is open.
    lowest, highest : float
        Beyond these it is a mistake, of the unit or of a decimal point: nobody lives with it, or no laboratory
        measures it.
    panel : str
        What it is measured with, such as ``Routine Blood Test``.
    """

    name: str
    title: str
    unit: str
    normal_low: float | None
    normal_high: float | None
    lowest: float
    highest: float
    panel: str

    def side(self, value: float) -> str:
        """Where a value lies beside the normal range: ``below``, ``above``, or nothing if it lies within."""
        if self.normal_low is not None and value < self.normal_low:
            return "below"
        if self.normal_high is None:
            return ""
        # A range that is open below is printed as "<15", which 15 is not.
        too_high = value >= self.normal_high if self.normal_low is None else value > self.normal_high
        return "above" if too_high else ""


def _read_table() -> dict[str, LabValue]:
    with Path(__file__).with_name(TABLE).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["name"]: _lab_value(**row) for row in rows}


def _lab_value(*, normal_low: str, normal_high: str, lowest: str, highest: str, **texts: str) -> LabValue:
    return LabValue(
        normal_low=float(normal_low) if normal_low else None,
        normal_high=float(normal_high) if normal_high else None,
        lowest=float(lowest),
        highest=float(highest),
        **texts,
    )


LABORATORY = _read_table()
"""The 81 laboratory values that the cohort defines, by name."""


def check_labs(given: Mapping[str, Any]) -> dict[str, float]:
    """The laboratory values that are known, in the order of `LABORATORY`.

    Parameters
    ----------
    given : mapping
        Name, upper or lower case, to a number, its text, or ``{"value": ..., "unit": ...}``. None and an empty
        text mean that the value is not known.

    Raises
    ------
    InputError
        If a name is not known or comes twice, or a value is no number, in another unit, or not to be believed.
    """
    names = _names(given)
    known = {names[name]: _value(LABORATORY[names[name]], value) for name, value in given.items()}
    return {name: value for name in LABORATORY if (value := known.get(name)) is not None}


def is_unknown(value: Any) -> bool:
    """Whether a value from a table says that nothing is known: None, or a text without anything in it."""
    return value is None or (isinstance(value, str) and not value.strip())


def as_number(value: Any) -> float | None:
    """A finite number from a number or its text; None for anything else."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _names(given: Mapping[str, Any]) -> dict[str, str]:
    """The name in `LABORATORY` of each name given."""
    by_folded = {name.casefold(): name for name in LABORATORY}
    folded = {name: str(name).strip().casefold() for name in given}
    unknown = [name for name, key in folded.items() if key not in by_folded]
    if unknown:
        said = ", ".join(map(shortened, unknown[:5])) + (f" and {len(unknown) - 5} more" if len(unknown) > 5 else "")
        raise InputError(
            f"There is no laboratory value {said} among the {len(LABORATORY)} of {TABLE}; "
            f"{_suggestion(str(unknown[0]), by_folded)}."
        )
    names = {name: by_folded[key] for name, key in folded.items()}
    twice = next((name for name in names.values() if list(names.values()).count(name) > 1), None)
    if twice:
        raise InputError(f"The laboratory value {twice} is given twice; leave one out.")
    return names


def _suggestion(name: str, by_folded: Mapping[str, str]) -> str:
    spelled = dict(by_folded) | {one.title.casefold(): one.name for one in LABORATORY.values()}
    close = difflib.get_close_matches(name[:40].strip().casefold(), spelled, cutoff=0.7)
    found = dict.fromkeys(spelled[one] for one in close)
    return f"write {' or '.join(found)} if that is meant, else leave it out" if found else "leave it out"


def _value(lab: LabValue, given: Any) -> float | None:
    value, unit = given, None
    if isinstance(given, Mapping):
        if not {"value"} <= given.keys() <= {"value", "unit"}:
            raise InputError(f'The laboratory value {lab.name} has to be a number, or {{"value": ..., "unit": ...}}.')
        value, unit = given["value"], given.get("unit")
    if is_unknown(value):
        return None
    number = as_number(value)
    if number is None:
        raise InputError(f"The laboratory value {lab.name} is {shortened(value)}, which is no number; correct it.")
    if not is_unknown(unit) and _plain(unit) != _plain(lab.unit):
        wanted = f"in {lab.unit}" if lab.unit else "without a unit"
        raise InputError(
            f"The laboratory value {lab.name} has to be {wanted}, and is in {shortened(unit)}; convert it."
        )
    if not lab.lowest <= number <= lab.highest:
        unit = f" {lab.unit}" if lab.unit else ""
        raise InputError(
            f"The laboratory value {lab.name} is {number:g}{unit}, and only {lab.lowest:g} to {lab.highest:g}{unit} "
            "can be true; correct its unit or decimal point, or leave it out."
        )
    return number


def _plain(unit: Any) -> str:
    """A unit without what laboratories write in several ways: case, blanks, the letter for micro, powers of ten."""
    plain = "".join(unicodedata.normalize("NFKC", str(unit)).casefold().split()).replace("μ", "u")
    return re.sub(r"^[x×*]?10[\^*]*(9|12)(?=/)", lambda power: COUNTS[power[1]], plain)
