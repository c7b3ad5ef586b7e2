"""No result replaces an input, or a file that the program did not write."""

import hashlib

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.imaging.io.reader import read_mask
from support.models.bright_model import write_bright_model


def content(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def quick(tmp_path):
    """Options of an assessment that is soon done."""
    return ["--model", write_bright_model(tmp_path / "model"), "--refine", "none"]


def refused(run, path, before):
    assert (run.returncode == 2 and "choose another" in run.stderr) or "another name" in run.stderr, run.stderr
    assert content(path) == before


def test_ct_that_is_called_like_a_result_is_not_replaced(phantom, tmp_path, quick):
    ct = write(phantom.ct, tmp_path / "lungs.nrrd")
    before = content(ct)
    refused(covid_mtl("assess", ct, "--out", tmp_path, *quick), ct, before)
    assert not list(tmp_path.glob("assessment.json"))


def test_second_round_with_the_corrected_mask(phantom, phantom_ct, tmp_path, quick):
    out, mask = tmp_path / "results", tmp_path / "results" / "lungs.nrrd"
    assert covid_mtl("assess", phantom_ct, "--out", out, *quick).returncode == 0
    corrected = read_mask(mask)
    corrected.array[:, :, :20] = 0
    write(corrected, mask)
    before = content(mask)
    run = covid_mtl("assess", phantom_ct, "--lungs", mask, "--out", out, *quick)
    assert run.returncode == 0 and "is kept there as lungs_kept.nrrd" in run.stderr, run.stderr
    assert content(out / "lungs_kept.nrrd") == before
    assert np.array_equal(read_mask(mask).array > 0, corrected.array > 0)
    # Results that nobody changed are replaced without ado; one that somebody did change is kept.
    (out / "report.html").write_text("my notes")
    assert covid_mtl("assess", phantom_ct, "--out", out, *quick).returncode == 0
    assert sorted(out.glob("*kept*")) == [out / "lungs_kept.nrrd", out / "report_kept.html"]
    assert (out / "report_kept.html").read_text() == "my notes"


def test_folder_that_python_is_given_keeps_its_own_files(phantom, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    model = write_bright_model(tmp_path / "model")
    assess(phantom.ct, tmp_path, lungs=phantom.lungs, model=model)
    assert (tmp_path / "report_kept.html").read_text() == "mine"
    assert "research" in (tmp_path / "report.html").read_text().lower()


@pytest.mark.parametrize("name", ["study/IM.dcm", "mine.nrrd", "mine.nii.gz", "mine.mha"])
def test_segmentation_replaces_nothing_but_its_like(name, phantom, phantom_ct, tmp_path):
    study = write_dicom(phantom.ct, tmp_path / "study")
    min(study.iterdir()).rename(study / "IM.dcm")
    out = tmp_path / name
    if not out.exists():
        write(phantom.lungs, out)
    before = content(out)
    refused(covid_mtl("segment", study, "--method", "classical", "--out", out), out, before)
    if out.suffix != ".dcm":
        out.unlink()
        for _ in range(2):  # what it wrote itself may be written again
            assert covid_mtl("segment", study, "--method", "classical", "--out", out).returncode == 0
        assert sitk.ReadImage(str(out)).GetSize() == phantom.ct.geometry.size


def test_cohort_does_not_clear_folders_of_others(phantom, tmp_path):
    study = write_dicom(phantom.ct, tmp_path / "cases" / "one") if (tmp_path / "cases").mkdir() is None else None
    run = covid_mtl("cohort", tmp_path / "cases", "--out", tmp_path)
    assert run.returncode == 2 and "holds no result" in run.stderr
    assert len(list(study.iterdir())) == phantom.ct.geometry.size[2]
