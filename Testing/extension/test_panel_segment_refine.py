"""The panel SegmentRefine and its logic, clicked through on a real MRML scene."""

import json
import time

import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.volume import labels_on
from COVIDMTLLib.segmentation.methods import Parameters
from COVIDMTLMRML.lung_tables import read_lung_table
from COVIDMTLMRML.volumes import add_volume
from support import panels
from support.airways_mask import with_lungs_alone
from support.data.orientations import turned
from support.panels import MODULES, add_ct, add_lungs, array, host, number_of, slicer, table, turn, wait

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")


def opened():
    return host.open(MODULES["SegmentRefine"])


def logic():
    return host.open(MODULES["SegmentRefine"]).logic


def test_real_ct_is_segmented_and_compared_as_by_the_command_line(real_ct, tmp_path):
    """CT and reference as a user loads them; a preview, then the whole volume, each against the command line."""
    path = real_ct / "lung1_image.nrrd"
    ct = slicer.util.loadVolume(str(path))
    panel = opened()
    reference = labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), panels.geometry_of(ct))
    node = add_lungs(reference, ct, "Reference")
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.referenceSelector.setCurrentNode(node)
    red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    red.SetSliceOffset(panels.height_of_slice(ct, 24))

    panel.ui.previewButton.click()
    assert not panel.ui.applyButton.enabled
    wait(panel)
    assert host.messages == [] and "Preview of the slice at" in panel.ui.statusLabel.text
    preview = slicer.util.getNode("lung1_image lung preview")
    assert not preview.GetSaveWithScene() and not preview.GetDisplayNode().GetVisibility2DFill()
    previewed = array(preview, ct)
    assert previewed[24].any() and not previewed[:24].any() and not previewed[25:].any()

    panel.ui.applyButton.click()
    texts = set()
    host.wait_until(lambda: texts.add(panel.ui.statusLabel.text) or not panels.running(panel), panels.PATIENCE)
    assert {"Resampling to 1 mm ...", "Finding the lungs ...", "Done."} <= texts and host.messages == []
    assert slicer.mrmlScene.GetFirstNodeByName("lung1_image lung preview") is None
    output = panel.ui.outputSelector.currentNode()
    assert output.GetName() == "lung1_image lungs"
    found = array(output, ct)
    np.testing.assert_array_equal(previewed[24] > 0, found[24] > 0)

    options = ["--out", tmp_path / "lungs.nrrd", "--measures", tmp_path / "measures.json", "--progress", "none"]
    by_command = covid_mtl("segment", path, *options)
    assert by_command.returncode == 0, by_command.stderr
    np.testing.assert_array_equal(found, read_mask(tmp_path / "lungs.nrrd").array)

    write(reference, tmp_path / "reference.nrrd")
    compared = json.loads(covid_mtl("compare-masks", tmp_path / "lungs.nrrd", tmp_path / "reference.nrrd").stdout)
    shown = read_lung_table(slicer.util.getNode("lung1_image lung volumes"))
    for title, key in {"Dice": "dice", "Jaccard": "jaccard", "MCC": "mcc", "Precision": "precision"}.items():
        assert shown[title] == round(compared[key], 4) and compared[key] > 0.94
        assert f"{compared[key]:.4f}" in panel.ui.resultsLabel.text
    assert shown["Both lungs, ml"] == pytest.approx(compared["predicted_ml"], abs=0.051)
    share = json.loads((tmp_path / "measures.json").read_text())["boundary_supported"]["both"]
    assert shown["Boundary that the CT shows, %"] == pytest.approx(100 * share, abs=0.0051) and share > 0.9
    assert f"{100 * share:.0f} %" in panel.ui.resultsLabel.text
    # Each of the three is rounded to 0.1 ml.
    assert shown["Right lung, ml"] + shown["Left lung, ml"] == pytest.approx(shown["Both lungs, ml"], abs=0.151)

    panel.ui.tableButton.click()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == slicer.util.getNode("lung1_image lung volumes").GetID()
    panel.ui.show3DButton.click()
    assert output.GetSegmentation().ContainsRepresentation("Closed surface")


def test_lungs_to_refine_and_parameters_are_used(phantom, tmp_path):
    """On an oblique CT under a transform, from a segmentation that the panel is given."""
    given = turned(phantom.ct, 12)
    ct = add_ct(type(phantom)(given, phantom.lungs, phantom.opacities), matrix=turn(20, 6))
    right = np.where(phantom.lungs.array == 1, 1, 0).astype(np.uint8)
    initial = add_lungs(type(given)(right, given.geometry), ct)
    panel = opened()
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.initialSelector.setCurrentNode(initial)
    panel.ui.methodComboBox.currentText = "Active contours (Algorithm 1)"
    panel.ui.closingSlider.value = 2
    panel.ui.iterationsSlider.value = 0
    assert not panel.ui.thresholdSlider.enabled
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == []
    output = panel.ui.outputSelector.currentNode()
    assert output.GetTransformNodeID() == ct.GetTransformNodeID()

    moved = type(given)(given.array, panels.geometry_of(ct))
    files = [write(moved, tmp_path / "ct.nrrd"), write(type(moved)(right, moved.geometry), tmp_path / "initial.nrrd")]
    method = ["--initial", files[1], "--method", "active-contour"]
    options = [*method, "--closing", 2, "--iterations", 0]
    by_command = covid_mtl("segment", files[0], "--out", tmp_path / "lungs.nrrd", *options)
    assert by_command.returncode == 0, by_command.stderr
    np.testing.assert_array_equal(array(output, ct), read_mask(tmp_path / "lungs.nrrd").array)
    default = covid_mtl("segment", files[0], "--out", tmp_path / "default.nrrd", *method)
    assert default.returncode == 0, default.stderr
    assert np.any(array(output, ct) != read_mask(tmp_path / "default.nrrd").array)

    panel.ui.defaultsButton.click()
    assert (panel.ui.closingSlider.value, panel.ui.iterationsSlider.value) == (10, 20)


def test_method_decides_what_can_be_set(phantom):
    panel = opened()
    panel.ui.inputSelector.setCurrentNode(add_ct(phantom))
    assert panel.ui.methodComboBox.currentText == "Robust (dense lung too)"
    assert panel.ui.initialSelector.enabled
    assert not panel.ui.thresholdSlider.enabled and not panel.ui.closingSlider.enabled
    panel.ui.methodComboBox.currentText = "Active contours (Algorithm 1)"
    assert panel.ui.initialSelector.enabled and panel.ui.thresholdSlider.enabled and panel.ui.closingSlider.enabled
    panel.ui.methodComboBox.currentText = "Classical (threshold)"
    contours = (panel.ui.alphaSlider, panel.ui.betaSlider, panel.ui.closingSlider, panel.ui.initialSelector)
    assert not any(widget.enabled for widget in contours) and panel.ui.thresholdSlider.enabled
    for widget in panel.ui.parametersCollapsibleButton.findChildren(type(panel.ui.alphaSlider)):
        assert len(widget.toolTip) > 40
    panel.ui.thresholdSlider.value = -600
    panel.ui.applyButton.click()
    wait(panel)
    darker = read_lung_table(slicer.util.getNode("Phantom lung volumes"))["Both lungs, ml"]
    panel.ui.defaultsButton.click()
    panel.ui.applyButton.click()
    wait(panel)
    assert read_lung_table(slicer.util.getNode("Phantom lung volumes"))["Both lungs, ml"] > darker
    assert number_of("vtkMRMLSegmentationNode") == number_of("vtkMRMLTableNode") == 1 and host.messages == []


def test_airways_are_added_on_request_and_no_lung(larger_phantom):
    panel = opened()
    ct = add_ct(larger_phantom)
    panel.ui.inputSelector.setCurrentNode(ct)
    volumes = []
    for wanted in (False, True):
        panel.ui.airwaysCheckBox.checked = wanted
        panel.ui.applyButton.click()
        wait(panel)
        output = panel.ui.outputSelector.currentNode()
        assert output.GetSegmentation().GetNumberOfSegments() == 2 + wanted
        assert ("Trachea and main bronchi" in panel.ui.resultsLabel.text) == wanted
        volumes.append(read_lung_table(slicer.util.getNode("Phantom lung volumes")))
    assert volumes[1].pop("Trachea and main bronchi, ml") > 3
    assert volumes[0] == volumes[1] and host.messages == []
    assert panel.ui.statusLabel.text == "Done."

    panel.ui.inputSelector.setCurrentNode(add_volume(with_lungs_alone(larger_phantom), "Blocked"))
    panel.ui.outputSelector.setCurrentNode(None)
    panel.ui.applyButton.click()
    wait(panel)
    assert "No trachea was found" in panel.ui.resultsLabel.text and host.messages == []


def test_preview_can_be_cancelled_and_repeated_and_goes_with_the_panel(phantom):
    panel = opened()
    ct = add_ct(phantom)
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.previewButton.click()
    panel.ui.cancelButton.click()
    assert number_of("vtkMRMLSegmentationNode") == 0
    red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    for k in (20, 30):
        red.SetSliceOffset(panels.height_of_slice(ct, k))
        panel.ui.previewButton.click()
        wait(panel)
        preview = slicer.util.getNode("Phantom lung preview*")
        assert np.flatnonzero(array(preview, ct).any(axis=(1, 2))).tolist() == [k]
        assert number_of("vtkMRMLSegmentationNode") == 1
    red.SetSliceOffset(5000)
    panel.ui.previewButton.click()
    wait(panel)
    assert len(host.messages.of("error")) == 1
    host.reload(MODULES["SegmentRefine"])
    assert number_of("vtkMRMLSegmentationNode") == 0


def test_scene_brings_back_choices_and_results(phantom, tmp_path):
    panel = opened()
    ct = add_ct(phantom)
    add_lungs(phantom.lungs, ct, "Reference")
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.referenceSelector.setCurrentNode(slicer.util.getNode("Reference"))
    panel.ui.closingSlider.value = 8
    panel.ui.applyButton.click()
    wait(panel)
    text, values = panel.ui.resultsLabel.text, table(slicer.util.getNode("Phantom lung volumes"))
    voxels = array(panel.ui.outputSelector.currentNode(), ct)
    assert "Dice" in text
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert "Nothing segmented yet." in panel.ui.resultsLabel.text
    host.load_scene(tmp_path / "scene.mrb")
    assert panel.ui.resultsLabel.text == text
    assert table(slicer.util.getNode("Phantom lung volumes")) == values
    assert panel.ui.closingSlider.value == 8
    assert panel.ui.referenceSelector.currentNode().GetName() == "Reference"
    np.testing.assert_array_equal(array(panel.ui.outputSelector.currentNode(), slicer.util.getNode("Phantom")), voxels)


def test_panel_shows_warnings(phantom):
    panel = opened()
    filled = np.where(phantom.lungs.array == 2, np.int16(40), phantom.ct.array)
    volume = add_volume(phantom.ct.with_array(filled), "OneLung")
    panel.ui.inputSelector.setCurrentNode(volume)
    warned = {"Classical (threshold)": "No left lung was found", "Robust (dense lung too)": "The CT does not show"}
    for method, warning in warned.items():
        panel.ui.methodComboBox.currentText = method
        panel.ui.applyButton.click()
        wait(panel)
        assert warning in panel.ui.resultsLabel.text


def test_logic_works_on_nodes_and_files_and_can_be_stopped(phantom, phantom_ct, tmp_path):
    ct, news = add_ct(phantom), []
    result = logic().process(ct, method="classical", progress=lambda *one: news.append(one))
    fractions = [fraction for _, fraction, _ in news]
    assert min(np.diff(fractions)) > -1e-9 and (fractions[0], fractions[-1]) == (0, 1)
    logic().processFile(phantom_ct, tmp_path / "lungs.nrrd", "classical", Parameters(threshold=-420))
    np.testing.assert_array_equal(array(result["segmentation"], ct), read_mask(tmp_path / "lungs.nrrd").array)
    assert result["measures"]["Both lungs, ml"] > 500 and result["warnings"] == []

    before = panels.nodes()

    def stop(step, fraction, text):
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        logic().process(ct, progress=stop)
    assert time.monotonic() - began < 20 and panels.nodes() == before
