"""The main job from the command line and from Python."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from functools import partial

import matplotlib
import numpy as np
import psutil
import pytest
from conftest import command, covid_mtl, write
from COVIDMTLLib import RESEARCH_USE_ONLY
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.cli import main as cli
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.volume import Volume, to_working_grid
from COVIDMTLLib.measurements.density import lung_densities
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.prediction.verdicts import aggregate
from COVIDMTLLib.reports.html import write_report
from support.running_processes import still_running

MODEL = ("--model", "features+labs", "--device", "cpu")
"""One that gives probabilities; what the default says is in test_evidence.py."""

RESULTS = ["assessment.json", "features.csv", "lungs.nrrd", "opacities.nrrd", "report.html"]


@pytest.fixture(scope="module")
def assessed(phantom_ct, tmp_path_factory):
    """Output folder and run of an assessment, with progress as JSON."""
    out = tmp_path_factory.mktemp("assessed") / "made by the run"
    return out, covid_mtl("assess", phantom_ct, "--out", out, "--progress", "json", *MODEL)


def without_times(result):
    """Without how long it took, and the digests of files in which that is written."""
    return {key: value for key, value in result.items() if key not in ("seconds", "files")}


def test_assessment_is_complete(assessed, phantom):
    out, run = assessed
    assert run.returncode == 0, run.stderr
    assert sorted(path.name for path in out.iterdir()) == RESULTS
    result = json.loads((out / "assessment.json").read_text())
    assert result["research_use_only"] == RESEARCH_USE_ONLY
    assert list(result["tasks"]) == ["covid_ct", "covid_nat", "severity"]
    for task in result["tasks"].values():
        assert len(task["classes"]) == len(task["probabilities"]) >= 2
        assert sum(task["probabilities"]) == pytest.approx(1)
        assert task["verdict"] == task["classes"][np.argmax(task["probabilities"])]
    both, right, left = (result["lungs"][side] for side in ("both", "right", "left"))
    truth = np.count_nonzero(phantom.lungs.array) * phantom.lungs.geometry.voxel_volume
    assert both["volume_ml"] == pytest.approx(truth, rel=0.12)
    assert both["volume_ml"] == pytest.approx(right["volume_ml"] + left["volume_ml"], abs=0.11)
    assert 0 < both["consolidation_share"] < both["ground_glass_share"] < 1
    assert all(0.8 < share <= 1 for share in result["lungs"]["boundary_supported"].values())
    assert result["patient"] == {"age": None, "sex": None, "labs": {}}
    assert set(result["seconds"]) == {"read", "resample", "lungs", "opacities", "features", "network", "report"}
    assert 0 < result["opacities"]["both"]["opacity"]["share"] < 0.3
    assert {"covid-mtl", "torch", "SimpleITK"} <= result["software"].keys()
    assert (result["models"][0]["name"], result["models"][0]["device"]) == ("features+labs", "cpu")
    header, values = csv.reader((out / "features.csv").open())
    assert tuple(header) == FEATURE_NAMES and np.isfinite(np.array(values, float)).all()


def test_mask_lies_on_the_geometry_of_the_ct_or_on_the_working_grid(assessed, phantom, phantom_ct, tmp_path):
    mask = read_mask(assessed[0] / "lungs.nrrd")
    assert mask.geometry == phantom.ct.geometry
    assert set(np.unique(mask.array)) == {0, 1, 2}
    run = covid_mtl("segment", phantom_ct, "--out", tmp_path / "lungs.nii.gz", "--grid", "working")
    assert run.returncode == 0, run.stderr
    assert read_mask(tmp_path / "lungs.nii.gz").geometry.spacing == (1, 1, 1)


def test_python_call_gives_the_same_result(assessed, phantom_ct, phantom):
    written = json.loads((assessed[0] / "assessment.json").read_text())
    news = []
    assessment = assess(phantom_ct, model="features+labs", device="cpu", progress=lambda *one: news.append(one))
    assert without_times(assessment.result) == without_times(written)
    assert [fraction for _, fraction, _ in news] == sorted(fraction for _, fraction, _ in news)
    on_volume = assess(phantom.ct, name=phantom_ct.name, model="features+labs", device="cpu")
    assert without_times(on_volume.result) == without_times(written)


def test_progress_callback_can_cancel(phantom, tmp_path):
    class Enough(Exception):
        pass

    def stop(step, fraction, text):
        if step == "features":
            raise Enough

    with pytest.raises(Enough):
        assess(phantom.ct, tmp_path / "out", progress=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_report_is_one_page_with_all_that_matters(assessed):
    page = (assessed[0] / "report.html").read_text(encoding="utf-8")
    result = json.loads((assessed[0] / "assessment.json").read_text())
    assert not re.search(r'(src|href)="(?!data:)|@import|url\(', page), "the page loads something from elsewhere"
    assert page.count("data:image/png;base64,") == 8  # three each of lungs and opacities, zones, densities
    text = re.sub(r"<[^>]+>", " ", page)
    assert RESEARCH_USE_ONLY in text
    assert "Known of the patient" not in text
    assert "1329&nbsp;patients of two hospitals in Wuhan" in page
    for warning in result["warnings"]:
        assert page.index(warning) < page.index(f"<h3>{result['tasks']['covid_ct']['title']}")
    for task in result["tasks"].values():
        assert task["verdict"] in text
        for name, probability in zip(task["classes"], task["probabilities"], strict=True):
            assert re.search(rf"{re.escape(name)}\s+{100 * probability:.0f}&nbsp;%", text)


def test_report_escapes_what_a_file_is_called_and_has_a_style_of_its_own(phantom, tmp_path):
    done = assess(phantom.ct, tmp_path, lungs=phantom.lungs, name="<script>alert(1)</script>.nrrd")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in page
    # Whatever a user, or a program around this one, has set of matplotlib.
    with matplotlib.rc_context({"savefig.dpi": 300, "axes.facecolor": "red", "font.size": 20}):
        write_report(done, tmp_path / "again.html")
    again = (tmp_path / "again.html").read_text(encoding="utf-8")
    pictures, others = (re.findall(r"data:image/png;base64,[^\"]*", one) for one in (page, again))
    assert len(pictures) > 4 and pictures == others


def test_json_progress_is_all_that_is_on_standard_output(assessed):
    lines = [json.loads(line) for line in assessed[1].stdout.splitlines()]
    assert all(line.keys() == {"step", "fraction", "text"} for line in lines)
    fractions = [line["fraction"] for line in lines]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] == 1
    assert lines[-1]["step"] == "done"
    assert len({line["step"] for line in lines}) >= 6


def test_given_mask_is_taken_as_it_is(phantom, phantom_ct, tmp_path):
    mask = write(phantom.lungs, tmp_path / "mask.nrrd")
    run = covid_mtl("assess", phantom_ct, "--lungs", mask, "--out", tmp_path / "out", "--name", "A & B")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(RESEARCH_USE_ONLY)
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert result["lungs"]["source"] == "given mask" and result["case"] == "A & B"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "A &amp; B" in page
    assert "two hospitals in Wuhan" not in page  # whose lungs were found otherwise
    written = read_mask(tmp_path / "out" / "lungs.nrrd")
    # It went to the working grid and back, by nearest neighbour.
    assert (written.array != phantom.lungs.array).sum() < 0.02 * (phantom.lungs.array > 0).sum()


def test_thick_slices_are_assessed_with_a_warning(tmp_path):
    thick = thorax(3, spacing=(1.6, 1.6, 5.0), size=0.6)
    run = covid_mtl("assess", write(thick.ct, tmp_path / "ct.nrrd"), "--out", tmp_path / "out", "--refine", "none")
    assert run.returncode == 0, run.stderr
    assert "The slices lie 5.0 mm apart" in run.stdout
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert any("5.0 mm apart" in warning for warning in result["warnings"])


def test_demo_says_that_it_is_synthetic(tmp_path, monkeypatch, capsys):
    """Of a smaller patient, and in this process, since the usual one takes half a minute."""
    monkeypatch.setattr("COVIDMTLLib.phantom.thorax", partial(thorax, spacing=(1.6, 1.6, 2.0), size=0.6))
    monkeypatch.setattr(cli, "run_supervised", lambda job, *arguments, **options: job(*arguments, **options))
    assert cli.main(["demo", "--out", str(tmp_path), "--seed", "4", "--refine", "none"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*RESULTS, "ct.nrrd"])
    result = json.loads((tmp_path / "assessment.json").read_text())
    assert result["synthetic"] and "synthetic" in result["warnings"][0] and "seed 4" in result["case"]
    assert "synthetic" in capsys.readouterr().out
    assert "This CT is synthetic" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize(
    ("step", "number"), [("read", signal.SIGTERM), ("lungs", signal.SIGINT), ("features", signal.SIGTERM)]
)
def test_signal_stops_within_two_seconds_and_leaves_nothing(real_ct, tmp_path, step, number):
    arguments = command("assess", real_ct / "lung1_image.nrrd", "--out", tmp_path, "--progress", "json")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if json.loads(line)["step"] == step:
                break
        time.sleep(0.7)  # well into the compiled code of that step
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
        process.send_signal(number)
        sent = time.monotonic()
        _, errors = process.communicate(timeout=10)
        assert time.monotonic() - sent < 2
    assert process.returncode == 128 + number
    assert "Traceback" not in errors and "stopped" in errors
    assert list(tmp_path.iterdir()) == []
    alive = psutil.wait_procs(children, timeout=1)[1]
    assert not still_running(alive)


@pytest.mark.parametrize(
    ("ct", "nat", "verdict"), [(0.2, 0.3, "negative"), (0.7, 0.1, "positive"), (0.1, 0.7, "positive")]
)
def test_aggregate_is_positive_if_either_diagnosis_is(ct, nat, verdict):
    tasks = {"covid_ct": {"probabilities": [1 - ct, ct]}, "covid_nat": {"probabilities": [1 - nat, nat]}}
    found = aggregate(tasks)
    assert found["verdict"] == verdict and found["probability"] == max(ct, nat)
    assert aggregate({"covid_ct": tasks["covid_ct"]}) is None


def test_densities_of_a_lung_of_known_make(phantom):
    ct = to_working_grid(phantom.ct)
    labels = np.zeros(ct.array.shape, np.uint8)
    labels[10:20, 10:20, 10:20], labels[10:20, 10:20, 40:60] = 1, 2
    hu = np.full(ct.array.shape, -850, np.int16)
    hu[10:20, 10:20, 10:12], hu[10:20, 10:20, 12] = -750, -300
    found = lung_densities(Volume(hu, ct.geometry), Volume(labels, ct.geometry))
    assert [found[side]["volume_ml"] for side in ("both", "right", "left")] == [3, 1, 2]
    assert found["right"]["ground_glass_share"] == 0.2 and found["right"]["consolidation_share"] == 0.1
    assert found["left"]["ground_glass_share"] == 0
