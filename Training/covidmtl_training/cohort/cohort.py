"""The tables of the real cohort (section 3 of the paper), and the paper's split of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.utils.errors import InputError
from sklearn.model_selection import train_test_split

from ..utils.spreadsheets import numbers, read_table
from .release import is_release, read_release

SPLIT = {"test_size": 0.30, "random_state": 11, "shuffle": True}
"""The paper's split: these arguments, stratified by COVID_NAT, on the rows in file order."""

TARGETS = {"covid_ct": "COVID_CT", "covid_nat": "COVID_NAT", "severity": "COVID_Severity"}
"""Name of each task and its column in ``patients.csv``."""

CLASSES = {"covid_ct": 2, "covid_nat": 2, "severity": 3}
"""How many classes each task has."""


@dataclass(frozen=True)
class Cohort:
    """Patients with features and labels.

    Attributes
    ----------
    features : ndarray of shape (N, 375)
        Unscaled, in the order of `FEATURE_NAMES`.
    labels : ndarray of int, shape (N, 3)
        Classes of the tasks in the order of `TARGETS`.
    patients : DataFrame of N rows
        ``PID``, the columns of `TARGETS`, and whatever else the table of patients holds: of the real cohort
        ``Hospital``, ``Age`` (years), ``Gender`` ("Female", "Male"), the raw labels and measures of the lungs.
    labs : DataFrame of N rows, or None
        Laboratory values by abbreviation, NaN where not taken; None if the cohort comes without.
    """

    features: np.ndarray
    labels: np.ndarray
    patients: pd.DataFrame
    labs: pd.DataFrame | None = None

    def rows(self, index: np.ndarray) -> Cohort:
        """The cohort of some rows."""
        labs = None if self.labs is None else self.labs.iloc[index].reset_index(drop=True)
        return Cohort(self.features[index], self.labels[index], self.patients.iloc[index].reset_index(drop=True), labs)

    def described(self) -> pd.DataFrame:
        """`patients`, sure to have ``Hospital``, ``Age`` and ``Gender``.

        Raises
        ------
        InputError
            If a column is missing or has empty cells.
        """
        for column in ("Hospital", "Age", "Gender"):
            if column not in self.patients or self.patients[column].isna().any():
                raise InputError(f"The table of patients does not give {column} for everyone, which is needed here.")
        return self.patients

    def row_of(self, pid: int) -> int:
        """Row of a patient.

        Raises
        ------
        InputError
            If the cohort does not have this patient.
        """
        found = np.flatnonzero(self.patients.PID == pid)
        if not len(found):
            raise InputError(f"The cohort has no patient {pid}; its table of patients lists them as PID.")
        return int(found[0])


def load(folder: str | Path) -> Cohort:
    """Read a cohort from a folder, rows in the order of its features.

    The folder holds either ``features.csv.gz``, ``patients.csv`` and, if there are laboratory values,
    ``labs.csv``, rows in the same order; or the spreadsheets of the authors' release (see `release`).

    Raises
    ------
    InputError
        If a table is missing, cannot be read, lacks columns or has labels that the tasks do not know, or the
        tables do not belong together.
    """
    folder = Path(folder)
    names = ("radiofeatures.csv", "Patients.xlsx", "ClinicalFeatures.xlsx")
    if is_release(folder):
        features, patients, labs = read_release(folder)
    else:
        names = ("features.csv.gz", "patients.csv", "labs.csv")
        features, patients, labs = _read_tables(folder, names)
    for name, table, columns in (
        (names[0], features, FEATURE_NAMES),
        (names[1], patients, TARGETS.values()),
    ):
        missing = [column for column in ("PID", *columns) if column not in table]
        if missing:
            raise InputError(f"{name} lacks {len(missing)} columns, {missing[0]} first; give the cohort's own table.")
    for other, name in ((patients, names[1]), (labs, names[2])):
        if other is not None and not features.PID.equals(other.PID):
            raise InputError(f"{names[0]} and {name} in {folder} are not of the same patients in the same order.")
    if patients.PID.duplicated().any():
        raise InputError(
            f"{names[1]} in {folder} has a patient twice: {patients.PID[patients.PID.duplicated()].iloc[0]}."
        )
    values = numbers(features[list(FEATURE_NAMES)], names[0]).to_numpy(float)
    if not np.isfinite(values).all():
        raise InputError(f"{names[0]} in {folder} has cells without a number; every case needs all 375 features.")
    numbers(patients.filter(["Age"]), names[1])
    if labs is not None:
        labs = numbers(labs.drop(columns="PID"), names[2])
    return Cohort(values, _labels(patients, names[1]), patients, labs)


def paper_split(cohort: Cohort) -> tuple[Cohort, Cohort]:
    """Training and test rows of the paper (Table 1): 930 and 399 of the whole cohort."""
    nat = cohort.labels[:, list(TARGETS).index("covid_nat")]
    train, test = train_test_split(np.arange(len(nat)), stratify=nat, **SPLIT)
    return cohort.rows(train), cohort.rows(test)


def _read_tables(folder, names):
    for name in names[:2]:
        if not (folder / name).is_file():
            raise InputError(f"There is no {name} in {folder}; give the folder of the cohort tables.")
    features, patients = (read_table(folder / name) for name in names[:2])
    labs = read_table(folder / names[2]) if (folder / names[2]).is_file() else None
    if labs is not None and "PID" not in labs:
        raise InputError(f"{names[2]} lacks the column PID; give the cohort's own table.")
    return features, patients, labs


def _labels(patients, name):
    for task, column in TARGETS.items():
        unknown = patients[column][~patients[column].isin(range(CLASSES[task]))]
        if len(unknown):
            raise InputError(
                f"{name} has {unknown.iloc[0]} in {column}, whose classes are 0 to {CLASSES[task] - 1}; "
                "give the cohort's own table."
            )
    return patients[list(TARGETS.values())].to_numpy(np.int64)
