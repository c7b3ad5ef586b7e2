"""A folder of CTs: one row a case, failures named, stopped and resumed."""

import csv
import json
import shutil
import signal

import numpy as np
import psutil
import pytest
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib.cohort.folder import TABLE, assess_folder, assess_in_child, cases, passed_over
from COVIDMTLLib.utils.errors import InputError
from support.data.dicom_studies import write_frames, write_localizer, write_slices
from support.models.bright_model import write_bright_model

SERIES = "1.2.826.0.1.3680043.8.498.1"

QUICK = {"refine": "none", "model": "features"}


@pytest.fixture
def folder(phantom, tmp_path):
    folder = tmp_path / "cts"
    folder.mkdir()
    write(phantom.ct, folder / "a.nrrd")
    write(phantom.lungs, folder / "b is a mask.nii.gz")
    write_dicom(phantom.ct, folder / "c")
    (folder / "notes.txt").write_text("not a case")
    return folder


def table(out):
    with (out / TABLE).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_failed_case_is_named_and_the_rest_goes_on(folder, tmp_path):
    out = tmp_path / "out"
    rows = assess_folder(folder, out, **QUICK)
    assert [row["case"] for row in rows] == ["a", "b is a mask", "c"]
    assert "looks like a mask" in rows[1]["error"] and rows[0]["error"] == rows[2]["error"] == ""
    # The same voxels, from NRRD and from DICOM.
    for key, value in rows[0].items():
        if key not in ("case", "series", "series_note"):
            assert rows[2][key] == (pytest.approx(value) if isinstance(value, float) else value), key
    assert [row.get("series") for row in rows] == ["", None, SERIES]
    written = table(out)
    assert [row["error"] == "" for row in written] == [True, False, True]
    assert float(written[0]["covid_ct: positive"]) == rows[0]["covid_ct: positive"]
    assert 0.8 < float(written[0]["boundary_supported"]) <= 1
    assert sum(float(written[0][f"covid_ct: {c}"]) for c in ("negative", "positive")) == pytest.approx(1)


def test_stopped_batch_goes_on_where_it_was(folder, phantom, tmp_path):
    class Stop(Exception):
        pass

    def stop_at_c(case, fraction, text):
        if case == "c" and text.startswith("Computing"):
            raise Stop

    out = tmp_path / "out"
    with pytest.raises(Stop):
        assess_folder(folder, out, progress=stop_at_c, **QUICK)
    assert [row["case"] for row in table(out)] == ["a", "b is a mask"]
    assert list((out / "c").iterdir()) == []
    finished = (out / "a" / "assessment.json").stat().st_mtime_ns

    write(phantom.ct.with_array(np.where(phantom.ct.array < -300, np.int16(40), phantom.ct.array)), folder / "d.mha")
    news = []
    rows = assess_folder(folder, out, progress=lambda *one: news.append(one), **QUICK)
    assert [bool(row["error"]) for row in rows] == [False, True, False, True]
    assert (out / "a" / "assessment.json").stat().st_mtime_ns == finished
    fractions = [fraction for _, fraction, _ in news]
    assert fractions == sorted(fractions) and news[-1] == ("done", 1.0, "Done")
    assert not list(out.rglob("*.partial"))


def test_crash_of_a_child_is_named_and_the_rest_goes_on(folder, tmp_path):
    def crash_at_a(case, fraction, text):
        if case == "a" and text == "Finding the lungs":
            workers = psutil.Process().children(recursive=True)
            max(workers, key=lambda process: process.memory_info().rss).send_signal(signal.SIGKILL)

    out = tmp_path / "out"
    rows = assess_folder(folder, out, progress=crash_at_a, assess=assess_in_child, device=None, **QUICK)
    assert [row["case"] for row in rows] == [row["case"] for row in table(out)] == ["a", "b is a mask", "c"]
    assert "was the memory enough" in rows[0]["error"] and "looks like a mask" in rows[1]["error"]
    assert rows[2]["error"] == ""
    finished = (out / "c" / "assessment.json").stat().st_mtime_ns
    rows = assess_folder(folder, out, assess=assess_in_child, **QUICK)
    assert [bool(row["error"]) for row in rows] == [False, True, False]
    assert (out / "c" / "assessment.json").stat().st_mtime_ns == finished
    assert json.loads((out / "a" / "assessment.json").read_text())["case"] == "a"


def test_archives_are_cases_and_nothing_is_passed_over_in_silence(folder, tmp_path):
    shutil.make_archive(str(folder / "d"), "zip", folder / "c")
    assert list(cases(folder)) == ["a", "b is a mask", "c", "d"]
    assert passed_over(folder) == ["Passed over in cts, as no image file, archive or folder: notes.txt."]
    # No case of it can be assessed, which is soon told.
    run = covid_mtl("cohort", folder, "--out", tmp_path / "out", "--model", "nothing")
    assert run.returncode == 2 and "Passed over in cts, as no image file" in run.stderr and "notes.txt" in run.stderr


def test_cohort_of_studies_says_which_series_was_read(phantom, tmp_path):
    """Of a folder with a study of two kernels and a localizer, one with a tie, a file of many frames, loose slices."""
    cts, out = tmp_path / "cts", tmp_path / "out"
    cts.mkdir()
    soft = write_dicom(phantom.ct, cts / "kernels", series="1.2.1", ConvolutionKernel="Br40d")
    noisy = phantom.ct.with_array(phantom.ct.array + 1)
    write_slices(noisy, soft, "sharp", series="1.2.2", ConvolutionKernel="Bl60d")
    write_localizer(phantom.ct, soft, series="1.2.3")
    write_slices(noisy, write_dicom(phantom.ct, cts / "tie", series="1.2.4"), "even", series="1.2.5")
    write_frames(phantom.ct, tmp_path / "frames.dcm").rename(cts / "frames.dcm")
    for number, path in enumerate(sorted(write_dicom(phantom.ct, tmp_path / "loose").iterdir())[:12]):
        path.rename(cts / f"IM{number:02d}.dcm")
    assert list(cases(cts)) == ["frames", "kernels", "tie"]
    run = covid_mtl("cohort", cts, "--out", out, "--refine", "none", "--model", write_bright_model(tmp_path / "bright"))
    assert run.returncode == 0, run.stderr
    with (out / "cohort.csv").open(encoding="utf-8") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert {name: row["series"] for name, row in rows.items()} == {"frames": SERIES, "kernels": "1.2.1", "tie": ""}
    note = rows["kernels"]["series_note"]
    assert note.startswith("Of several series, 1.2.1 was read, as its kernel is not a sharp one; not read: ")
    assert "1.2.2" in note and "1.2.3 (it is a localizer)" in note and rows["frames"]["series_note"] == ""
    assert "holds 2 series that would do as well" in rows["tie"]["error"]
    said = run.stderr.splitlines()
    assert f"kernels: {note}" in said and f"tie failed: {rows['tie']['error']}" in said
    loose = ", ".join(f"IM{number:02d}.dcm" for number in range(10))
    assert f"Passed over in cts, as single slices, which go into a folder a case: {loose} and 2 more." in said


def test_folder_without_cases_or_with_two_of_a_name(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no CT"):
        assess_folder(tmp_path / "empty", tmp_path / "out")
    with pytest.raises(InputError, match="holds no CT: .*as single slices, which go into a folder a case"):
        cases(folder / "c")
    with pytest.raises(InputError, match="There is no folder"):
        cases(tmp_path / "nowhere")
    (folder / "a").mkdir()
    with pytest.raises(InputError, match="two cases a: a and a.nrrd"):
        cases(folder)
