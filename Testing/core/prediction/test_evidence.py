"""What is said at a hospital that was not in the training: evidence, reasons for no verdict, and calibration."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import covid_mtl
from covidmtl_training.cohort import cohort
from covidmtl_training.evaluation.metrics import auc
from covidmtl_training.tabular import test_set_log
from covidmtl_training.tabular.transportable import trained_elsewhere, two_classes
from COVIDMTLLib.architectures.kernel_ridge import fit_kernel_ridge, kernel_ridge_logits
from COVIDMTLLib.assessment.output import write_features
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.cli.calibrate import calibrate_site
from COVIDMTLLib.cli.console import summary
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.store import DEFAULT_MODEL, load_model, read_card, save_model
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.prediction import likelihood_ratio, stability
from COVIDMTLLib.prediction.abstention import why_no_verdict
from COVIDMTLLib.prediction.ensemble import judge_all
from COVIDMTLLib.prediction.verdicts import judge
from COVIDMTLLib.utils.errors import InputError

ROOT = Path(__file__).parents[3]


CONFIG = yaml.safe_load((ROOT / "Training" / "recipes" / "transportable.yaml").read_text(encoding="utf-8"))
MEASURED = {"both": {"volume_ml": 4000.0}, "right": {"volume_ml": 2200.0}, "left": {"volume_ml": 1800.0}}


@pytest.fixture(scope="module")
def whole(cohort_folder):
    return cohort.load(cohort_folder)


@pytest.fixture(scope="module")
def usual():
    """The features of a case in the middle of the training's."""
    card = read_card("features")
    return dict(zip(FEATURE_NAMES, np.array(card["training_distribution"]["values"])[:, 4], strict=True))


def test_shipped_model_reaches_what_its_card_says(whole):
    model, labels = load_model("transportable"), two_classes(whole)
    _, test = cohort.paper_split(whole)
    found = [model.predict(dict(zip(FEATURE_NAMES, row, strict=True))) for row in test.features]
    for index, task in enumerate(("covid_ct", "severe")):
        probabilities = np.array([one[task] for one in found])
        at_home = auc(two_classes(test)[:, index], probabilities)
        assert at_home == pytest.approx(model.card["metrics"][task]["auc"], abs=1e-3)
    said, hospitals = trained_elsewhere(whole, CONFIG["recipe"]), whole.patients.Hospital
    for row, bar in zip(model.card["unseen"], (0.83, 0.78), strict=True):
        here = (hospitals == row["where"]).to_numpy()
        by_recipe = auc(labels[here, 0], np.stack([-said[here, 0], said[here, 0]], 1))
        # By the recipe as it was written down; what was chosen within one hospital alone is lower, and is on the card.
        assert by_recipe == pytest.approx(row["auc"]["covid_ct"]["otherwise"], abs=1e-3) and by_recipe >= bar
        assert row["auc"]["covid_ct"]["auc"] < by_recipe
    assert model.card["weights"]["sha256"] in set(pd_read(test_set_log.RECORD))


def pd_read(path):
    with path.open(encoding="utf-8") as file:
        return [row["weights"] for row in csv.DictReader(file)]


def test_regression_without_a_case_is_one_that_never_had_it():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float16).astype(float)
    labels = (x[:, :2] + rng.normal(size=(60, 2)) > 0).astype(int)
    fitted = fit_kernel_ridge(x, labels, gamma=0.1, penalty=1.0)
    others = fit_kernel_ridge(x[1:], labels[1:], gamma=0.1, penalty=1.0)
    # But for its calibration, and for the mean of the targets, which the case takes part in.
    raw = (kernel_ridge_logits(others, x[:1]) - others["bias"]) / others["slope"]
    left_out = (fitted["left_out"][0] - fitted["bias"]) / fitted["slope"]
    np.testing.assert_allclose(left_out, raw[0], atol=0.03)
    far = kernel_ridge_logits(fitted, np.full((1, 4), 1e3))
    np.testing.assert_allclose(far[0], fitted["bias"])  # where nothing is known, it says what it says of the average


def test_likelihood_ratios_are_those_of_the_distributions_that_results_come_from():
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 4000)
    said = rng.normal(labels * 1.5, 1)
    found = likelihood_ratio.describe(said, labels, np.tile(["a", "b"], 4000))
    for value in (-0.5, 0.75, 2.0):
        ratio = np.exp(1.5 * value - 1.5**2 / 2)
        weighed = likelihood_ratio.weigh(value, found, prior=0.2)
        assert weighed["likelihood_ratio"] == pytest.approx(ratio, rel=0.15)
        assert weighed["likelihood_ratio_low"] < ratio < weighed["likelihood_ratio_high"]
        (after,) = weighed["after"]
        odds = 0.25 * weighed["likelihood_ratio"]
        assert after["probability"] == pytest.approx(odds / (1 + odds)) and weighed["given"]
        assert weighed["negatives_below"] == pytest.approx(np.mean(said[labels == 0] < value), abs=0.02)
    words = [likelihood_ratio.weigh(value, found)["says"] for value in (-2.0, 0.75, 3.0)]
    assert words == [likelihood_ratio.AGAINST, likelihood_ratio.NOTHING, likelihood_ratio.FOR]
    assert [one["before"] for one in likelihood_ratio.weigh(0.0, found)["after"]] == [0.05, 0.2, 0.5]
    # Where sites disagree, the interval holds both.
    apart = likelihood_ratio.describe(said + np.tile([0, 1], 4000) * 1.5, labels, np.tile(["a", "b"], 4000))
    widths = [np.subtract(one["log_ratio_high"], one["log_ratio_low"]).mean() for one in (found, apart)]
    assert widths[1] > 3 * widths[0]


@pytest.mark.parametrize("prior", ["0", 1, "20 %", "-0.1", "nan"])
def test_probability_before_the_ct_that_is_none(prior):
    with pytest.raises(InputError, match="give a number above 0 and below 1, such as 0.2"):
        likelihood_ratio.check_prior(prior)


def test_no_probability_and_no_unqualified_word_at_an_unseen_hospital(usual):
    said = judge(usual, load_model(), prior=0.1)
    assert DEFAULT_MODEL == "transportable" and list(said["tasks"]) == ["covid_ct", "severe"]
    for task in said["tasks"].values():
        assert "probabilities" not in task and "prediction_set" not in task
        assert task["verdict"] in (likelihood_ratio.FOR, likelihood_ratio.AGAINST, likelihood_ratio.NOTHING)
    assert [one["before"] for one in said["tasks"]["covid_ct"]["evidence"]["after"]] == [0.1]
    assert len(said["tasks"]["severe"]["evidence"]["after"]) == 3  # a probability before the CT is that of COVID-19
    assert said["tasks"]["severe"]["measures"][0]["unit"] == "HU" and said["aggregate"] is None
    for name in ("features", "features+labs", "features-mtl"):
        for task in judge(usual, load_model(name))["tasks"].values():
            assert task["holds_at"] == "two hospitals in Wuhan, early 2020" and "prediction_set" not in task
    both = judge_all([load_model(), load_model("features")], [usual, usual], [None, None])
    assert both["ensemble"]["apart"] == ["covid_ct"] and list(both["tasks"]) == ["severe", "covid_nat", "severity"]


def test_reasons_for_no_verdict(usual):
    card = read_card()
    assert why_no_verdict(card, 3.0, MEASURED, usual) is None
    assert "5.0 mm apart" in why_no_verdict(card, 5.0, MEASURED, usual)
    small = {side: {"volume_ml": 300.0} for side in MEASURED}
    assert "not those of an adult" in why_no_verdict(card, 1.0, small, usual)
    one = MEASURED | {"left": {"volume_ml": 100.0}}
    assert "hardly more than one lung" in why_no_verdict(card, 1.0, one, usual)
    assert "finds none" in why_no_verdict(card, 1.0, MEASURED, None)
    strange = usual | {"Kurtosis": 1e3}
    assert "far outside all that the model was trained on, farthest by kurtosis" in why_no_verdict(
        card, 1.0, MEASURED, strange
    )
    assert why_no_verdict(read_card("features"), 5.0, small, strange) is None  # which makes no such claims


def test_result_without_a_verdict_is_a_result(phantom, tmp_path):
    """A chest of half of its size has lungs of no adult; all is measured and reported, and the reason is there."""
    done = assess(phantom.ct, tmp_path, lungs=phantom.lungs, prior=0.3)
    result = json.loads((tmp_path / "assessment.json").read_text())
    assert result["tasks"] == {} and "not those of an adult" in result["no_verdict"]
    assert result["lungs"]["both"]["volume_ml"] > 100 and (tmp_path / "features.csv").is_file()
    assert result["prior"] == 0.3 and done.models == []
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<h3>No verdict</h3>" in page and "Ground glass" in page and page.count("not those of an adult") == 1
    assert "not those of an adult" in summary(result, tmp_path)


def test_verdict_of_a_whole_chest_is_not_stable_if_it_moves_by_more_than_a_tenth(tmp_path, monkeypatch):
    phantom = thorax(5, ground_glass=0.15, spacing=(2.0, 2.0, 3.0), size=0.7)
    done = assess(phantom.ct, tmp_path, lungs=phantom.lungs)
    moved = [task["stability"] for task in done.result["tasks"].values()]
    assert done.result["no_verdict"] is None and len(moved) == 2
    for one in moved:
        assert [move["by"] for move in one["moves"]] == ["every second slice alone"]
        assert one["stable"] == all(abs(move["probability"]) <= 0.1 for move in one["moves"])
    page, text = (tmp_path / "report.html").read_text(encoding="utf-8"), summary(done.result, tmp_path)
    unstable = [task["title"] for task in done.result["tasks"].values() if not task["stability"]["stable"]]
    assert page.count('class="unstable"') == len(unstable)
    for title in unstable:
        assert f"Warning: {title}: not stable. The verdict moves by" in text
    for words in (page, text):
        assert "Likelihood ratio" in words and "nucleic acid test: no verdict" in words
    monkeypatch.setattr(stability, "MOST", 0.0)
    again = stability.stability(done.models[0], phantom.ct, done.ct, done.lungs, [], done.features, thorough=True)
    assert not again["covid_ct"]["stable"]
    words = [move["by"] for move in again["covid_ct"]["moves"]]
    assert words == ["noise of 10 HU", "a turn by 5 degrees", "every second slice alone", "every third slice alone"]


@pytest.fixture(scope="module")
def local(whole, tmp_path_factory):
    """A cohort's results with the features of 60 patients of a hospital, and their labels."""
    folder = tmp_path_factory.mktemp("site")
    rng = np.random.default_rng(0)
    chosen = rng.choice(np.flatnonzero(whole.patients.Hospital == "HUST-Union Hospital"), 60, replace=False)
    rows = []
    for number in chosen:
        case = folder / "cohort" / "cases" / f"p{number}"
        case.mkdir(parents=True)
        write_features(dict(zip(FEATURE_NAMES, map(float, whole.features[number]), strict=True)), case / "features.csv")
        (case / "assessment.json").write_text(json.dumps({"no_verdict": None, "features_of": "active-contour"}))
        ct, _, severity = whole.labels[number]
        rows.append([case.name, ("negative", "positive")[ct], severity])
    return folder, rows


def write_labels(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["case", "covid_ct", "severity"], *rows])
    return path


def test_site_makes_the_model_its_own(local, usual, tmp_path):
    folder, rows = local
    labels = write_labels(tmp_path / "labels.csv", rows)
    ran = covid_mtl("calibrate", folder / "cohort", labels, "--out", tmp_path / "ours", "--site", "St Mary")
    assert ran.returncode == 0, ran.stderr
    assert "60 cases with features" in ran.stdout and "fitted again with them" in ran.stdout
    assert "two-sample test" in ran.stdout and "AUC" in ran.stdout
    model = load_model(tmp_path / "ours")
    task = model.card["calibration"]["tasks"]["covid_ct"]
    assert task["how"] == "refit" and task["cases"] == 60 and 0.5 < task["cross_validated"]["auc"] <= 1
    said = judge(usual, model)["tasks"]["covid_ct"]
    assert said["verdict"] in ("negative", "positive") and "holds_at" not in said and "evidence" not in said
    assert sum(said["probabilities"]) == pytest.approx(1) and said["prediction_set"]["coverage"] == 0.9
    # With few cases the intercept alone is fitted, which leaves the order of cases as it was.
    few = [row for row in rows if row[1] == "negative"][:8] + [row for row in rows if row[1] == "positive"][:14]
    calibrate_site(folder / "cohort", write_labels(tmp_path / "few.csv", few), tmp_path / "few", model="transportable")
    fewer, base = load_model(tmp_path / "few"), load_model()
    assert fewer.card["calibration"]["tasks"]["covid_ct"]["how"] == "intercept"
    shift = [np.diff(fewer.runner.network(x)[0]) - np.diff(base.runner.network(x)[0]) for x in np.eye(2, 19)]
    np.testing.assert_allclose(shift[0], shift[1], atol=1e-5)


def test_labels_and_cohorts_that_cannot_be_used(local, tmp_path):
    folder, rows = local

    def refused(some, sentence, cohort=folder / "cohort", **options):
        with pytest.raises(InputError, match=sentence):
            calibrate_site(cohort, write_labels(tmp_path / "labels.csv", some), tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()

    refused(rows[:10], "It takes 20 labelled cases, 3 of each class, and there are")
    refused([["nobody", 1, 0]], "has the case 'nobody', which has no verdict in the cohort")
    refused([[rows[0][0], "maybe", 0]], "says 'maybe' of covid_ct of")
    refused(rows, "holds no case with features", cohort=tmp_path / "nowhere")
    refused(rows, "is not made to be calibrated", model="features")


def test_card_with_evidence_that_makes_no_sense_is_refused(tmp_path):
    card = {key: value for key, value in read_card().items() if key not in ("weights", "format", "format_version")}
    weights = dict(load_model().runner.network.weights)
    save_model(tmp_path, card, weights)
    for changes, key in (
        ({"lungs": "magic"}, "lungs"),
        ({"largest_slice_thickness_mm": "3"}, "largest_slice_thickness_mm"),
        ({"evidence": {"covid_ct": card["evidence"]["covid_ct"]}}, "evidence"),
        ({"not_given": [{"title": "A"}]}, "not_given"),
        ({"unseen": [{"where": "A", "cases": 1, "auc": {}}]}, "unseen"),
    ):
        with pytest.raises(InputError, match=f"has no sensible {key}"):
            save_model(tmp_path, card | changes, weights)


def expected():
    with (ROOT / "Testing/benchmarks/verdicts_of_cts.csv").open(encoding="utf-8") as file:
        return {row["ct"]: row for row in csv.DictReader(file)}


def test_no_public_ct_gets_an_unqualified_verdict_and_what_is_no_chest_gets_none():
    rows = expected()
    assert all("no chest" in rows[name]["no verdict"] for name in ("head_image", "abdomen_image"))
    assert "only a part of a chest" in rows["slab_image"]["no verdict"]
    for row in rows.values():
        assert bool(row["no verdict"]) != (
            row["covid_ct"] in (likelihood_ratio.FOR, likelihood_ratio.AGAINST, likelihood_ratio.NOTHING)
        )
        if not row["no verdict"]:
            moves = [float(row[name]) for name in ("robust", "noise", "turn", "second slice")]
            assert (row["stable"] == "yes") == (max(map(abs, moves)) <= 10)


@pytest.mark.parametrize(
    "name",
    ["slab_image.nrrd", "head_image.nrrd", pytest.param("lctsc-05_image.nrrd", marks=pytest.mark.slow)],
)
def test_public_ct_gets_what_the_table_says(real_ct, name):
    row = expected()[name.partition(".")[0]]
    if "no chest" in row["no verdict"]:
        with pytest.raises(InputError, match="no chest"):
            assess(real_ct / name)
        return
    result = assess(real_ct / name).result
    assert (result["no_verdict"] or "") == row["no verdict"]
    if not row["no verdict"]:
        task = result["tasks"]["covid_ct"]
        assert task["verdict"] == row["covid_ct"]
        assert task["evidence"]["likelihood_ratio"] == pytest.approx(float(row["likelihood ratio"]), rel=0.05)
        assert task["stability"]["stable"] == (row["stable"] == "yes")
