"""Batch, export, log, 3D and remembered settings of the panels, clicked through on real parts."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib.imaging.volume import Volume
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.results.rows import row_of
from COVIDMTLMRML.results import OPACITIES, SEGMENTATION, assessment_of, part_of
from COVIDMTLMRML.segmentations import opacities_of, show_lungs, show_opacities
from COVIDMTLMRML.volumes import geometry_of
from support import panels
from support.data.dicom_studies import write_slices
from support.panels import MODULES, add_ct, add_lungs, assessed, host, number_of, slicer

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")


@pytest.fixture(scope="module")
def second_phantom():
    return thorax(4, ground_glass=0.05, spacing=(1.6, 1.6, 2.0), size=0.48)


@pytest.fixture
def panel():
    return host.open(MODULES["COVIDMTL"])


def over(bar):
    host.wait_until(bar.isHidden, panels.PATIENCE)


def batch_of(panel, table, out):
    panel.ui.batchInputPath.currentPath = str(table)
    panel.ui.batchOutputPath.currentPath = str(out)


def rows_of(out):
    with open(out / "cohort.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_batch_is_stopped_goes_on_and_shows_its_summary(panel, phantom, second_phantom, tmp_path):
    """Of a folder with two CTs and a broken one; the scene has no part in it, and may be closed meanwhile."""
    cts, out = tmp_path / "cts of ä", tmp_path / "-results"
    cts.mkdir()
    write(phantom.ct, cts / "a.nrrd")
    write(second_phantom.ct, cts / "b.nrrd")
    (cts / "broken.nrrd").write_bytes(b"NRRD0004\n")
    assert not panel.ui.batchButton.enabled and not panel.ui.batchSummaryButton.enabled
    batch_of(panel, cts, out)
    assert panel.ui.batchButton.enabled and panel.ui.batchButton.text == "Start"
    add_ct(phantom)
    panel.ui.inputSelector.setCurrentNode(slicer.util.getNode("Phantom"))
    panel.ui.methodComboBox.currentText = "Classical (threshold)"
    panel.ui.batchButton.click()
    assert not panel.ui.batchButton.enabled and not panel.ui.applyButton.enabled  # one job at a time
    host.close_scene()
    a = out / "cases" / "a" / "assessment.json"
    host.wait_until(a.exists, panels.PATIENCE)
    panel.ui.batchCancelButton.click()
    assert panels.jobs() == [] and "Go on" in panel.ui.batchStatusLabel.text
    assert panel.ui.batchButton.text == "Go on" and not list(out.rglob("*.partial"))
    assert not (out / "cases" / "b" / "assessment.json").exists() and not panel.ui.batchSummaryButton.enabled

    written, host.messages[:] = a.stat().st_mtime_ns, []
    panel.ui.methodComboBox.currentText = "Classical (threshold)"  # of the scene that is there now
    panel.ui.batchButton.click()
    over(panel.ui.batchProgressBar)
    assert host.messages.of("error") == []
    assert panel.ui.batchStatusLabel.text.startswith("Done: 2 assessed, 1 failed.")
    assert host.messages.of("open") == [str(out / "cohort.html")]
    assert a.stat().st_mtime_ns == written
    rows = {row["case"]: row for row in rows_of(out)}
    assert list(rows) == ["a", "b", "broken"] and "broken" in rows["broken"]["error"]
    assert "broken failed: " in panel.ui.logText.plainText
    assert json.loads(a.read_text())["lungs"]["source"] == "classical"
    panel.ui.batchSummaryButton.click()
    assert host.messages.of("open") == 2 * [str(out / "cohort.html")]


def test_batch_of_a_table_and_what_is_wrong_with_one(panel, phantom, tmp_path):
    write(phantom.ct, tmp_path / "ct.nrrd")
    table = tmp_path / "cases.csv"
    table.write_text("case,ct,age\nfirst,ct.nrrd,64\n")
    host.messages.file = str(table)
    panel.ui.batchTableButton.click()
    assert panel.ui.batchInputPath.currentPath == str(table)
    panel.ui.batchOutputPath.currentPath = str(tmp_path / "out")
    panel.ui.batchButton.click()
    over(panel.ui.batchProgressBar)
    assert host.messages.of("error") == [] and [row["case"] for row in rows_of(tmp_path / "out")] == ["first"]
    case = json.loads((tmp_path / "out" / "cases" / "first" / "assessment.json").read_text())
    assert case["patient"]["age"] == 64 and case["lungs"]["source"] == "robust"
    batch_of(panel, tmp_path / "nowhere", tmp_path / "other")
    of_apply = panel.ui.statusLabel.text
    panel.ui.batchButton.click()
    over(panel.ui.batchProgressBar)
    (told,) = host.messages.of("error")
    assert "nowhere" in told and panel.ui.batchStatusLabel.text == f"Failed: {told}"
    assert panel.ui.statusLabel.text == of_apply and not (tmp_path / "other").exists() and panel.ui.batchButton.enabled


def test_batch_of_studies_says_which_series_was_read(panel, phantom, tmp_path):
    cts, out = tmp_path / "cts", tmp_path / "out"
    cts.mkdir()
    other = phantom.ct.with_array(phantom.ct.array + 1)
    kernels = write_dicom(phantom.ct, cts / "kernels", series="1.2.1", ConvolutionKernel="Br40d")
    write_slices(other, kernels, "sharp", series="1.2.2", ConvolutionKernel="Bl60d")
    write_slices(other, write_dicom(phantom.ct, cts / "tie", series="1.2.3"), "even", series="1.2.4")
    next(write_dicom(phantom.ct, tmp_path / "loose").iterdir()).rename(cts / "loose.dcm")
    batch_of(panel, cts, out)
    panel.ui.batchButton.click()
    over(panel.ui.batchProgressBar)
    kernels, tie = rows_of(out)
    log = panel.ui.logText.plainText
    assert kernels["series"] == "1.2.1" and f"kernels: {kernels['series_note']}" in log
    assert "its kernel is not a sharp one" in kernels["series_note"] and "(of the one taken" in log
    assert "in the column series of a table of cases: 1.2.3 (" in tie["error"] and f"tie failed: {tie['error']}" in log
    assert "Passed over in cts, as single slices, which go into a folder a case: loose.dcm." in log


def test_batch_ends_with_the_panel(panel, phantom, tmp_path):
    (tmp_path / "cts").mkdir()
    write(phantom.ct, tmp_path / "cts" / "a.nrrd")
    batch_of(panel, tmp_path / "cts", tmp_path / "out")
    panel.ui.batchButton.click()
    host.wait_until(panels.jobs, 20)
    host.reload(MODULES["COVIDMTL"])
    assert panels.nothing_is_left()


def test_results_features_and_json_are_saved_of_a_scene_that_was_loaded(panel, phantom, tmp_path):
    ct = add_ct(phantom)
    for button in (panel.ui.exportResultsButton, panel.ui.exportFeaturesButton, panel.ui.exportAssessmentButton):
        assert not button.enabled
    result = assessed(panel, ct, add_lungs(phantom.lungs, ct))
    mask = write(Volume(phantom.lungs.array, phantom.ct.geometry), tmp_path / "mask.nrrd")
    ct_file = write(phantom.ct, tmp_path / "ct.nrrd")
    assert covid_mtl("assess", ct_file, "--lungs", mask, "--out", tmp_path / "out").returncode == 0
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert not panel.ui.exportFeaturesButton.enabled
    host.load_scene(tmp_path / "scene.mrb")
    files = {name: tmp_path / f"{name}.file" for name in ("exportResults", "exportFeatures", "exportAssessment")}
    for name, path in files.items():
        host.messages.file = str(path)
        getattr(panel.ui, f"{name}Button").click()
    assert host.messages.of("error") == []
    read = {name: next(tmp_path.glob(f"{name}.file.*")) for name in files}
    assert [path.suffix for path in read.values()] == [".csv", ".csv", ".json"]
    with read["exportResults"].open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row == {key: str(value) for key, value in row_of("Phantom", result).items()}
    with read["exportFeatures"].open(newline="") as file, (tmp_path / "out" / "features.csv").open(newline="") as other:
        found, expected = list(csv.reader(file)), list(csv.reader(other))
    assert found == expected and len(found[0]) == 375
    assert json.loads(read["exportAssessment"].read_text()) == result
    host.messages.file = str(tmp_path / "nowhere" / "results.csv")
    panel.ui.exportResultsButton.click()
    assert host.messages.of("error") == [f"There is no folder {tmp_path / 'nowhere'} to write to; make it first."]


def from_dicom(phantom, folder):
    """A CT in the scene as Slicer's DICOM plugin leaves it, and the files of its slices, in their order."""
    ct = add_ct(phantom)
    headers = panels.as_from_dicom(ct, phantom.ct, folder)
    host.import_dicom(panels.by_uid(headers))
    return ct, list(headers.values())


def test_dicom_results_refer_to_the_series_and_leave_the_patient_out(panel, phantom, tmp_path):
    plain = add_ct(phantom, "Not DICOM")
    assessed(panel, plain, add_lungs(phantom.lungs, plain))
    assert not panel.ui.exportDicomButton.enabled and "loaded from DICOM" in panel.ui.exportDicomButton.toolTip
    ct, headers = from_dicom(phantom, tmp_path / "series")
    result = assessed(panel, ct, add_lungs(phantom.lungs, ct))
    assert panel.ui.exportDicomButton.enabled and not panel.ui.keepIdentityCheckBox.checked
    for identity in (False, True):
        out = tmp_path / f"dicom {identity}"
        out.mkdir()
        host.messages.file = str(out)
        panel.ui.keepIdentityCheckBox.checked = identity
        panel.ui.exportDicomButton.click()
        over(panel.ui.exportProgressBar)
        assert host.messages.of("error") == [] and str(out) in panel.ui.exportStatusLabel.text
        lungs, report = (pydicom.dcmread(out / f"{name}.dcm") for name in ("lungs", "assessment"))
        assert [str(one.PatientName) == "Phantom" for one in (lungs, report)] == 2 * [identity]
        assert lungs.ReferencedSeriesSequence[0].SeriesInstanceUID == headers[0].SeriesInstanceUID
        assert all(verdict in str(report) for verdict in (task["verdict"] for task in result["tasks"].values()))
    number = {1: 0, 2: 0}
    heights = np.array([header.ImagePositionPatient[2] for header in headers], float)
    for frame, pixels in zip(lungs.PerFrameFunctionalGroupsSequence, lungs.pixel_array, strict=True):
        segment = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        z = np.argmin(abs(heights - float(frame.PlanePositionSequence[0].ImagePositionPatient[2])))
        np.testing.assert_array_equal(pixels > 0, phantom.lungs.array[z] == segment)
        number[segment] += int((pixels > 0).sum())
    assert number == {label: int((phantom.lungs.array == label).sum()) for label in (1, 2)}

    host.messages.file = ""  # no folder was chosen
    panel.ui.exportDicomButton.click()
    assert panel.ui.exportProgressBar.isHidden() and host.messages.of("error") == []
    host.import_dicom({})
    host.messages.file = str(tmp_path)
    panel.ui.exportDicomButton.click()
    assert "no longer has every slice of Phantom" in host.messages.of("error")[0]


def test_dicom_export_of_a_cropped_ct_is_refused(panel, phantom, tmp_path):
    ct, headers = from_dicom(phantom, tmp_path / "series")
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(header.SOPInstanceUID for header in headers[:-1]))
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    host.messages.file = str(tmp_path)
    panel.ui.exportDicomButton.click()
    over(panel.ui.exportProgressBar)
    n = len(headers)
    assert f"Phantom has {n} slices, and its series {n - 1} files" in host.messages.of("error")[0]
    assert not list(tmp_path.glob("*.dcm"))


def exported(panel, out):
    """Export into a new folder; the errors that were told."""
    out.mkdir()
    host.messages.clear()
    host.messages.file = str(out)
    panel.ui.exportDicomButton.click()
    over(panel.ui.exportProgressBar)
    return host.messages.of("error")


def test_identity_is_kept_in_the_export_that_it_was_asked_for_alone(panel, phantom, tmp_path):
    """The next CT is mostly that of another patient."""
    ct, _headers = from_dicom(phantom, tmp_path / "series")
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    panel.ui.keepIdentityCheckBox.checked = True
    assert exported(panel, tmp_path / "first") == exported(panel, tmp_path / "second") == []
    names = [str(pydicom.dcmread(tmp_path / one / "lungs.dcm").PatientName) for one in ("first", "second")]
    assert names[0] == "Phantom" != names[1] and not panel.ui.keepIdentityCheckBox.checked


def test_slices_of_the_series_are_found_by_their_places(panel, phantom, tmp_path):
    ct, headers = from_dicom(phantom, tmp_path / "series")
    ct.SetAttribute("DICOM.instanceUIDs", " ".join(header.SOPInstanceUID for header in reversed(headers)))
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    assert exported(panel, tmp_path / "out") == []
    lungs = pydicom.dcmread(tmp_path / "out" / "lungs.dcm")
    heights = np.array([header.ImagePositionPatient[2] for header in headers], float)
    for frame, pixels in zip(lungs.PerFrameFunctionalGroupsSequence, lungs.pixel_array, strict=True):
        segment = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        z = np.argmin(abs(heights - float(frame.PlanePositionSequence[0].ImagePositionPatient[2])))
        np.testing.assert_array_equal(pixels > 0, phantom.lungs.array[z] == segment)


def test_lungs_of_a_ct_that_was_moved_are_not_exported_onto_its_old_slices(panel, phantom, tmp_path):
    ct, _headers = from_dicom(phantom, tmp_path / "series")
    ct.SetOrigin(*(np.array(ct.GetOrigin()) + (0, 0, 30)))
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    (told,) = exported(panel, tmp_path / "out")
    assert told.startswith("Phantom does not lie on its DICOM slices") and not list((tmp_path / "out").iterdir())


def test_lungs_that_were_edited_are_not_exported_with_the_numbers_of_others(panel, phantom, tmp_path):
    ct, _headers = from_dicom(phantom, tmp_path / "series")
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    half = type(phantom.lungs)(phantom.lungs.array * (np.indices(phantom.lungs.array.shape)[0] > 40), geometry_of(ct))
    show_lungs(half, part_of(ct, SEGMENTATION), ct)
    (told,) = exported(panel, tmp_path / "out")
    assert "have changed since they were assessed" in told and not list((tmp_path / "out").iterdir())


def test_opacities_are_exported_as_they_were_measured_last(panel, phantom, tmp_path):
    ct, _headers = from_dicom(phantom, tmp_path / "series")
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    node = part_of(ct, OPACITIES)
    erased = opacities_of(node, ct)
    erased.array[:, :, erased.array.shape[2] // 2 :] = 0
    show_opacities(erased, node, ct)
    (told,) = exported(panel, tmp_path / "edited")
    assert "opacities of Phantom have changed since they were measured" in told and "Measure again" in told
    assert not list((tmp_path / "edited").iterdir())
    host.messages.clear()
    panel.ui.measureOpacitiesButton.click()
    panels.wait(panel)
    assert exported(panel, tmp_path / "measured") == []
    opacities, report = (pydicom.dcmread(tmp_path / "measured" / f"{name}.dcm") for name in ("opacities", "assessment"))
    assert {one.SegmentAlgorithmType for one in opacities.SegmentSequence} == {"SEMIAUTOMATIC"}
    inside = np.where(phantom.lungs.array > 0, erased.array, 0)
    assert np.count_nonzero(opacities.pixel_array) == np.count_nonzero(inside) > 0
    millilitres = assessment_of(ct)["opacities"]["both"]["opacity_ml"]
    assert "opacities, corrected by hand" in report.to_json() and str(millilitres) in report.to_json()


def test_ct_without_opacities_has_none_in_the_scene_and_in_the_export(panel, tmp_path):
    healthy = thorax(5, ground_glass=0, spacing=(1.6, 1.6, 2.0), size=0.48)
    ct, _headers = from_dicom(healthy, tmp_path / "series")
    result = assessed(panel, ct, add_lungs(healthy.lungs, ct))
    assert result["opacities"]["both"]["opacity_ml"] == 0 and not opacities_of(part_of(ct, OPACITIES), ct).array.any()
    assert exported(panel, tmp_path / "out") == []
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["assessment.dcm", "lungs.dcm"]


def test_highdicom_is_asked_for_by_the_export_alone(panel, phantom, tmp_path, monkeypatch):
    ct, _headers = from_dicom(phantom, tmp_path / "series")
    monkeypatch.setattr(host.packages, "missing", {"highdicom"})
    monkeypatch.setattr(host.packages, "answer", "declined")
    monkeypatch.setattr(host.packages, "asked", [])
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    assert host.packages.asked == []
    host.messages.file = str(tmp_path)
    panel.ui.exportDicomButton.click()
    assert "highdicom" in str(host.packages.asked) and "Without highdicom" in panel.ui.exportStatusLabel.text


def test_verdicts_and_lungs_come_first_and_the_lungs_are_shown_in_3d(panel, phantom):
    ct = add_ct(phantom)
    assert not panel.ui.show3DButton.enabled
    assessed(panel, ct, add_lungs(phantom.lungs, ct))
    first = [panel.ui.warningsLabel, panel.ui.verdictsLabel, panel.ui.lungsLabel, panel.ui.reasonsGroupBox]
    heights = [widget.y for widget in first]
    assert heights == sorted(heights) and panel.ui.reasonsGroupBox.collapsed and panel.ui.modelCardGroupBox.collapsed
    segmentation = part_of(ct, SEGMENTATION).GetSegmentation()
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert panel.ui.show3DButton.enabled and not segmentation.ContainsRepresentation(surface)
    panel.ui.show3DButton.click()
    assert segmentation.ContainsRepresentation(surface)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom, "Another"))
    assert not panel.ui.show3DButton.enabled
    panel.ui.inputSelector.setCurrentNode(ct)
    assert panel.ui.show3DButton.checked
    panel.ui.show3DButton.click()
    assert not segmentation.ContainsRepresentation(surface)


@pytest.mark.parametrize("name", MODULES)
def test_log_has_what_the_job_says_and_the_versions(name, phantom, tmp_path, monkeypatch):
    """A line of a library comes from a sitecustomize that the job's Python imports."""
    (tmp_path / "sitecustomize.py").write_text("import sys; print('a library warns', file=sys.stderr)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    panel = host.open(MODULES[name])
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    assert panel.ui.logText.plainText == "" and panel.ui.logCollapsibleButton.collapsed
    panel.ui.applyButton.click()
    panels.wait(panel)
    assert panel.ui.logText.plainText.count("a library warns") >= 1
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "other"))
    panel.ui.applyButton.click()  # the second job begins a new log
    panels.wait(panel)
    assert "a library warns" not in panel.ui.logText.plainText
    assert panel.ui.logText.readOnly and panel.ui.versionsLabel.text == ""
    panel.ui.logCollapsibleButton.collapsed = False
    assert f"numpy {np.__version__}" in panel.ui.versionsLabel.text and "covid-mtl " in panel.ui.versionsLabel.text


def test_choices_of_the_last_run_come_back_and_those_of_a_scene_come_first(panel, phantom, tmp_path):
    model = tmp_path / "mine"
    shutil.copytree(Path(panels.ROOT / "COVIDMTL/Resources/Models/features-mtl"), model)
    host.messages.file = str(model)
    panel.ui.addModelButton.click()
    panel.ui.deviceComboBox.currentText = "CPU"
    panel.ui.methodComboBox.currentText = "Active contours (Algorithm 1)"
    (tmp_path / "cts").mkdir()
    batch_of(panel, tmp_path / "cts", tmp_path / "out")
    panel.ui.batchButton.click()  # there is no CT, which ends it
    over(panel.ui.batchProgressBar)
    panel.ui.deviceComboBox.currentText = "Automatic"  # with which nothing was run
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()

    panel = host.reload(MODULES["COVIDMTL"])
    host.leave()
    panel = host.open(MODULES["COVIDMTL"])
    p = panel._parameterNode
    assert (p.model, p.device.value, p.method.value) == (str(model), "cpu", "active-contour")
    assert panel.ui.batchInputPath.currentPath == str(tmp_path / "cts")
    assert panel.ui.batchOutputPath.currentPath == str(tmp_path / "out")
    host.load_scene(tmp_path / "scene.mrb")
    assert panel._parameterNode.device.value == "auto" and panel.ui.deviceComboBox.currentText == "Automatic"

    shutil.rmtree(model)  # what is gone is not chosen, nor what another version had
    slicer.app.settings().setValue("COVIDMTL/device", "abacus")
    host.close_scene()
    p = panel._parameterNode
    assert (p.model, p.device.value, p.method.value) == ("transportable", "auto", "active-contour")
    assert number_of("vtkMRMLTextNode") == 0
