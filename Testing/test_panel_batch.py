"""Sections of the panels besides the one job: Batch, Log, what is folded, 3D."""

import csv

import panels
import pytest
from conftest import write
from COVIDMTLMRML.results import SEGMENTATION, part_of
from panels import MODULES, add_ct, host, nothing_is_left, running, slicer, wait

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")


@pytest.fixture
def folder(phantom, tmp_path):
    """A folder of two CTs and one that is none."""
    (tmp_path / "cts").mkdir()
    for name in ("one", "two"):
        write(phantom.ct, tmp_path / "cts" / f"{name}.nrrd")
    (tmp_path / "cts" / "broken.nrrd").write_text("no image")
    return tmp_path / "cts"


def batch(folder, out):
    panel = host.open(MODULES["COVIDMTL"])
    panel.ui.batchInputEdit.currentPath, panel.ui.batchOutputEdit.currentPath = str(folder), str(out)
    return panel


def test_batch_is_cancelled_goes_on_and_opens_its_summary(folder, tmp_path):
    panel = host.open(MODULES["COVIDMTL"])
    assert not panel.ui.batchButton.enabled
    panel = batch(folder, tmp_path / "out")
    assert panel.ui.batchButton.enabled and not panel.ui.applyButton.enabled  # no CT is needed in the scene
    panel.ui.batchButton.click()
    assert not panel.ui.batchButton.enabled and running(panel)
    wait(panel, 0.34)
    processes = panels.jobs()
    panel.ui.cancelButton.click()
    assert nothing_is_left(processes) and "Cancelled" in panel.ui.statusLabel.text
    done = {path.name for path in (tmp_path / "out" / "cases").iterdir() if (path / "assessment.json").exists()}
    panel.ui.batchButton.click()
    wait(panel)
    assert host.messages.of("error") == [] and panel.ui.statusLabel.text == "Done."
    assert host.messages.of("open") == [str(tmp_path / "out" / "cohort.html")]
    with (tmp_path / "out" / "cohort.csv").open(encoding="utf-8") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert done <= rows.keys() and sum(bool(row["error"]) for row in rows.values()) == 1 and len(rows) == 3


def test_paths_of_a_batch_are_kept_between_sessions_and_what_is_wrong_is_told(tmp_path):
    panel = batch(tmp_path / "none", tmp_path / "out")
    panel.ui.batchButton.click()
    wait(panel)
    (told,) = host.messages.of("error")
    assert told.startswith(f"There is no file {tmp_path / 'none'}") and panel.ui.batchButton.enabled
    fresh = host.reload(MODULES["COVIDMTL"])
    assert fresh.ui.batchInputEdit.currentPath == str(tmp_path / "none")


@pytest.mark.parametrize("name", MODULES)
def test_log_and_versions_are_folded_away(name, phantom, tmp_path, monkeypatch):
    (tmp_path / "sitecustomize.py").write_text("import sys; print('a library warns', file=sys.stderr)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    panel = host.open(MODULES[name])
    assert panel.ui.logCollapsibleButton.collapsed and "numpy" in panel.ui.versionsLabel.text
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    panel.ui.applyButton.click()
    wait(panel)
    assert "a library warns" in panel.ui.logTextEdit.plainText.splitlines()


def test_verdicts_and_lungs_come_first_and_the_lungs_are_shown_in_3d(phantom):
    panel = host.open(MODULES["COVIDMTL"])
    ct = add_ct(phantom)
    panel.ui.inputSelector.setCurrentNode(ct)
    assert panel.ui.contributionsCollapsibleButton.isHidden()
    panel.ui.applyButton.click()
    wait(panel)
    ui = panel.ui
    shown = [ui.warningsLabel, ui.verdictsLabel, ui.lungsLabel, ui.contributionsCollapsibleButton]
    heights = [widget.y for widget in shown]
    assert heights == sorted(heights) and not ui.contributionsCollapsibleButton.isHidden()
    assert ui.contributionsCollapsibleButton.collapsed and ui.modelCardCollapsibleButton.collapsed
    assert "What counted most" in ui.contributionsLabel.text and "counted" not in ui.verdictsLabel.text
    ui.show3DButton.click()
    assert part_of(ct, SEGMENTATION).GetSegmentation().ContainsRepresentation("Closed surface")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode") == 1
