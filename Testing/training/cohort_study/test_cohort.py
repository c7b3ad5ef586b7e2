"""Reading a cohort: the project's tables and the authors' spreadsheets, made up and real."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from covidmtl_training.cohort import cohort
from COVIDMTLLib.utils.errors import InputError
from support.data.made_up_cohort import made_up_cohort


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    return made_up_cohort(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return made_up_cohort(tmp_path_factory.mktemp("release"), layout="release")


def copied(source, target, without=()):
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        if file.name not in without:
            (target / file.name).write_bytes(file.read_bytes())
    return target


def test_authors_spreadsheets_give_the_same_cohort(tables, release):
    """With the targets made from the written labels, and patients without a CT left out."""
    ours, theirs = cohort.load(tables), cohort.load(release)
    assert np.array_equal(ours.features, theirs.features) and np.array_equal(ours.labels, theirs.labels)
    pd.testing.assert_frame_equal(ours.labs, theirs.labs)
    assert "VolumeMean" in theirs.patients and len(theirs.labs.columns) == 98
    pd.testing.assert_frame_equal(ours.patients, theirs.patients[ours.patients.columns], check_dtype=False)


def test_rows_stay_together(tables):
    whole = cohort.load(tables)
    for part in cohort.paper_split(whole):
        index = [whole.row_of(pid) for pid in part.patients.PID]
        assert np.array_equal(part.features, whole.features[index])
        assert np.array_equal(part.labels, whole.patients[list(cohort.TARGETS.values())].to_numpy()[index])
        assert np.array_equal(part.labs, whole.labs.iloc[index], equal_nan=True)


def test_tables_without_laboratory_values_are_enough(tables, release, tmp_path):
    assert cohort.load(copied(tables, tmp_path / "a", without=["labs.csv"])).labs is None
    assert cohort.load(copied(release, tmp_path / "b", without=["ClinicalFeatures.xlsx"])).labs is None


def reverse(path):
    pd.read_csv(path).iloc[::-1].to_csv(path, index=False)


def change(column, value, row=3):
    def apply(path):
        table = pd.read_csv(path)
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        table.to_csv(path, index=False)

    return apply


def truncate(path):
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("labs.csv", reverse, "same patients in the same order"),
        ("labs.csv", change("CRP", "high"), "other than numbers in the column CRP"),
        ("patients.csv", change("COVID_Severity", 3), "has 3 in COVID_Severity"),
        ("patients.csv", change("COVID_CT", None), "in COVID_CT"),
        ("features.csv.gz", change("Energy", None), "cells without a number"),
        ("features.csv.gz", truncate, "cannot be read as a CSV table"),
    ],
)
def test_damaged_tables_are_refused(tables, tmp_path, name, damage, sentence):
    folder = copied(tables, tmp_path / "damaged")
    damage(folder / name)
    with pytest.raises(InputError, match=sentence):
        cohort.load(folder)


def edit(column, row, value):
    """Change a cell of a spreadsheet, by number of column and row, from 1."""

    def apply(path):
        book = openpyxl.load_workbook(path)
        book.active.cell(row, column).value = value
        book.save(path)

    return apply


@pytest.mark.parametrize(
    ("name", "damage", "sentence"),
    [
        ("radiofeatures.csv", Path.unlink, "There is no radiofeatures.csv"),
        ("Patients.xlsx", edit(7, 3, "Grave"), "has Grave in Morbidity"),
        ("Patients.xlsx", edit(2, 3, "Patient 123456"), "lacks 1 patients of radiofeatures.csv"),
        ("Patients.xlsx", edit(2, 1, "Name"), "no column PID or Patient"),
        ("Patients.xlsx", edit(5, 1, "RT-PCR"), "lacks 1 columns, COVID_NAT first"),
        ("ClinicalFeatures.xlsx", truncate, "cannot be read as an Excel file"),
    ],
)
def test_damaged_spreadsheets_are_refused(release, tmp_path, name, damage, sentence):
    folder = copied(release, tmp_path / "damaged")
    damage(folder / name)
    with pytest.raises(InputError, match=sentence):
        cohort.load(folder)


def test_what_is_asked_for_and_not_there_is_named(tables, tmp_path):
    whole = cohort.load(tables)
    with pytest.raises(InputError, match="no patient 100000"):
        whole.row_of(100000)
    folder = copied(tables, tmp_path / "nameless")
    pd.read_csv(folder / "patients.csv").drop(columns="Gender").to_csv(folder / "patients.csv", index=False)
    with pytest.raises(InputError, match="does not give Gender"):
        cohort.load(folder).described()


def test_the_real_cohort(cohort_folder):
    whole = cohort.load(cohort_folder)
    assert whole.features.shape == (1329, 375) and whole.labs.shape == (1329, 98)
    assert whole.labs.isna().to_numpy().mean() == pytest.approx(0.53, abs=0.005)  # as its README has it
    assert whole.described().Gender.value_counts().to_dict() == {"Female": 679, "Male": 650}
