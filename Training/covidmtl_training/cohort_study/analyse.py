"""The patients and their lung features: Tables 1 and 5, Fig. 5 and 6 of the paper.

    python Training/analyse.py --cohort DIR --out FOLDER

Features are ranked by models trained on the paper's training rows; what is said of single features is said of
all rows, as in the paper.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import pandas as pd
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

from ..cohort import cohort
from ..utils import figures, tables
from . import table1, welch
from .box_plots import box_plots
from .heatmap import heat_map
from .importance import feature_importance, top_features
from .lung_densities import lung_densities

FIGURE_5 = (
    "Maximum",
    "LLL_glcm_Imc1",
    "LHH_glcm_ClusterShade",
    "HLH_glcm_ClusterShade",
    "GrayLevelVariance",
    "LLL_glcm_Imc2",
    "HLL_glcm_DifferenceVariance",
    "Imc2",
    "LLL_glcm_Correlation",
    "Imc1",
)
"""The ten features that the paper's authors chose for Fig. 5, as their release has them."""


def analyse(whole: cohort.Cohort, out: Path) -> dict[str, pd.DataFrame]:
    """Write the analysis of a cohort.

    Parameters
    ----------
    whole : Cohort
    out : Path
        Folder, made if need be, for ``table_1``, ``importance``, ``table_5`` (the paper's features) and
        ``table_5_own`` (those found here), ``published_table_1`` and ``published_table_5``, ``lung_densities`` (CSV
        and Markdown), ``figure_5`` and ``figure_6`` (SVG and PNG).

    Returns
    -------
    dict of DataFrame
        ``table_1``, ``table_5``: published beside reproduced, and whether they agree; ``features``: those found
        here and in the paper, as ``feature``, ``here``, ``paper``.

    Raises
    ------
    InputError
        If the cohort does not give hospital, age and sex of everyone, or no feature is significant.
    """
    train, test = cohort.paper_split(whole)
    described = table1.table_1(train, test)
    importance = feature_importance(train)
    own = top_features(importance)
    of_paper, of_own = welch.welch_anova(whole), welch.welch_anova(whole, own)
    if not welch.significant(of_paper):
        raise InputError(
            "None of the paper's features differs between the classes; the cohort is too small to analyse."
        )
    both = pd.DataFrame({"feature": list(dict.fromkeys([*own, *welch.PAPER_FEATURES]))})
    both = both.assign(here=both.feature.isin(own), paper=both.feature.isin(welch.PAPER_FEATURES))
    compared = {"table_1": table1.compare(described), "table_5": welch.compare(of_paper), "features": both}
    with staged_folder(out) as folder:
        tables.write(described, folder, "table_1")
        tables.write(importance.reset_index(), folder, "importance")
        tables.write(both, folder, "features_found")
        tables.write(lung_densities(whole), folder, "lung_densities")
        for name, table in (("table_5", of_paper), ("table_5_own", of_own)):
            tables.write(table, folder, name, shown=welch.as_printed(table))
        for name in ("table_1", "table_5"):
            tables.write(compared[name], folder, f"published_{name}")
        figures.save(box_plots(whole, FIGURE_5), folder, "figure_5")
        figures.save(heat_map(whole, welch.PAPER_FEATURES), folder, "figure_6")
    return compared


def summary(compared: dict[str, pd.DataFrame]) -> str:
    """What `analyse` found, in a few lines."""
    lines = []
    for name, title in (("table_1", "Table 1"), ("table_5", "Table 5")):
        table = compared[name]
        lines.append(f"{title}: {table.agrees.sum()} of {len(table)} published numbers come out as printed")
    features = compared["features"]
    shared = (features.here & features.paper).sum()
    lines.append(
        f"Important features: {features.here.sum()}, of which {shared} are among the paper's {features.paper.sum()}"
    )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and figures")
    options = parser.parse_args()
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        print(summary(analyse(cohort.load(options.cohort), options.out)))
    except InputError as error:
        print(f"analyse: {error}", file=sys.stderr)
        return 2
    return 0
