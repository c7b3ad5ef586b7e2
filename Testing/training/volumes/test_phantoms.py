"""The phantom cohort: labels that follow from what the images show, and files that come out the same every time."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import heed_interrupts
from covidmtl_training.phantoms import cases as phantom_cases
from covidmtl_training.phantoms.cohort import make_cohort
from covidmtl_training.phantoms.labels import STATES, draw_cases
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.segmentation.classical import segment_classical
from COVIDMTLLib.utils.errors import InputError
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

TRAINING = Path(__file__).parents[3] / "Training"


COARSE = 10.0
LABELS = ["covid_ct", "covid_nat", "severity"]


def phantoms(*arguments, **options):
    command = [sys.executable, TRAINING / "phantoms.py", *arguments]
    return subprocess.Popen(list(map(str, command)), stdout=-1, stderr=-1, text=True, **options)


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    return folder, make_cohort(folder, 6, spacing=COARSE, seed=2)


@pytest.fixture(scope="module")
def table():
    return draw_cases(1200, seed=1)


@pytest.fixture(scope="module")
def images(table):
    """Phantoms of two cases of each kind, those with most consolidation."""
    found = {}
    for kind, cases in table.groupby("kind"):
        rows = cases.nlargest(2, "consolidation").to_dict("records")
        found[kind] = [(case, phantom_cases.make(case, 5.0)) for case in rows]
    return found


def test_a_case_depends_on_the_seed_and_its_number_alone():
    few, more, other = draw_cases(40, 5), draw_cases(90, 5), draw_cases(40, 6)
    pd.testing.assert_frame_equal(few, more[:40])
    assert not few.ground_glass.equals(other.ground_glass) and not few.anatomy.isin(other.anatomy).any()
    assert few.anatomy.is_unique and few.case.is_unique


def test_classes_have_the_shares_of_table_1():
    found = draw_cases(6000, test_share=0.25)
    rows = pd.read_csv(TRAINING / "reference" / "published_table1.csv", index_col="row")[["training", "testing"]]
    counts = rows.apply(pd.to_numeric, errors="coerce").sum(axis=1)
    shares = counts / counts["Cases"]
    severity = ["control/suspected", "mild/regular", "severe/critically ill"]
    assert found.covid_ct.mean() == pytest.approx(shares["COVID-CT: positive"], abs=0.02)
    assert found.covid_nat.mean() == pytest.approx(shares["COVID-NAT: positive"], abs=0.02)
    for label, name in enumerate(severity):
        assert (found.severity == label).mean() == pytest.approx(shares[f"COVID-Severity: {name}"], abs=0.02)
    assert (found.covid_ct != found.covid_nat).mean() == pytest.approx((259 + 22) / 1329, abs=0.02)
    test = (found.split == "test").groupby(found.covid_nat).mean()
    assert test.to_numpy() == pytest.approx([0.25, 0.25], abs=0.001)


def test_labels_follow_from_the_opacities_mostly_but_not_wholly(table):
    kinds = pd.get_dummies(table.kind)
    known = np.column_stack([table.ground_glass, table.consolidation, table.lean.abs(), kinds])
    forest = RandomForestClassifier(60, min_samples_leaf=8, random_state=0)
    auc = {}
    for task in LABELS:
        found = cross_val_predict(forest, known, table[task], cv=4, method="predict_proba")
        auc[task] = np.mean([roc_auc_score(table[task] == label, found[:, label]) for label in range(found.shape[1])])
    assert 0.97 < auc["covid_ct"] < 0.995
    assert 0.85 < auc["covid_nat"] < 0.93
    assert 0.89 < auc["severity"] < 0.94


def test_the_image_shows_what_the_table_says(images):
    for kind in ("viral", "bacterial"):
        for case, phantom in images[kind]:
            lungs, opacities = phantom.lungs.array, phantom.opacities.array
            assert not opacities[lungs == 0].any()
            for label, column in ((1, "ground_glass"), (2, "consolidation")):
                assert np.sum(opacities == label) == pytest.approx(case[column] * np.sum(lungs > 0), rel=0.12, abs=50)
            in_lung = [np.mean(opacities[lungs == side] > 0) for side in (1, 2)]
            if kind == "bacterial":
                assert min(in_lung) < 0.1 * max(in_lung), "one lung"
            elif abs(case["lean"]) < 0.5:
                assert min(in_lung) > 0.4 * max(in_lung), "both lungs"


def test_dense_opacities_are_lost_to_thresholding(images):
    lost = {kind: [_lost(phantom) for _, phantom in found] for kind, found in images.items()}
    assert min(lost["viral"] + lost["bacterial"]) > 0.1 and max(lost["none"]) < 0.02


def _lost(phantom):
    lungs, found = phantom.lungs.array > 0, segment_classical(phantom.ct.array)
    return 1 - np.sum(found & lungs) / lungs.sum()


def test_any_resolution_shows_the_same_patient(table):
    case = table[table.state == "severe"].to_dict("records")[0]
    fine, coarse = (phantom_cases.make(case, spacing) for spacing in (3.0, 7.0))
    assert fine.ct.geometry.spacing == (3, 3, 3) and coarse.ct.geometry.spacing == (7, 7, 7)
    for what in ("lungs", "opacities"):
        ml = [np.sum(getattr(p, what).array > 0) * p.ct.geometry.voxel_volume for p in (fine, coarse)]
        assert ml[0] == pytest.approx(ml[1], rel=0.06)


def test_an_offset_moves_the_scan_and_not_the_patient():
    options = {"ground_glass": 0.1, "spacing": (5.0, 5.0, 5.0), "size": 0.9}
    still, moved = thorax(4, **options), thorax(4, offset=(15.0, -10.0, 20.0), **options)
    assert np.subtract(moved.ct.geometry.origin, still.ct.geometry.origin) == pytest.approx([15, -10, 20])
    for what in ("lungs", "opacities"):
        here, there = getattr(still, what).array, getattr(moved, what).array
        assert np.array_equal(here[4:, :-2, 3:], there[:-4, 2:, :-3]) and here.any()


def test_lean_and_pattern_say_where_opacities_lie():
    options = {"ground_glass": 0.1, "spacing": (5.0, 5.0, 5.0), "size": 0.9}
    for lean in (-2.0, 2.0):
        phantom = thorax(4, lean=lean, **options)
        right, left = (np.mean(phantom.opacities.array[phantom.lungs.array == side] > 0) for side in (1, 2))
        assert (left - right) * lean > 0.2
    with pytest.raises(InputError, match="must be one of peripheral, lobar, not central"):
        thorax(4, pattern="central")


def test_cohort_is_a_case_table_with_its_files(cohort):
    folder, table = cohort
    pd.testing.assert_frame_equal(pd.read_csv(folder / "cases.csv", keep_default_na=False), table)
    initial = pd.read_csv(folder / "initial.csv", keep_default_na=False)
    assert list(table.columns[:7]) == ["case", "ct", "lungs", *LABELS, "split"]
    assert initial.drop(columns="lungs").equals(table.drop(columns="lungs"))
    assert {"state", "kind", "ground_glass", "consolidation"} <= set(table)
    assert set(table.kind) <= {"none", "viral", "bacterial"} and set(table.state) <= set(STATES)
    for row, found in zip(table.itertuples(), initial.lungs, strict=True):
        ct, lungs, thresholded = read_ct(folder / row.ct), read_mask(folder / row.lungs), read_mask(folder / found)
        assert ct.array.dtype == np.int16 and set(np.unique(lungs.array)) == {0, 1, 2}
        assert ct.geometry == lungs.geometry == thresholded.geometry and ct.geometry.spacing == (COARSE,) * 3
    assert (folder / "overview.png").read_bytes().startswith(b"\x89PNG")


def test_jobs_and_interruption_do_not_change_a_cohort(cohort, tmp_path):
    folder, _ = cohort
    options = ("--out", tmp_path, "--cases", 40, "--spacing", COARSE, "--seed", 2, "--jobs", 2)
    run = phantoms(*options, start_new_session=True, preexec_fn=heed_interrupts)
    while run.poll() is None and not list(tmp_path.glob("lungs/*.nrrd")):
        time.sleep(0.05)
    os.killpg(run.pid, signal.SIGINT)
    errors = run.communicate(timeout=60)[1]
    assert run.returncode == 130 and errors.endswith("phantoms: stopped; the same command goes on from here.\n")
    left = content(tmp_path)
    assert not any(part.startswith(".") for path in left for part in path.parts) and Path("cases.csv") not in left
    table = make_cohort(tmp_path, 6, spacing=COARSE, seed=2)
    assert len(table) == 6
    whole, found = content(folder), content(tmp_path)
    assert all(found[path] == whole[path] for path in whole)
    assert all(found[path] == left[path] for path in left)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"cases": 0}, "at least one case, not 0"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
        ({"spacing": 0.0}, "spacing must be 0.5 to 15.0 mm, not 0.0"),
        ({"spacing": float("nan")}, "spacing must be 0.5 to 15.0 mm, not nan"),
        ({"test_share": 1.0}, "share of test cases must be 0 or more and below 1"),
        ({"jobs": 0}, "number of jobs must be 1 or more"),
    ],
)
def test_numbers_that_make_no_cohort_are_refused(tmp_path, wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        make_cohort(tmp_path / "out", **{"cases": 1} | wrong)
    assert not (tmp_path / "out").exists()


def test_cohorts_do_not_mix(cohort):
    folder, _ = cohort
    before = content(folder)
    run = phantoms("--out", folder, "--cases", 3, "--spacing", 6)
    errors = run.communicate(timeout=60)[1]
    assert run.returncode == 2 and content(folder) == before
    assert errors.startswith("phantoms: ") and "another seed, spacing or version" in errors and errors.count("\n") == 1
