"""The cohort in the layout of the authors' release.

What is read, and what is taken for granted of it:

- ``radiofeatures.csv``: a column ``PID`` and the 375 features under the names of PyRadiomics; unnamed columns are
  row numbers. Its rows are the cohort, in its order.
- ``Patients.xlsx``: one row a patient of the whole collection, more than have a CT. The patient's number is in
  ``Patient`` ("Patient 12") or ``PID``; then ``Hospital``, ``Age``, ``Gender``, ``CT``, ``Morbidity`` and a column
  with "nucleic" in its name. The targets follow from the last three unless it has them.
- ``ClinicalFeatures.xlsx``, if there: one or more sheets with ``PID`` and laboratory values by abbreviation.
- ``StandardCTInfo.xlsx``, if there: ``PID`` and measures of the lung volume, carried along with the patients.

Letters' case, spaces and punctuation in the names of columns do not matter. The two ``.ppl`` files are pickles, which
can run any code when read, and are left alone.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
from COVIDMTLLib.utils.errors import InputError

from ..utils.spreadsheets import read_sheets, read_table

BY_RESULT = {"negative": 0, "positive": 1}
BY_MORBIDITY = {"control": 0, "suspected": 0, "mild": 1, "regular": 1, "severe": 2, "criticallyill": 2}
LABELS = {
    "COVID_CT": ("CT", BY_RESULT),
    "COVID_NAT": ("NucleicAcid", BY_RESULT),
    "COVID_Severity": ("Morbidity", BY_MORBIDITY),
}
"""Target, the column it follows from, and how (Table 1 of the paper)."""

PATIENT_COLUMNS = ("Hospital", "Age", "Gender", "NucleicAcid", "CT", "Morbidity", "Mortality", *LABELS)

INFO_COLUMNS = {
    "meanvalue": "VolumeMean",
    "stdvalue": "VolumeStd",
    "totalslice": "TotalSlices",
    "firstslice": "FirstLungSlice",
    "lastslice": "LastLungSlice",
}
"""Columns of ``StandardCTInfo.xlsx`` and their names in ``patients.csv``."""


def is_release(folder: Path) -> bool:
    """Whether a folder holds the authors' spreadsheets rather than the CSV tables."""
    return (folder / "Patients.xlsx").is_file() and not (folder / "patients.csv").is_file()


def read_release(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame | None]:
    """Read the authors' release.

    Returns
    -------
    DataFrame, DataFrame, DataFrame or None
        Features, patients and laboratory values, with ``PID``, rows and columns as in the CSV tables.

    Raises
    ------
    InputError
        If a file is missing or cannot be read, or the tables do not belong together.
    """
    if not (folder / "radiofeatures.csv").is_file():
        raise InputError(f"There is no radiofeatures.csv in {folder}; it belongs beside Patients.xlsx.")
    features = _numbered(read_table(folder / "radiofeatures.csv"), "radiofeatures.csv").reset_index()
    pids = features.PID
    patients = _of(pids, _patients(folder / "Patients.xlsx"), "Patients.xlsx")
    for target, (column, classes) in LABELS.items():
        if target not in patients and column in patients:
            patients[target] = _classes(patients[column], classes)
    info = folder / "StandardCTInfo.xlsx"
    if info.is_file():
        (table, *_) = read_sheets(info).values()
        table = _numbered(table, info.name).rename(columns=lambda name: INFO_COLUMNS.get(_plain(name), name))
        wanted = [name for name in INFO_COLUMNS.values() if name in table]
        patients = patients.join(table[wanted].reindex(pids).reset_index(drop=True))
    return features, patients, _labs(folder / "ClinicalFeatures.xlsx", pids)


def _patients(path):
    (table, *_) = read_sheets(path).values()
    table = _numbered(table, path.name)
    known = {_plain(name): name for name in PATIENT_COLUMNS}

    def rename(name):
        return "NucleicAcid" if "nucleic" in str(name).lower() else known.get(_plain(name), name)

    return table.rename(columns=rename)


def _labs(path, pids):
    if not path.is_file():
        return None
    sheets = [
        _of(pids, _numbered(table, path.name), path.name).drop(columns="PID") for table in read_sheets(path).values()
    ]
    return pd.concat([pids, *sheets], axis=1)


def _numbered(table, name):
    """The table by number of the patient, without the columns of row numbers."""
    found = [column for column in table if _plain(column) in ("pid", "patient", "patientid")]
    if not found:
        raise InputError(f"{name} has no column PID or Patient; give the file as it was published.")
    pids = pd.to_numeric(table[found[0]].astype(str).str.extract(r"(\d+)(?:\.0)?$")[0])
    if pids.isna().any() or pids.duplicated().any():
        raise InputError(f"{name} has a row without a patient's number, or a patient twice; give it as published.")
    unnamed = [column for column in table if str(column).startswith("Unnamed")]
    return table.drop(columns=[found[0], *unnamed]).copy().set_index(pd.Index(pids.astype("int64"), name="PID"))


def _of(pids, table, name):
    """The rows of some patients, in their order, with ``PID``."""
    lacking = pids[~pids.isin(table.index)]
    if len(lacking):
        raise InputError(f"{name} lacks {len(lacking)} patients of radiofeatures.csv, {lacking.iloc[0]} first.")
    return table.loc[pids].reset_index()


def _classes(column, classes):
    """Classes of written labels."""
    plain = column.map(_plain)
    unknown = column[~plain.isin(classes)]
    if len(unknown):
        raise InputError(
            f"Patients.xlsx has {unknown.iloc[0]} in {column.name} of a patient with features; "
            f"known are {', '.join(classes)}."
        )
    return plain.map(classes).astype("int64")


def _plain(name):
    return re.sub(r"[^a-z0-9]", "", str(name).lower())
