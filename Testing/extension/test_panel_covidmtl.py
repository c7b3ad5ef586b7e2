"""The panel COVIDMTL and its logic, clicked through on a real MRML scene."""

import csv
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.volume import labels_on
from COVIDMTLLib.models.store import shipped_models
from COVIDMTLMRML.results import assessment_of, report_of
from support import panels
from support.models.small_models import saved
from support.panels import MODULES, add_ct, add_lungs, array, assessed, host, number_of, slicer, table, turn, wait

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")

SAME = ("tasks", "aggregate", "models", "patient", "lungs", "warnings", "ct")
"""What an assessment says that does not depend on where and when it was made."""


def said(result):
    """What is the same for a node and a file, but for what the labels of the file of lungs were."""
    lungs = {key: value for key, value in result["lungs"].items() if key != "mask"}
    return {key: result[key] for key in SAME} | {"lungs": lungs}


def opened():
    return host.open(MODULES["COVIDMTL"])


def write_labs(path):
    path.write_text("name,value,unit\nLY,0.48,G/L\nHGB,141,g/L\n")
    return path


def shown(panel):
    names = ("resultsCaption", "warnings", "verdicts", "patient", "lungs")
    return [getattr(panel.ui, f"{name}Label").text for name in names]


def test_real_ct_is_assessed_as_by_the_command_line(real_ct, tmp_path):
    """Panel, console and command line give the same for one CT; everything that can be done with it is done."""
    path = real_ct / "lung1_image.nrrd"
    ct = slicer.util.loadVolume(str(path))
    reference = labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), panels.geometry_of(ct))
    lungs = add_lungs(reference, ct)
    mask = write(type(reference)((reference.array > 0).astype(np.uint8), reference.geometry), tmp_path / "mask.nrrd")
    panel = opened()
    panel._parameterNode.model = "features+labs"
    panel.ui.ageSpinBox.value = 64
    panel.ui.sexComboBox.currentText = "female"
    host.messages.file = str(write_labs(tmp_path / "labs.csv"))
    panel.ui.readLabsButton.click()
    host.messages.clear()
    result = assessed(panel, ct, lungs)
    out = tmp_path / "out"
    patient = ("--age", 64, "--sex", "female", "--labs", tmp_path / "labs.csv", "--model", "features+labs")
    by_command = covid_mtl("assess", path, "--lungs", mask, "--out", out, "--name", "lung1_image", *patient)
    assert by_command.returncode == 0, by_command.stderr
    expected = json.loads((out / "assessment.json").read_text())
    assert said(result) == said(expected)
    assert result["case"] == "lung1_image"
    np.testing.assert_array_equal(
        array(slicer.util.getNode("lung1_image lungs"), ct), read_mask(out / "lungs.nrrd").array
    )

    caption, warnings, verdicts, patient, volumes = shown(panel)
    assert "64 years, female, 2 laboratory values" in patient and "LY 0.48 G/L" in patient
    assert "lung1_image" in caption and "Research use only" in caption
    assert all(warning[:40] in warnings for warning in result["warnings"]) and result["warnings"]
    for task in result["tasks"].values():
        assert f"{task['title']}: {task['verdict']}" in verdicts
        assert all(f"{p:.1%}" in verdicts for p in task["probabilities"])
    assert f"{result['lungs']['both']['volume_ml']:.0f} ml" in volumes

    panel.ui.tableButton.click()
    panel.ui.plotButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == slicer.util.getNode("lung1_image COVID-MTL probabilities").GetID()
    assert selection.GetActivePlotChartID() == slicer.util.getNode("lung1_image COVID-MTL chart").GetID()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView
    panel.ui.openReportButton.click()
    (opened_path,) = host.messages.of("open")
    assert Path(opened_path).read_text(encoding="utf-8") == report_of(ct)
    host.messages.file = str(tmp_path / "saved.html")
    panel.ui.saveReportButton.click()
    assert (tmp_path / "saved.html").read_text(encoding="utf-8") == report_of(ct)
    host.messages.file = str(tmp_path / "v1.2 saved")  # where the dialog adds no ending
    panel.ui.saveReportButton.click()
    assert (tmp_path / "v1.2 saved.html").is_file()
    assert "lung1_image" in report_of(ct)
    host.messages.file = str(tmp_path / "nowhere" / "saved.html")
    panel.ui.saveReportButton.click()
    assert host.messages.of("error") == [f"There is no folder {tmp_path / 'nowhere'} to write to; make it first."]
    host.messages.file = ""
    panel.ui.saveReportButton.click()
    assert len(host.messages.of("error")) == 1


def test_verdict_table_and_plot_come_back_with_the_scene(phantom, tmp_path):
    """Of a CT under a transform, whose lungs are found by the program."""
    panel = opened()
    panel._parameterNode.model = "features"
    ct = add_ct(phantom, matrix=turn(15, 9))
    add_ct(phantom, "Another")
    result = assessed(panel, ct)
    assert panel.ui.outputSelector.currentNode() is None
    lungs = slicer.util.getNode("Phantom lungs")
    assert lungs.GetTransformNodeID() == ct.GetTransformNodeID() is not None
    texts = shown(panel)
    values = table(slicer.util.getNode("Phantom COVID-MTL probabilities"))
    panel.ui.inputSelector.setCurrentNode(slicer.util.getNode("Another"))
    assert "Nothing assessed yet." in panel.ui.resultsCaptionLabel.text and not panel.ui.openReportButton.enabled
    panel.ui.inputSelector.setCurrentNode(ct)
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert "Nothing assessed yet." in panel.ui.resultsCaptionLabel.text
    host.load_scene(tmp_path / "scene.mrb")
    assert panel.ui.inputSelector.currentNode().GetName() == "Phantom"
    assert shown(panel) == texts and assessment_of(slicer.util.getNode("Phantom")) == result
    assert table(slicer.util.getNode("Phantom COVID-MTL probabilities")) == values
    panel.ui.plotButton.click()
    chart = slicer.util.getNode("Phantom COVID-MTL chart")
    assert chart.GetNthPlotSeriesNode(0).GetTableNode().GetName() == "Phantom COVID-MTL probabilities"
    before = panels.nodes()
    assessed(panel, slicer.util.getNode("Phantom"))
    assert panels.nodes() == before  # a second run takes the place of the first


def test_model_of_the_users_own(phantom, tmp_path):
    """A folder is added, stays in the list, gives the verdicts, and may be gone later."""
    folder = tmp_path / "a model"
    shutil.copytree(shipped_models()["features-mtl"], folder)
    card = json.loads((folder / "model.json").read_text())
    card |= {"title": "A model of mine", "name": "mine", "intended_use": "For <tests> only."}
    (folder / "model.json").write_text(json.dumps(card))
    panel = opened()
    shipped = len(shipped_models())
    assert panel.ui.modelComboBox.count == shipped and "0.68" in panel.ui.modelCardLabel.text
    host.messages.file = str(tmp_path)
    panel.ui.addModelButton.click()
    assert "There is no model" in host.messages.of("error")[0] and panel.ui.modelComboBox.count == shipped
    host.messages.clear()
    host.messages.file = str(folder)
    panel.ui.addModelButton.click()
    assert panel.ui.modelComboBox.currentText == "A model of mine"
    assert "For &lt;tests&gt; only." in panel.ui.modelCardLabel.text
    host.messages.clear()
    panel.ui.deviceComboBox.currentText = "CPU"
    ct = add_ct(phantom)
    result = assessed(panel, ct, add_lungs(phantom.lungs, ct))
    assert result["models"][0]["name"] == "mine" and result["models"][0]["device"] == "cpu"

    fresh = host.reload(MODULES["COVIDMTL"])
    assert fresh.ui.modelComboBox.count == shipped + 1 and fresh.ui.modelComboBox.currentText == "A model of mine"
    fresh.ui.modelComboBox.currentIndex = 0
    assert "0.921" in fresh.ui.modelCardLabel.text and "For &lt;tests" not in fresh.ui.modelCardLabel.text
    fresh.ui.modelComboBox.currentIndex = shipped
    shutil.rmtree(folder)
    host.leave()
    host.open(MODULES["COVIDMTL"])
    assert fresh.ui.modelComboBox.count == shipped and "is not there" in fresh.ui.modelCardLabel.text
    fresh.ui.applyButton.click()
    wait(fresh)
    assert "There is no model" in host.messages.of("error")[0]


def test_device_counts_for_a_model_on_volumes_alone(phantom, tmp_path):
    """One that is not there is told; a model on features runs on the CPU, whatever is chosen."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    panel, ct = opened(), add_ct(phantom)
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.deviceComboBox.currentText = "GPU (CUDA)"
    panel._parameterNode.model = str(saved(tmp_path / "volumes")[0])
    panel.ui.applyButton.click()
    wait(panel)
    assert "cuda" in host.messages.of("error")[0] and number_of("vtkMRMLTextNode") == 0
    host.messages.clear()
    panel._parameterNode.model = "features"
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == [] and assessment_of(ct)["models"][0]["device"] == "cpu"


def test_logic_gives_the_same_on_nodes_and_files_and_folders(phantom, tmp_path):
    cts = tmp_path / "cts"
    cts.mkdir()
    write(phantom.ct, cts / "Phantom.nrrd")
    (cts / "broken.nrrd").write_bytes(b"NRRD0004\n")
    logic = opened().logic
    ct, news = add_ct(phantom), []
    labs = write_labs(tmp_path / "labs.csv")
    on_node = logic.process(ct, age=64.5, sex="female", labs=labs, progress=lambda *one: news.append(one))
    assert news[-1][0] == "done" and assessment_of(ct) == on_node
    assert on_node["patient"] == {"age": 64.5, "sex": "female", "labs": {"HGB": 141.0, "LY": 0.48}}
    on_file = logic.processFile(cts / "Phantom.nrrd", tmp_path / "one", age=64.5, sex="female", labs=labs)
    (tmp_path / "patients.csv").write_text("case,age,sex,LY,HGB\nPhantom,64.5,female,0.48,141\n")
    rows = logic.processFolder(cts, tmp_path / "all", patients=tmp_path / "patients.csv")
    in_folder = json.loads((tmp_path / "all" / "Phantom" / "assessment.json").read_text())
    for other in (on_file, in_folder):
        assert said(on_node) == said(other)
    by_case = {row["case"]: row for row in rows}
    assert by_case["Phantom"]["error"] == "" and "broken" in by_case["broken"]["error"]
    with open(tmp_path / "all" / "batch.csv", newline="") as file:
        assert [row["case"] for row in csv.DictReader(file)] == ["Phantom", "broken"]
    written = (tmp_path / "all" / "Phantom" / "assessment.json").stat().st_mtime_ns
    assert logic.processFolder(cts, tmp_path / "all", patients=tmp_path / "patients.csv") == rows
    assert (tmp_path / "all" / "Phantom" / "assessment.json").stat().st_mtime_ns == written


def test_sample_data_is_a_ct_that_can_be_assessed():
    (ct,) = host.click_sample("SyntheticChestCT")
    assert ct.GetName() == "SyntheticChestCT" and slicer.util.arrayFromVolume(ct).min() < -900
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == ct.GetID()
    panel = opened()
    assert panel.ui.inputSelector.currentNode() is ct and panel.ui.applyButton.enabled


def test_older_slicer_lists_the_module(monkeypatch):
    """Slicer before 5.12 has sample data whose categories have no title."""
    import SampleData

    monkeypatch.delattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory")
    monkeypatch.setattr(slicer.modules, "sampleDataSources", {})
    sys.modules["COVIDMTL"].registerSampleData()
    (source,) = SampleData.SampleDataLogic.sampleDataSourcesByCategory("COVIDMTL")
    assert source.sampleName == "SyntheticChestCT"
