"""What is known of a patient besides the CT: age, sex and laboratory values, each of which may be unknown."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..utils.csv_tables import check_once, read_rows, read_text
from ..utils.errors import InputError
from ..utils.text import shortened
from .laboratory import as_number, check_labs, is_unknown

SEXES = {"female": 0.0, "male": 1.0}
"""The sexes, as the cohort has them, and the numbers that stand for them in models."""

OLDEST = 120


@dataclass(frozen=True)
class Patient:
    """What is known of a patient, checked by `check_patient`.

    Attributes
    ----------
    age : float or None
        In years.
    sex : {"female", "male"} or None
    labs : mapping
        The laboratory values that are known, by their names in `laboratory.LABORATORY` and in its units.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> patient = covidmtl.Patient(age=64, sex="female")
    >>> assessment = covidmtl.assess("ct.nrrd", lungs="lungs.nrrd", patient=patient)
    >>> assessment.result["patient"]["age"]
    64.0
    """

    age: float | None = None
    sex: str | None = None
    labs: Mapping[str, float] = field(default_factory=dict)

    @property
    def known(self) -> dict[str, float]:
        """What is known, as models take it: ``age`` in years, ``sex`` 0 female 1 male, laboratory values by name."""
        age = {} if self.age is None else {"age": self.age}
        sex = {} if self.sex is None else {"sex": SEXES[self.sex]}
        return age | sex | dict(self.labs)


def check_patient(
    age: float | str | None = None,
    sex: str | None = None,
    labs: str | Path | Mapping[str, Any] | None = None,
    patient: Patient | None = None,
) -> Patient:
    """What is known of a patient, checked.

    Parameters
    ----------
    age : float or its text, optional
        In years, 0 to 120.
    sex : str, optional
        ``female`` or ``male``, or their first letters; upper or lower case.
    labs : path or mapping, optional
        A file for `read_labs`, or what `laboratory.check_labs` takes.
    patient : Patient, optional
        All of these in one.

    Raises
    ------
    InputError
        With one sentence on what cannot be true and what to do.
    """
    if patient is not None:
        if not (age is None and sex is None and labs is None):
            raise InputError("Age, sex and laboratory values are given twice; give them with the patient alone.")
        age, sex, labs = patient.age, patient.sex, patient.labs
    if is_unknown(age):
        age = None
    else:
        given, age = age, as_number(age)
        if age is None or not 0 <= age <= OLDEST:
            raise InputError(f"The age has to be 0 to {OLDEST} years, and {shortened(given)} is not; correct it.")
    if is_unknown(sex):
        sex = None
    else:
        given, sex = sex, str(sex).strip().casefold()
        sex = next((one for one in SEXES if sex in (one, one[0])), None)
        if sex is None:
            raise InputError(
                f"The sex has to be female or male, and {shortened(given)} is neither; leave it out if unknown."
            )
    if labs is None:
        labs = {}
    return Patient(age, sex, check_labs(labs) if isinstance(labs, Mapping) else read_labs(labs))


def read_labs(path: str | Path) -> dict[str, float]:
    """Read laboratory values from a file.

    Parameters
    ----------
    path : path
        CSV with the columns ``name``, ``value`` and, if you like, ``unit``; or CSV with a row of names and one of
        values; or JSON with a number, or ``{"value": ..., "unit": ...}``, for each name. An empty cell, and null,
        is a value that is not known.

    Returns
    -------
    dict
        The values that are known, by their names in `laboratory.LABORATORY` and in its units.

    Raises
    ------
    InputError
        If the file cannot be read, and as `laboratory.check_labs` does.
    """
    path = Path(path)
    kinds = {".csv": _from_csv, ".json": _from_json}
    if path.suffix.lower() not in kinds:
        raise InputError(
            f"Laboratory values are read from .csv and .json files, and {path.name} is neither; save it so."
        )
    given = kinds[path.suffix.lower()](path)
    try:
        labs = check_labs(given)
    except InputError as error:
        raise InputError(f"{path.name}: {error}") from error
    if not labs:
        raise InputError(f"{path.name} holds no laboratory value; fill it in, or leave it out.")
    return labs


def unused(patient: Patient, used: Collection[str], models: Sequence[str]) -> list[str]:
    """A warning if something that is known of a patient is used by none of the models, else none.

    Parameters
    ----------
    patient : Patient
    used : collection of str
        What the models use, by the names of `Patient.known`.
    models : sequence of str
        What the models are called.
    """
    left = [name for name in patient.known if name not in used]
    if not left:
        return []
    who = f"model {models[0]} does not use" if len(models) == 1 else f"none of the models {', '.join(models)} uses"
    return [f"Of what is known of the patient, {who} {', '.join(left)}."]


def _from_csv(path: Path) -> dict[str, Any]:
    header, rows = read_rows(path)
    columns = [name.casefold() for name in header]
    if {"name", "value"} <= set(columns) <= {"name", "value", "unit"}:
        cases = [dict(zip(columns, row, strict=True)) for row in rows]
        check_once((case["name"] for case in cases), path.name)
        return {case.pop("name"): case for case in cases}
    if len(rows) != 1:
        raise InputError(
            f"{path.name} has {len(rows)} rows of values; give one, or the columns name, value and unit with a value a "
            "row."
        )
    return dict(zip(header, rows[0], strict=True))


def _from_json(path: Path) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        check_once((name for name, _ in pairs), path.name)
        return dict(pairs)

    text = read_text(path)
    try:
        given = json.loads(text, object_pairs_hook=once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path.name} is damaged: it is no JSON; correct the file.") from error
    if not isinstance(given, dict):
        raise InputError(
            f"{path.name} has to be one JSON object, a number for each laboratory value; correct the file."
        )
    return given
