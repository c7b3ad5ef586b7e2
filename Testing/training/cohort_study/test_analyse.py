"""Tables 1 and 5 and figures 5, 6 and 8 of the paper, on a made-up cohort and on the real one."""

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from covidmtl_training.cohort import cohort
from covidmtl_training.cohort_study import table1, welch
from covidmtl_training.cohort_study.compare_studies import compare_studies
from covidmtl_training.cohort_study.importance import top_features
from covidmtl_training.cohort_study.lung_densities import lung_densities
from covidmtl_training.utils.figures import MM
from COVIDMTLLib.assessment.output import write_features
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.reports import cohort_densities
from COVIDMTLLib.utils.errors import InputError
from scipy.stats import ttest_ind
from support.data.made_up_cohort import made_up_cohort

TRAINING = Path(__file__).parents[3] / "Training"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return made_up_cohort(tmp_path_factory.mktemp("cohort"))


@pytest.fixture(scope="module")
def whole(folder):
    return cohort.load(folder)


def width(path):
    """Width of a figure in mm, and whether there is anything on it."""
    pixels = matplotlib.image.imread(path)
    return pixels.shape[1] / 300 / MM, pixels[..., :3].std() > 0.05


@pytest.fixture(scope="module")
def analysed(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("analysed")
    command = [sys.executable, TRAINING / "analyse.py", "--cohort", folder, "--out", out]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    return out, run.stdout


def test_analysis_of_a_made_up_cohort(analysed, whole):
    out, said = analysed
    assert "of 26 published numbers" in said and "of 216 published numbers" in said
    for name in ("figure_5", "figure_6"):
        assert width(out / f"{name}.png") == (pytest.approx(175, abs=0.2), True)
        assert (out / f"{name}.svg").read_text().startswith("<?xml")
    described = pd.read_csv(out / "table_1.csv", index_col="row")
    train, _ = cohort.paper_split(whole)
    assert int(described.training["Cases"]) == 112 and int(described.testing["Cases"]) == 48
    assert int(described.training["Female"]) == (train.patients.Gender == "Female").sum()
    own = pd.read_csv(out / "table_5_own.csv").feature
    found = pd.read_csv(out / "features_found.csv")
    assert 10 <= len(own) <= 30 and found.feature[found.here].tolist() == own.tolist()
    assert found.paper.sum() == 24
    importance = pd.read_csv(out / "importance.csv", index_col="feature")
    assert importance.index.tolist() == list(FEATURE_NAMES) and importance.loc["Minimum"].sum() == 0
    assert top_features(importance) == own.tolist()


def test_welch_of_two_classes_is_the_square_of_welchs_t(whole):
    table = welch.welch_anova(whole, ["Energy", "Imc1"]).set_index("feature")
    for name in table.index:
        values, positive = whole.features[:, FEATURE_NAMES.index(name)], whole.labels[:, 0] == 1
        t = ttest_ind(values[positive], values[~positive], equal_var=False)
        assert table["covid_ct stat"][name] == pytest.approx(t.statistic**2)
        assert table["covid_ct df2"][name] == pytest.approx(t.df)
        assert table["covid_ct sig"][name] == pytest.approx(t.pvalue)


def test_figure_8_of_two_patients(whole, tmp_path):
    first, second = whole.patients.PID[[3, 8]]
    table = compare_studies(whole, [str(first), str(second)], tmp_path, ["Energy", "Imc1", "Maximum"])
    assert set(table.feature) == {"Energy", "Imc1", "Maximum"}
    assert np.all(np.diff(table.difference.abs()) <= 0)
    energy = whole.features[:, FEATURE_NAMES.index("Energy")]
    row = table.set_index("feature").loc["Energy"]
    assert row[f"patient {first}"] == pytest.approx((energy[3] - energy.min()) / np.ptp(energy))
    assert row.difference == pytest.approx((energy[8] - energy[3]) / np.ptp(energy))
    assert width(tmp_path / "figure_8.png") == (pytest.approx(175, abs=0.2), True)


def test_figure_8_of_a_new_ct_within_the_cohort(whole, tmp_path):
    """Its features are read as the main job writes them, from the folder of an assessment."""
    values = dict(zip(FEATURE_NAMES, whole.features.max(axis=0).tolist(), strict=True))
    values["Energy"] *= 100
    case = tmp_path / "case"
    case.mkdir()
    write_features(values, case / "features.csv")
    table = compare_studies(whole, [str(case)], tmp_path / "out").set_index("feature")
    assert table.index[0] == "Energy" and table.case["Energy"] > 10  # far outside, and drawn at the edge
    assert table.case.drop("Energy").to_numpy() == pytest.approx(1)
    assert table.difference["Imc1"] == pytest.approx(1 - table["cohort 50 %"]["Imc1"])
    (case / "features.csv").write_text("Energy\n1\n")
    with pytest.raises(InputError, match="375 features of one CT"):
        compare_studies(whole, [str(case)], tmp_path / "refused")
    assert not (tmp_path / "refused").exists()


def test_densities_of_the_cohort_are_those_that_reports_show(cohort_folder, analysed, whole):
    shipped = pd.read_csv(Path(cohort_densities.__file__).with_name(cohort_densities.TABLE))
    pd.testing.assert_frame_equal(lung_densities(cohort.load(cohort_folder)), shipped)
    assert sum(cohort_densities.patients().values()) == 1329
    pd.testing.assert_frame_equal(pd.read_csv(analysed[0] / "lung_densities.csv"), lung_densities(whole))


def test_table_1_is_the_papers(cohort_folder):
    found = table1.compare(table1.table_1(*cohort.paper_split(cohort.load(cohort_folder))))
    assert len(found) == 26 and found.agrees.all()


def test_table_5_is_the_papers_to_every_printed_digit(cohort_folder):
    table = welch.welch_anova(cohort.load(cohort_folder))
    found = welch.compare(table)
    assert len(found) == 24 * 3 * 3 and found.agrees.all(), found[~found.agrees]
    assert len(welch.significant(table)) == 16  # section 5.5
