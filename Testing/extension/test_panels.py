"""What both panels do alike: run a job, cancel it, survive the scene, a reload, a crash and missing packages."""

import gc
import logging
import os
import re
import sys
import time
import unittest
import weakref

import numpy as np
import pytest
from COVIDMTLMRML.attention import attention_nodes, store_attention
from slicer_host.services.packaging import PIP_FAILED
from support import panels
from support.missing_packages import blocked
from support.panels import MODULES, add_ct, add_empty_ct, host, jobs, nodes, nothing_is_left, running, slicer, wait

clean_host = panels.clean_host
BOTH = pytest.mark.parametrize("name", MODULES)
SEGMENTATIONS = {"COVIDMTL": 2, "SegmentRefine": 1}
"""How many segmentations a run adds: the lungs, and in COVIDMTL the opacities."""
pytestmark = pytest.mark.usefixtures("clean_host")


@pytest.fixture
def packages(monkeypatch):
    for name, value in (("missing", None), ("answer", "installed"), ("asked", [])):
        monkeypatch.setattr(host.packages, name, value)
    for name in ("load_error", "extensions", "extensions_on_server"):
        monkeypatch.setattr(host.packages, name, getattr(host.packages, name))
    monkeypatch.setattr(slicer.app.extensionsManagerModel(), "_new", set())
    return host.packages


def opened(name):
    return host.open(MODULES[name])


def started(name, phantom, fraction=0.1):
    """A panel whose job has come some way."""
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    panel.ui.applyButton.click()
    wait(panel, fraction)
    assert running(panel) and len(jobs()) >= 1
    return panel


@BOTH
def test_empty_panel_says_what_it_needs(name, phantom, packages):
    panel = opened(name)
    assert "Research use only" in panel.ui.researchLabel.text
    assert not panel.ui.applyButton.enabled and panel.ui.applyButton.toolTip == "Select a CT volume"
    assert not running(panel) and packages.asked == []
    ct = add_ct(phantom)
    host.leave()
    host.open(MODULES[name])
    assert panel.ui.inputSelector.currentNode() is ct  # the only CT there is
    assert panel.ui.applyButton.enabled
    for widget in panel.ui.inputsCollapsibleButton.findChildren(slicer.qMRMLNodeComboBox):
        assert len(widget.toolTip) > 20


@BOTH
def test_ct_is_chosen_if_it_is_the_only_one(name, phantom):
    """Label maps and attention of networks, which are scalar volumes too, are no CTs and not offered as such."""
    panel = opened(name)
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "Labels")
    text = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "Assessment")
    ct = add_ct(phantom)
    store_attention(text, ct, {"covid_ct": phantom.ct})
    (attention,) = attention_nodes(text).values()
    host.leave()
    host.open(MODULES[name])
    assert panel.ui.inputSelector.currentNode() is ct and labels.IsA("vtkMRMLScalarVolumeNode")
    assert panel.ui.inputSelector.nodeCount() == 1 and attention.GetHideFromEditors() == 0
    panel.ui.inputSelector.setCurrentNode(None)
    other = add_ct(phantom, "Other")
    host.leave()
    host.open(MODULES[name])
    assert panel.ui.inputSelector.currentNode() is None and not panel.ui.applyButton.enabled
    panel.ui.inputSelector.setCurrentNode(other)
    assert panel.ui.applyButton.enabled and panel.ui.inputSelector.nodeCount() == 2


@BOTH
def test_slicer_that_is_too_old_is_told(name, phantom, monkeypatch):
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)  # as where there is no such module
    panel.ui.applyButton.click()
    assert [message[:36] for message in host.messages.of("error")] == ["This needs Slicer 5.12 or later; thi"]
    assert not running(panel) and jobs() == [] and host.messages[0].details == ""


@BOTH
def test_cancel_takes_effect_at_once_and_leaves_nothing(name, phantom):
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    before = nodes()
    panel.ui.applyButton.click()
    assert not panel.ui.applyButton.enabled
    wait(panel, 0.1)
    processes = jobs()
    assert running(panel) and len(processes) >= 2
    began = time.monotonic()
    panel.ui.cancelButton.click()
    assert time.monotonic() - began < 2
    assert nothing_is_left(processes) and nodes() == before
    assert not running(panel) and panel.ui.applyButton.enabled
    assert "Cancelled" in panel.ui.statusLabel.text and host.messages == []


@BOTH
def test_closing_the_scene_ends_the_run(name, phantom):
    panel = started(name, phantom)
    processes = jobs()
    host.close_scene()
    assert nothing_is_left(processes) and not running(panel) and not panel.ui.applyButton.enabled
    assert "scene was closed" in panel.ui.statusLabel.text and host.messages == []
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    assert panel.ui.applyButton.enabled


@BOTH
def test_reload_during_a_run_ends_it_and_keeps_the_choices(name, phantom):
    panel = started(name, phantom)
    processes = jobs()
    fresh = host.reload(MODULES[name])
    assert fresh is not panel and nothing_is_left(processes)
    assert fresh.ui.inputSelector.currentNode().GetName() == "Phantom" and fresh.ui.applyButton.enabled
    fresh.ui.applyButton.click()
    assert running(fresh)
    fresh.ui.cancelButton.click()


@BOTH
def test_name_of_a_ct_is_neither_an_option_nor_a_file_name(name, phantom):
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom, "-Thorax/" + 300 * "肺"))
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == [] and panels.number_of("vtkMRMLSegmentationNode") == SEGMENTATIONS[name]


@BOTH
def test_run_goes_on_while_another_module_is_open(name, phantom):
    panel = started(name, phantom)
    host.leave()
    wait(panel)
    assert host.messages == []
    assert host.open(MODULES[name]) is panel
    assert "ml" in (panel.ui.resultsLabel if name == "SegmentRefine" else panel.ui.lungsLabel).text


@BOTH
def test_ct_removed_during_the_run_is_told(name, phantom):
    panel = started(name, phantom)
    slicer.mrmlScene.RemoveNode(panel.ui.inputSelector.currentNode())
    wait(panel)
    assert host.messages.of("error") == ["Phantom was removed from the scene during the run; the result was dropped."]
    assert panels.number_of("vtkMRMLSegmentationNode") == panels.number_of("vtkMRMLTableNode") == 0


@BOTH
def test_crash_of_the_job_is_told_and_the_panel_goes_on(name, phantom):
    panel = started(name, phantom)
    before = nodes()
    for process in jobs():
        process.kill()
    wait(panel)
    (message,) = host.messages
    assert message.kind == "error" and "Traceback" not in message.text + message.details
    assert "ended" in message.text and message.text in panel.ui.statusLabel.text
    assert nothing_is_left() and nodes() == before and panel.ui.applyButton.enabled


@BOTH
def test_unusable_input_is_told_in_a_sentence(name, phantom):
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_empty_ct())
    panel.ui.applyButton.click()
    dense = add_ct(phantom, "Dense")
    without_lungs = np.where(phantom.lungs.array > 0, 0, phantom.ct.array).astype(np.int16)
    slicer.util.updateVolumeFromArray(dense, without_lungs)
    panel.ui.inputSelector.setCurrentNode(dense)
    panel.ui.applyButton.click()
    wait(panel)
    first, second = host.messages
    assert first.text == "Empty holds no image; load one into it or choose another volume."
    assert "Dense" in second.text and "Traceback" not in second.text + second.details
    assert panel.ui.statusLabel.text == f"Failed: {second.text}" and panel.ui.applyButton.enabled
    assert panels.number_of("vtkMRMLSegmentationNode") == 0


def test_part_of_a_chest_has_measures_and_no_verdict(phantom):
    panel = opened("COVIDMTL")
    half = add_ct(phantom, "Half")
    slicer.util.updateVolumeFromArray(half, phantom.ct.array[: len(phantom.ct.array) // 2].copy())
    panel.ui.inputSelector.setCurrentNode(half)
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == [] and "only a part of a chest" in panel.ui.verdictsLabel.text
    assert "ml" in panel.ui.lungsLabel.text and "positive" not in panel.ui.verdictsLabel.text


@BOTH
@pytest.mark.parametrize(
    ("answer", "told", "dialogs"),
    [
        ("declined", "Without scikit-image>=0.22 this cannot be done; press Apply again", []),
        ("fails", "scikit-image>=0.22 could not be installed; see that the computer is on the network", [PIP_FAILED]),
        ("half", "The installation was not finished, scikit-image>=0.22 is still missing; press Apply again.", None),
    ],
)
def test_missing_package_that_does_not_come_is_told_once(name, phantom, packages, answer, told, dialogs):
    """In a dialog of Slicer's or in one of ours, not in both."""
    packages.missing, packages.answer = {"scikit-image"}, answer
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    assert packages.asked == []
    panel.ui.applyButton.click()
    assert packages.asked and all("scikit-image" in asked[0] for asked in packages.asked)
    assert panel.ui.statusLabel.text.startswith(f"Failed: {told}")
    if dialogs is None:
        (text,) = host.messages.of("error")
        assert text.startswith(told)
    else:
        assert host.messages.of("error") == dialogs
    assert not any(message.hourglass for message in host.messages)
    assert not running(panel) and jobs() == []


@BOTH
def test_missing_package_is_installed_on_apply(name, phantom, packages):
    packages.missing = {"nibabel"}
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    panel.ui.applyButton.click()
    assert packages.asked == [["nibabel>=4"]] and running(panel)
    assert [message.hourglass for message in host.messages] == [False]  # pip's question
    panel.ui.cancelButton.click()


@pytest.fixture
def torch_panel(phantom, packages, monkeypatch):
    """The panel COVIDMTL with a CT and a model that needs PyTorch, which is missing."""
    monkeypatch.setattr(sys.modules["COVIDMTL"], "needs_torch", lambda model: True)
    packages.missing = {"torch"}
    panel = opened("COVIDMTL")
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    return panel


def test_pytorch_is_asked_for_only_by_models_that_need_it(torch_panel, packages, monkeypatch):
    monkeypatch.setattr(sys.modules["COVIDMTL"], "needs_torch", lambda model: False)
    torch_panel.ui.applyButton.click()
    assert running(torch_panel) and packages.asked == [] and host.messages == []
    torch_panel.ui.cancelButton.click()


@pytest.mark.parametrize(
    ("confirm", "answer", "error", "told", "own_dialog"),
    [
        (False, "installed", None, "Without PyTorch this cannot be done", False),
        (True, "fails", None, "PyTorch could not be installed", False),
        (True, "half", None, "PyTorch could not be installed", True),
        (True, "half", OSError("a DLL"), "PyTorch could not be installed", True),
        (True, "installed", OSError("[WinError 127] c10.dll"), r"PyTorch was installed, .*c10.dll\); restart", True),
        (True, "installed", RuntimeError(), r"PyTorch was installed, .*RuntimeError\); restart Slicer", True),
    ],
)
def test_pytorch_that_does_not_come_is_told(
    torch_panel, packages, monkeypatch, confirm, answer, error, told, own_dialog
):
    packages.answer, packages.load_error = answer, error
    monkeypatch.setattr(host.messages, "confirm", confirm)
    torch_panel.ui.applyButton.click()
    status = torch_panel.ui.statusLabel.text
    assert re.match(f"Failed: {told}", status) and not running(torch_panel)
    assert [text for text in host.messages.of("error") if text != PIP_FAILED] == [status[8:]] * own_dialog
    assert not any(message.hourglass or message.details for message in host.messages)


def test_extension_pytorch_is_offered_for_installation(torch_panel, packages, monkeypatch):
    packages.extensions, apply = set(), torch_panel.ui.applyButton
    monkeypatch.setattr(packages, "extensions_on_server", set())
    monkeypatch.setattr(host.messages, "confirm", False)
    apply.click()
    assert len(host.messages.of("confirm")) == 1 and host.messages.of("error") == []
    monkeypatch.setattr(host.messages, "confirm", True)
    apply.click()
    monkeypatch.setattr(packages, "extensions_on_server", {"PyTorch"})
    apply.click()
    apply.click()
    assert len(host.messages.of("confirm")) == 3  # one for each that was tried, and none by Slicer besides
    failed, installed, restart = host.messages.of("error")
    assert failed.startswith("The extension PyTorch could not be installed; see that the computer is on the network")
    assert installed == "The extension PyTorch was installed; restart Slicer and press Apply again."
    assert restart.endswith("restart Slicer.") and not running(torch_panel)
    assert slicer.app.extensionsManagerModel().interactive


@BOTH
def test_self_test_without_packages_is_skipped_with_the_reason(name, packages):
    packages.missing = {"scikit-image"}
    kind = getattr(sys.modules[name], f"{name}Test")
    kind().runTest()  # as "Reload and Test" runs it
    (reason,) = host.messages.of("delay")
    assert reason == "Skipped: scikit-image>=0.22 not installed; press Apply in the panel."
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(result)  # as Slicer's build runs it
    assert result.wasSuccessful() and [reason[:12] for _test, reason in result.skipped] == ["scikit-image"]


@BOTH
@pytest.mark.parametrize("damaged", [False, True])
def test_log_of_the_job_goes_to_the_log_of_slicer(name, phantom, tmp_path, monkeypatch, caplog, damaged):
    (tmp_path / "sitecustomize.py").write_text("import sys; print('a library warns', file=sys.stderr)")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    panel, ct = opened(name), add_ct(phantom)
    if damaged:
        slicer.util.updateVolumeFromArray(ct, np.where(phantom.lungs.array > 0, 0, phantom.ct.array).astype(np.int16))
    panel.ui.inputSelector.setCurrentNode(ct)
    with caplog.at_level(logging.INFO):
        panel.ui.applyButton.click()
        wait(panel, None if damaged else 0.3)
    panel.ui.cancelButton.click()
    assert "a library warns" in [record.message for record in caplog.records if record.name == name]
    assert ("Failed" in panel.ui.statusLabel.text) == damaged


def test_job_that_is_over_holds_nothing(phantom):
    """The timer of a job holds what is to be called at its end, which holds the panel and what was computed."""
    panel = opened("SegmentRefine")
    ct = add_ct(phantom)
    finished = []
    job = panel.logic.start(ct, finished=lambda result: finished.append(result))
    run = weakref.ref(job._run)
    host.wait_until(lambda: finished, panels.PATIENCE)
    gc.collect()
    assert run() is None and not job.running
    job.cancel()


@BOTH
def test_without_pytorch_and_pyradiomics_both_panels_work(name, phantom, packages, monkeypatch, tmp_path):
    """In a process in which none of them can be imported."""
    (tmp_path / "missing").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(blocked(tmp_path / "missing")))
    packages.missing = {"torch"}
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == [] and panels.number_of("vtkMRMLSegmentationNode") == SEGMENTATIONS[name]
    assert "ml" in (panel.ui.resultsLabel if name == "SegmentRefine" else panel.ui.lungsLabel).text
