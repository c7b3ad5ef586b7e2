"""How dense the lungs of the cohort are, without and with COVID-19 by CT: what reports show beside a CT."""

from __future__ import annotations

import numpy as np
import pandas as pd
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.reports.cohort_densities import OFFSET, PERCENTILES

from ..cohort import cohort

ENDS = 0.05, 0.5, 0.95
"""Quantiles of the patients."""


def lung_densities(whole: cohort.Cohort) -> pd.DataFrame:
    """Percentiles of the density of lungs, as the middle 90 % of the patients have them.

    Parameters
    ----------
    whole : Cohort

    Returns
    -------
    DataFrame
        A row for each of `PERCENTILES` and each class of ``covid_ct``: ``feature``, ``covid_ct``, ``patients``, and
        ``low``, ``median``, ``high`` in HU, without fractions. It is ``cohort_densities.csv`` of reports.
    """
    positive = whole.labels[:, list(cohort.TARGETS).index("covid_ct")]
    rows = []
    for feature in PERCENTILES:
        hu = whole.features[:, FEATURE_NAMES.index(feature)] - OFFSET
        for label in range(cohort.CLASSES["covid_ct"]):
            inside = hu[positive == label]
            rows.append((feature, label, len(inside), *np.rint(np.quantile(inside, ENDS)).astype(int)))
    return pd.DataFrame(rows, columns=["feature", "covid_ct", "patients", "low", "median", "high"])
