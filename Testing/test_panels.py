"""What both panels do alike: run a job, cancel it, survive the scene, a reload, a crash and missing packages."""

import time

import panels
import pytest
from panels import MODULES, add_ct, add_empty_ct, host, jobs, nodes, nothing_is_left, running, slicer, wait

clean_host = panels.clean_host
BOTH = pytest.mark.parametrize("name", MODULES)
pytestmark = pytest.mark.usefixtures("clean_host")


@pytest.fixture
def packages(monkeypatch):
    for name, value in (("missing", None), ("answer", "installed"), ("asked", [])):
        monkeypatch.setattr(host.packages, name, value)
    monkeypatch.setattr(host.packages, "extensions", host.packages.extensions)
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
def test_empty_panel_says_what_it_needs(name, phantom):
    panel = opened(name)
    assert "Research use only" in panel.ui.researchLabel.text
    assert not panel.ui.applyButton.enabled and panel.ui.applyButton.toolTip == "Select a CT volume"
    assert not running(panel) and host.packages.asked == []
    ct = add_ct(phantom)
    host.leave()
    host.open(MODULES[name])
    assert panel.ui.inputSelector.currentNode() is ct  # the only CT there is
    assert panel.ui.applyButton.enabled
    for widget in panel.ui.inputsCollapsibleButton.findChildren(slicer.qMRMLNodeComboBox):
        assert len(widget.toolTip) > 20


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
    half = add_ct(phantom, "Half")
    slicer.util.updateVolumeFromArray(half, phantom.ct.array[: len(phantom.ct.array) // 2].copy())
    panel.ui.inputSelector.setCurrentNode(half)
    panel.ui.applyButton.click()
    wait(panel)
    first, second = host.messages
    assert first.text == "Empty holds no image; load one into it or choose another volume."
    assert "Half" in second.text and "Traceback" not in second.text + second.details
    assert panel.ui.statusLabel.text == f"Failed: {second.text}" and panel.ui.applyButton.enabled
    assert panels.number_of("vtkMRMLSegmentationNode") == 0


@BOTH
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("declined", "Without scikit-image>=0.22 this cannot be done; press Apply again"),
        ("fails", "scikit-image>=0.22 could not be installed; see that the computer is on the network"),
        ("half", "The installation was not finished, scikit-image>=0.22 is still missing; press Apply again."),
    ],
)
def test_missing_package_that_does_not_come_is_told(name, phantom, packages, answer, told):
    packages.missing, packages.answer = {"scikit-image"}, answer
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    assert packages.asked == []
    panel.ui.applyButton.click()
    assert packages.asked and all("scikit-image" in asked[0] for asked in packages.asked)
    assert host.messages.of("error")[0].startswith(told)
    assert not running(panel) and jobs() == []


@BOTH
def test_missing_package_is_installed_on_apply(name, phantom, packages):
    packages.missing = {"nibabel"}
    panel = opened(name)
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    panel.ui.applyButton.click()
    assert packages.asked == [["nibabel>=4"]] and running(panel)
    panel.ui.cancelButton.click()


def test_extensions_of_slicer_that_are_missing_are_named(phantom, packages, monkeypatch):
    panel = opened("COVIDMTL")
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    packages.extensions, packages.missing = {"PyTorch"}, {"torch"}
    monkeypatch.setattr(host.messages, "confirm", False)
    panel.ui.applyButton.click()
    monkeypatch.setattr(host.messages, "confirm", True)
    packages.answer = "half"
    panel.ui.applyButton.click()
    packages.extensions = set()
    panel.ui.applyButton.click()
    declined, half, without_torch = host.messages.of("error")
    assert declined.startswith("Without PyTorch this cannot be done")
    assert half.startswith("PyTorch could not be installed")
    assert "install the extension PyTorch in the Extensions Manager" in without_torch
    assert not running(panel)


def test_without_torch_and_radiomics_lungs_can_be_segmented(phantom, packages, monkeypatch, tmp_path):
    """In a process in which both cannot be imported."""
    for module in ("torch", "radiomics"):
        (tmp_path / module).mkdir()
        (tmp_path / module / "__init__.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    packages.missing = {"torch"}
    panel = opened("SegmentRefine")
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == [] and panels.number_of("vtkMRMLSegmentationNode") == 1
