"""Groups of patients, in which a model may do better or worse."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .cohort import Cohort

AGES = {"under 40": 40, "40 to 59": 60, "60 to 74": 75, "75 and over": np.inf}
"""Age groups and the age at which each ends."""


def age_group(ages: pd.Series) -> pd.Series:
    """Name of the age group of each patient."""
    return pd.cut(ages, [-np.inf, *AGES.values()], right=False, labels=list(AGES))


def groupings(rows: Cohort) -> dict[str, pd.Series]:
    """Group of each patient by hospital, sex and age.

    Raises
    ------
    InputError
        If the cohort does not give these of everyone.
    """
    patients = rows.described()
    return {
        "hospital": patients.Hospital.astype("category"),
        "sex": patients.Gender.astype("category"),
        "age": age_group(patients.Age),
    }
