"""``covid-mtl cohort``: killed and gone on with, two at once, on a Dask cluster, and what is wrong with a table."""

import base64
import csv
import json
import os
import re
import signal
import threading
import time
from functools import partial

import matplotlib
import numpy as np
import pytest
from conftest import covid_mtl
from COVIDMTLLib.assessment.options import AssessmentOptions
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.cohort.case import assess_case
from COVIDMTLLib.cohort.case_process import DIED, Attendant
from COVIDMTLLib.cohort.locks import claim, partial_folder, sweep
from COVIDMTLLib.cohort.outcome import Outcome
from COVIDMTLLib.cohort.run import assess_cohort
from COVIDMTLLib.cohort.summary import write_summary
from COVIDMTLLib.cohort.table import read_cases
from COVIDMTLLib.processes.worker import WorkerDied
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLLib.utils.progress import silent
from support.cohort_runs import assessed, failures, gone, said, start, stray, until, workers
from support.data.made_up_cases import die, write_cases
from support.models.bright_model import write_bright_model

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

GOOD, BROKEN = 4, 4
HOW = AssessmentOptions(("features",), device="cpu")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_cases(tmp_path_factory.mktemp("cts"), GOOD, BROKEN)


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    """Folder of a run that nothing happened to."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    run = start(table, out, "--jobs", 2, "--parquet")
    assert run.wait() == 0, said(out)
    return out


def content(out):
    return (out / "cohort.csv").read_bytes()


def test_a_row_for_each_case_in_the_order_of_the_table(table, undisturbed):
    with (undisturbed / "cohort.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with table.open(encoding="utf-8") as file:
        assert [row["case"] for row in rows] == [row["case"] for row in csv.DictReader(file)]
    failed = {row["case"]: row["error"] for row in rows if row["error"]}
    assert failed == failures(undisturbed) and len(failed) == BROKEN
    assert all(name.startswith("broken") for name in failed)
    assert "looks like a mask" in failed["broken 0001"] and "no file or folder" in failed["broken 0002"]
    for name, reason in failed.items():
        assert f"{name} failed: {reason}" in said(undisturbed)
    for row in rows:
        if not row["error"]:
            result = json.loads((undisturbed / "cases" / row["case"] / "assessment.json").read_text())
            assert result["case"] == row["case"] and result["patient"]["age"] is not None
            assert result["lungs"]["source"] == "given mask"
            assert float(row["covid_ct: positive"]) == result["tasks"]["covid_ct"]["probabilities"][1]
    assert f"{GOOD} assessed, {BROKEN} failed" in said(undisturbed)
    assert stray(undisturbed, parquet=True) == []
    parquet = pytest.importorskip("pyarrow.parquet")
    same = parquet.read_table(undisturbed / "cohort.parquet").to_pylist()
    assert [{key: "" if value is None else str(value) for key, value in row.items()} for row in same] == rows


def test_stopped_and_killed_in_every_way_it_ends_as_an_undisturbed_run(table, undisturbed, tmp_path):
    out = tmp_path / "out"
    one, other = (start(table, out, "--jobs", 1) for _ in range(2))
    until(lambda: assessed(out) >= 1 and workers(one) and workers(other), one)
    done = {path: path.stat().st_mtime_ns for path in out.glob("cases/*/assessment.json")}
    crew = workers(one)
    one.send_signal(signal.SIGINT)
    sent = time.monotonic()
    assert one.wait() == 128 + signal.SIGINT
    assert time.monotonic() - sent < 2
    assert gone(crew) and "stopped; go on with the same command." in said(out)

    (worker,) = workers(other)
    worker.kill()
    until(lambda: assessed(out) >= len(done) + 1 and worker not in workers(other), other)
    crew = workers(other)
    other.kill()
    other.wait()
    until(lambda: gone(crew))

    assert assessed(out) < GOOD and start(table, out, "--jobs", 2).wait() == 0, said(out)
    assert content(out) == content(undisturbed) and stray(out) == []
    assert done == {path: path.stat().st_mtime_ns for path in done}
    assert "Traceback" not in said(out)


def test_a_cluster_whose_workers_die_ends_as_one_machine_does(table, undisturbed, tmp_path):
    distributed = pytest.importorskip("distributed")
    out = tmp_path / "out"
    with pytest.raises(InputError, match="no Dask scheduler at nonsense"):
        assess_cohort(table, out, scheduler="nonsense")
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with distributed.LocalCluster(**options, local_directory=str(tmp_path)) as cluster, cluster.get_client() as client:
        run = start(table, out, "--scheduler", cluster.scheduler_address)
        until(lambda: assessed(out) >= 1, run)
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        until(lambda: assessed(out) >= 2, run)
        run.kill()
        run.wait()
        assert start(table, out, "--scheduler", cluster.scheduler_address).wait() == 0, said(out)
    assert content(out) == content(undisturbed) and stray(out) == []


def test_a_case_that_its_process_dies_of_is_a_failed_one(table, tmp_path, monkeypatch):
    monkeypatch.setattr("COVIDMTLLib.cohort.case_process.assess_case", die)
    attendant, case = Attendant(), read_cases(table)[0]
    assert attendant.assess(case, tmp_path, HOW, again=False, wait=False).error == DIED
    assert json.loads((tmp_path / case.name / "failed.json").read_text())["error"] == DIED
    assert [path.name for path in tmp_path.iterdir()] == [case.name]
    attendant.end()
    with pytest.raises(WorkerDied):
        attendant.assess(case, tmp_path, HOW, again=True, wait=False)


def test_a_fault_of_the_program_is_a_failed_case_until_it_is_tried_again(table, tmp_path, monkeypatch):
    (case,) = (one for one in read_cases(table) if one.name == "patient 0000")
    how = {"again": False, "wait": False, "progress": silent}
    with monkeypatch.context() as patch:
        patch.setattr("COVIDMTLLib.cohort.case.assess", partial(assess, colour="blue"))
        outcome = assess_case(case, tmp_path, HOW, **how)
    assert outcome.error.startswith("This should not have happened; please report it: TypeError")
    assert assess_case(case, tmp_path, HOW, **how) == outcome
    with claim(tmp_path, case.name, wait=False):
        assert assess_case(case, tmp_path, HOW, **how | {"again": True}) is None
    assert assess_case(case, tmp_path, HOW, **how | {"again": True}).error == ""


def test_a_claim_has_one_holder_and_leaves_nothing(tmp_path):
    holders, most = [], []

    def hold():
        for _ in range(100):
            with claim(tmp_path, "x", wait=False) as mine:
                if mine:
                    holders.append(1)
                    most.append(len(holders))
                    holders.pop()

    threads = [threading.Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and list(tmp_path.iterdir()) == []
    for name in ("held", "left"):
        partial_folder(tmp_path, name).mkdir()
    with claim(tmp_path, "held", wait=False):
        sweep(tmp_path)
        assert sorted(path.name for path in tmp_path.iterdir()) == [".held.lock", ".held.partial"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("case,lungs\na,b.nrrd\n", "not where its CT is"),
        ("name,ct\na,a.nrrd\n", "no column case"),
        ("case,ct\n", "has no case"),
        ("case,ct\na,a.nrrd\na,b.nrrd\n", "has 'a' twice"),
        ("case,ct\na,a.nrrd\nA,b.nrrd\n", "cases a and A"),
        ("case,ct\n../a,a.nrrd\n", "no folder can be called so"),
        ("case,ct\n.a,a.nrrd\n", "no folder can be called so"),
        ("case,ct,age\na,a.nrrd,250\n", "case a: The age has to be"),
        ("case,ct,colour\na,a.nrrd,blue\n", "case a: There is no laboratory value 'colour'"),
        ("case,ct\na,a.nrrd\na,b.nrrd\nb\nb\n", "begins with 'b' has 1 cells.* begins with 'b' has 1 cells"),
        ("case,ct\na,a.nrrd\na,b.nrrd\nb,b.nrrd\nb,c.nrrd\n", "has 'a' twice.*; cases.csv has 'b' twice"),
        ("case,ct\n.a,a.nrrd\nb,b.nrrd\nB,c.nrrd\n", "so everywhere.*; cases.csv has the cases b and B"),
        ("case,ct,age\na,a.nrrd,250\nb,,1\n", "case a: The age has to be.*case 'b' not where its CT is"),
    ],
)
def test_a_wrong_table_is_refused_with_a_sentence(rows, message, tmp_path):
    (tmp_path / "cases.csv").write_text(rows)
    with pytest.raises(InputError, match=message):
        read_cases(tmp_path / "cases.csv")


def test_bad_rows_are_failed_cases_told_before_the_first_is_assessed(table, tmp_path):
    with table.open(encoding="utf-8") as file:
        good = next(row for row in csv.DictReader(file) if not row["case"].startswith("broken"))
    rows = [good, good | {"case": "old", "age": "250"}, good | {"case": "lost", "ct": ""}]
    path = table.with_name("rows.csv")

    def write_rows():
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(good))
            writer.writeheader()
            writer.writerows(rows)

    write_rows()
    out, told = tmp_path / "out", []
    options = {"model": "features", "device": "cpu", "jobs": 1, "failed": lambda name, reason: told.append(name)}
    found = assess_cohort(path, out, **options, progress=lambda step, *_: told.append(f"step {step}"))
    assert [bool(row["error"]) for row in found] == [False, True, True]
    assert "rows.csv, case old: The age has to be" in failures(out)["old"]
    assert "not where its CT is" in failures(out)["lost"]
    steps = [one for one in told if one in ("old", "lost", f"step {good['case']}")]
    assert steps == ["old", "lost", f"step {good['case']}"]
    rows[1]["age"] = "25"
    write_rows()
    assert [row["case"] for row in assess_cohort(path, out, **options) if row["error"]] == ["lost"]


def test_what_is_wrong_with_all_cases_ends_the_run_before_the_first(table, tmp_path):
    for options, message in [
        ({"model": "nonsense"}, "There is no model nonsense"),
        ({"refine": "nonsense"}, "There is no refinement nonsense"),
        ({"jobs": 0}, "give --jobs 1 or more"),
        ({"device": "cuda:99", "model": write_bright_model(tmp_path / "bright")}, "no device cuda:99"),
    ]:
        with pytest.raises(InputError, match=message):
            assess_cohort(table, tmp_path / "out", **options)
    run = covid_mtl("cohort", tmp_path / "none.csv", "--out", tmp_path / "out")
    assert run.returncode == 2 and "There is no file" in run.stderr and "Traceback" not in run.stderr
    assert not list(tmp_path.glob("out/cases/*"))


def test_parquet_and_a_folder_say_the_same_as_csv(table, tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] or None for row in rows] for name in rows[0]}
    columns["age"] = [float(age) if age else None for age in columns["age"]]
    parquet.write_table(pyarrow.table(columns), table.with_suffix(".parquet"))
    assert read_cases(table.with_suffix(".parquet")) == read_cases(table)
    (tmp_path / "a.nrrd").touch()
    assert [(case.name, case.ct) for case in read_cases(tmp_path)] == [("a", tmp_path / "a.nrrd")]


def test_summary_names_failures_and_what_is_unlike_the_others(tmp_path):
    rng = np.random.default_rng(0)
    outcomes = [
        Outcome(
            {"case": f"c{number}", "error": "", "lungs_ml": volume, "ground_glass_share": 0.1, "warnings": 1}
            | {"opacity_share": 0.02, "high_opacity_share": 0.004, "opacity_score": number % 5}
            | {"covid_ct": "positive", "covid_ct: negative": 0.25, "covid_ct: positive": 0.75},
            seconds=7.0,
            titles={"covid_ct": "COVID-19 by radiology"},
            made_with=json.dumps({"models": [], "lungs": "robust", "software": {"torch": "2"}}),
        )
        for number, volume in enumerate(rng.normal(4000, 300, 40))
    ]
    outcomes[7].row.update(case="<script> & 7", lungs_ml=900.0)
    outcomes[8].row.update(opacity_share=0.6, opacity_score=22)
    outcomes[9].row.update(dict.fromkeys(("opacity_share", "high_opacity_share", "opacity_score"), ""))  # an old result
    outcomes += [
        Outcome({"case": f"f{number}", "error": f"/cts/{number}.nii.gz is empty; f{number}."}) for number in range(3)
    ]
    with matplotlib.rc_context({"axes.facecolor": "#ff0123"}):  # whatever a user has set, or a program around this one
        write_summary(outcomes, 50, "cases", tmp_path / "cohort.html")
    page = (tmp_path / "cohort.html").read_text(encoding="utf-8")
    plots = re.findall(r"data:image/svg.xml;base64,([^\"]*)", page)
    assert len(plots) > 5 and not any(b"#ff0123" in base64.b64decode(plot) for plot in plots)
    assert all(f"<b>{number}</b>{what}" in page for number, what in [(40, "assessed"), (3, "failed"), (7, "still")])
    assert "<b>3&nbsp;cases:</b> … is empty; …." in page and "f0, f1, f2" in page
    unlike = page[page.index("Unlike the others") : page.index("Made with")]
    assert '<a href="cases/%3Cscript%3E%20%26%207/report.html">' in unlike and "Lung volume 900 ml" in unlike
    assert "Opacities 60.0%" in unlike and "Score of the zones 22" in unlike
    assert unlike.count("<tr>") == 3 and "<script>" not in page
    measures = page[page.index("<h2>Lungs, opacities and features") : page.index("Unlike the others")]
    shown = "Opacities</h3>", "Median 2.0%", "High opacity</h3>", "Median 0.4%", "Score of the zones</h3>", "Median 2,"
    places = [measures.index(text) for text in shown]
    assert places == sorted(places) and measures.count("<img") == 5
    assert "40&nbsp;cases, 100&nbsp;%" in page and "robust" in page
