"""Lung features of one or two studies within the cohort (Fig. 8 of the paper).

    python Training/compare_studies.py --cohort DIR --out FOLDER STUDY [STUDY]

A STUDY is a patient of the cohort (PID), or a new CT: its features.csv, or the folder that assess wrote it to.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError
from matplotlib import pyplot
from matplotlib.figure import Figure
from sklearn.preprocessing import MinMaxScaler

from ..cohort import cohort
from ..utils import figures, tables
from ..utils.spreadsheets import numbers, read_table
from .welch import PAPER_FEATURES

HEIGHT = 100 * figures.MM
ROOM = 0.12
"""How far the figure reaches beyond 0..1; what lies further stands at its edge as an arrow."""


def study_features(whole: cohort.Cohort, study: str) -> tuple[str, np.ndarray]:
    """Title and unscaled features (375,) of a patient of the cohort or of a new CT.

    Raises
    ------
    InputError
        If there is no such patient, or no features in the file or folder.
    """
    if study.isdecimal():
        row = whole.row_of(int(study))
        return f"patient {study}", whole.features[row]
    path = Path(study)
    if path.is_dir():
        path = path / "features.csv"
    if not path.is_file():
        raise InputError(
            f"There is no {path}; give a PID of the cohort, a features.csv, or the folder assess wrote it to."
        )
    table = read_table(path)
    missing = [name for name in FEATURE_NAMES if name not in table]
    if missing or len(table) != 1:
        raise InputError(f"{path} does not hold the 375 features of one CT; give the features.csv of the main job.")
    values = numbers(table[list(FEATURE_NAMES)], path.name).to_numpy(float)[0]
    if not np.isfinite(values).all():
        raise InputError(f"{path} has cells without a number; give the features.csv of the main job.")
    return path.parent.resolve().name if path.name == "features.csv" else path.stem, values


def compare_studies(
    whole: cohort.Cohort, studies: Sequence[str], out: Path, features: Sequence[str] = PAPER_FEATURES
) -> pd.DataFrame:
    """Compare two studies with each other, or one with the cohort.

    Parameters
    ----------
    whole : Cohort
    studies : sequence of str
        One or two, as `study_features` takes them.
    out : Path
        Folder, made if need be, for ``figure_8`` (SVG and PNG) and ``compared_studies`` (CSV and Markdown).
    features : sequence of str
        Which to compare.

    Returns
    -------
    DataFrame
        A row a feature, all scaled to 0..1 by the cohort: ``feature``; 5th, 25th, 50th, 75th and 95th percentile
        of the cohort; each study; and ``difference``, second study less first, or study less median. The
        largest difference stands first.
    """
    found = [study_features(whole, study) for study in studies]
    titles = [title for title, _ in found]
    if len(set(titles)) < len(titles):
        titles = [f"{title} ({number})" for number, title in enumerate(titles, 1)]
    columns = [FEATURE_NAMES.index(name) for name in features]
    scaler = MinMaxScaler().fit(whole.features[:, columns])
    scaled = scaler.transform(whole.features[:, columns])
    table = pd.DataFrame({"feature": features})
    for percent in (5, 25, 50, 75, 95):
        table[f"cohort {percent} %"] = np.percentile(scaled, percent, axis=0)
    for title, (_, values) in zip(titles, found, strict=True):
        table[title] = scaler.transform(values[None, columns])[0]
    first = titles[0] if len(titles) > 1 else "cohort 50 %"
    table["difference"] = table[titles[-1]] - table[first]
    table = table.sort_values("difference", key=np.abs, ascending=False, kind="stable", ignore_index=True)
    with staged_folder(out) as folder:
        tables.write(table, folder, "compared_studies")
        figures.save(figure_8(table, titles), folder, "figure_8")
    return table


def figure_8(table: pd.DataFrame, titles: Sequence[str]) -> Figure:
    """The table of `compare_studies` as a figure: the cohort in grey, studies as points."""
    figure, axes = pyplot.subplots(figsize=(figures.WIDE, HEIGHT))
    rows = np.arange(len(table))
    low, high = -ROOM, 1 + ROOM
    for ends, grey, label in (((5, 95), "0.9", "cohort, central 90 %"), ((25, 75), "0.75", "cohort, central half")):
        left, right = (table[f"cohort {end} %"] for end in ends)
        axes.barh(rows, right - left, left=left, height=0.7, color=grey, label=label)
    axes.plot(table["cohort 50 %"], rows, "|", color="0.3", markersize=4, label="cohort, median")
    if len(titles) > 1:
        axes.hlines(rows, *(table[title].clip(low, high) for title in titles), color="0.3", linewidth=0.5)
    for title, colour in zip(titles, (figures.COLOURS[0], figures.COLOURS[1]), strict=False):
        inside = table[title].between(low, high)
        axes.plot(table[title][inside], rows[inside], "o", color=colour, markersize=3.5, label=title)
        for side, marker, beyond in ((low + 0.01, "<", table[title] < low), (high - 0.01, ">", table[title] > high)):
            axes.plot(np.full(beyond.sum(), side), rows[beyond], marker, color=colour, markersize=4)
    axes.set_yticks(rows, table.feature)
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(low, high), ylim=(len(table) - 0.4, -0.6), xlabel="scaled to 0..1 by the cohort")
    figure.legend(loc="outside lower center", ncols=5)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", nargs="+", help="one or two of: PID, features.csv, folder of an assessment")
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, required=True, help="folder for table and figure")
    options = parser.parse_args()
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        if len(options.study) > 2:
            raise InputError(f"{len(options.study)} studies are given; two at most can be compared.")
        table = compare_studies(cohort.load(options.cohort), options.study, options.out)
    except InputError as error:
        print(f"compare_studies: {error}", file=sys.stderr)
        return 2
    print(tables.markdown(table), end="")
    return 0
