"""Table 1 of the paper: the patients of the training and of the test rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..cohort.cohort import Cohort
from ..evaluation.predictions import CLASSES

PUBLISHED = pd.read_csv(Path(__file__).parents[2] / "reference" / "published_table1.csv", dtype=str)
"""As printed: ``row`` here, ``printed_as`` there, ``training``, ``testing``.

The paper heads the row of both sexes "Male/Female". Its tables of patients say that the first number is of the
women: 679 of 1329 are.
"""

TITLES = {"covid_ct": "COVID-CT", "covid_nat": "COVID-NAT", "severity": "COVID-Severity"}


def table_1(train: Cohort, test: Cohort) -> pd.DataFrame:
    """Cases, sex, age (mean and standard deviation), classes and hospital: ``row``, ``training``, ``testing``.

    Raises
    ------
    InputError
        If the cohort does not give hospital, age and sex of everyone.
    """
    columns = {"training": _column(train), "testing": _column(test)}
    return pd.DataFrame(columns).fillna("0").rename_axis("row").reset_index()


def compare(reproduced: pd.DataFrame) -> pd.DataFrame:
    """`table_1` beside the paper's: ``row``, ``printed_as``, ``part``, ``published``, ``reproduced``, ``agrees``."""
    published = PUBLISHED.melt(["row", "printed_as"], var_name="part", value_name="published")
    ours = reproduced.melt("row", var_name="part", value_name="reproduced")
    found = published.merge(ours, how="left", on=["row", "part"])
    return found.assign(agrees=found.published == found.reproduced)


def _column(rows):
    patients = rows.described()
    column = {"Cases": len(patients)}
    column |= {sex: (patients.Gender == sex).sum() for sex in ("Female", "Male")}
    column["Age"] = f"{patients.Age.mean():.2f} ± {patients.Age.std():.2f}"
    for index, (task, title) in enumerate(TITLES.items()):
        # The paper names the positive ones first, and severity from the mildest.
        classes = list(enumerate(CLASSES[task]))
        for number, name in classes if len(classes) > 2 else reversed(classes):
            column[f"{title}: {name}"] = (rows.labels[:, index] == number).sum()
    counts = patients.Hospital.value_counts()
    column |= {f"Hospital: {name}": count for name, count in counts.items()}
    return {row: str(cell) for row, cell in column.items()}
