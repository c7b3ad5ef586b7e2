"""The tables of the real cohort (section 3 of the paper), and the paper's split of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.feature_names import FEATURE_NAMES
from sklearn.model_selection import train_test_split

SPLIT = {"test_size": 0.30, "random_state": 11, "shuffle": True}
"""The paper's split: these arguments, stratified by COVID_NAT, on the rows in file order."""

TARGETS = {"covid_ct": "COVID_CT", "covid_nat": "COVID_NAT", "severity": "COVID_Severity"}
"""Name of each task and its column in ``patients.csv``."""


@dataclass(frozen=True)
class Cohort:
    """Patients with features and labels.

    Attributes
    ----------
    features : ndarray of shape (N, 375)
        Unscaled, in the order of `FEATURE_NAMES`.
    labels : ndarray of int, shape (N, 3)
        Classes of the tasks in the order of `TARGETS`.
    """

    features: np.ndarray
    labels: np.ndarray

    def rows(self, index: np.ndarray) -> Cohort:
        """The cohort of some rows."""
        return Cohort(self.features[index], self.labels[index])


def load(folder: str | Path) -> Cohort:
    """Read ``features.csv.gz`` and ``patients.csv`` from a folder, rows in the same order.

    Raises
    ------
    InputError
        If a table is missing, lacks columns, or the tables do not belong together.
    """
    folder = Path(folder)
    tables = []
    for name, columns in (("features.csv.gz", FEATURE_NAMES), ("patients.csv", TARGETS.values())):
        if not (folder / name).is_file():
            raise InputError(f"There is no {name} in {folder}; give the folder of the cohort tables.")
        table = pd.read_csv(folder / name)
        missing = [column for column in ("PID", *columns) if column not in table]
        if missing:
            raise InputError(f"{name} lacks {len(missing)} columns, {missing[0]} first; give the cohort's own table.")
        tables.append(table)
    features, patients = tables
    if not features.PID.equals(patients.PID):
        raise InputError(
            f"features.csv.gz and patients.csv in {folder} are not of the same patients in the same order."
        )
    return Cohort(features[list(FEATURE_NAMES)].to_numpy(float), patients[list(TARGETS.values())].to_numpy(np.int64))


def paper_split(cohort: Cohort) -> tuple[Cohort, Cohort]:
    """Training and test rows of the paper (Table 1): 930 and 399 of the whole cohort."""
    nat = cohort.labels[:, list(TARGETS).index("covid_nat")]
    train, test = train_test_split(np.arange(len(nat)), stratify=nat, **SPLIT)
    return cohort.rows(train), cohort.rows(test)
