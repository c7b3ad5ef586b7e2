"""Attention in the panel COVIDMTL, and models made of checkpoints by a click."""

import numpy as np
import pytest
import torch
from COVIDMTLMRML.results import node_of
from support import panels
from support.models.bright_block import with_block
from support.models.bright_model import TASKS, write_bright_model
from support.models.published_checkpoints import PUBLISHED, checkpoint
from support.panels import MODULES, add_ct, add_lungs, host, slicer, turn, wait

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")


def foreground():
    """What lies over the CT in the red slice view, and how opaque."""
    node = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    return node.GetForegroundVolumeID(), node.GetForegroundOpacity()


def test_attention_lies_over_the_ct_and_comes_back_with_the_scene(phantom, tmp_path):
    """On a CT under a transform."""
    bright, block = with_block(phantom)
    ct = add_ct(type(phantom)(bright, phantom.lungs, phantom.opacities), matrix=turn(20, 5))
    panel = host.open(MODULES["COVIDMTL"])
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.lungsSelector.setCurrentNode(add_lungs(phantom.lungs, ct))
    assert panel.ui.attentionWidget.isHidden()
    panel._parameterNode.model = str(write_bright_model(tmp_path / "bright"))
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == [] and "severe" in panel.ui.verdictsLabel.text
    combo = panel.ui.attentionComboBox
    assert not panel.ui.attentionWidget.isHidden()
    assert [combo.itemText(i) for i in range(combo.count)] == ["None", *(task["title"] for task in TASKS)]
    assert foreground()[0] in ("", None)

    combo.currentIndex = 2
    node = slicer.util.getNode("Phantom COVID-MTL attention severity")
    assert foreground() == (node.GetID(), 0.5)
    assert node.GetTransformNodeID() == ct.GetTransformNodeID()
    found = slicer.util.arrayFromVolume(node)
    assert found.shape == slicer.util.arrayFromVolume(ct).shape
    assert found[block].min() > 0.5 and np.mean(found > 0.5) < 0.2
    panel.ui.attentionOpacitySlider.value = 0.8
    assert foreground() == (node.GetID(), 0.8)
    combo.currentIndex = 0
    assert foreground()[0] in ("", None)
    combo.currentIndex = 1

    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert panel.ui.attentionWidget.isHidden()
    host.load_scene(tmp_path / "scene.mrb")
    assert combo.currentText == TASKS[0]["title"] and panel.ui.attentionOpacitySlider.value == 0.8
    node = slicer.util.getNode("Phantom COVID-MTL attention covid_ct")
    assert foreground() == (node.GetID(), 0.8)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(node)[block].min(), found[block].min(), atol=1e-6)

    # A model on features has no attention, and takes that of the earlier assessment away.
    panel.ui.modelComboBox.currentIndex = 0
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == [] and panel.ui.attentionWidget.isHidden()
    assert slicer.mrmlScene.GetFirstNodeByName("Phantom COVID-MTL attention covid_ct") is None
    assert node_of(slicer.util.getNode("Phantom")) is not None and foreground()[0] in ("", None)


def test_checkpoint_is_imported_by_a_click(tmp_path):
    panel = host.open(MODULES["COVIDMTL"])
    shipped = panel.ui.modelComboBox.count
    torch.save({"weights": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save(checkpoint(PUBLISHED["volume, two tasks"]), tmp_path / "published.pth")
    host.messages.file = [str(tmp_path / "other.pth"), str(tmp_path)]
    panel.ui.importModelButton.click()
    assert len(host.messages.of("error")) == 1 and panel.ui.modelComboBox.count == shipped
    assert not (tmp_path / "other-model").exists()
    host.messages.clear()
    host.messages.file = [str(tmp_path / "published.pth"), str(tmp_path)]
    panel.ui.importModelButton.click()
    assert host.messages.of("error") == []
    assert panel.ui.modelComboBox.count == shipped + 1 and (tmp_path / "published-model" / "model.json").is_file()
    assert panel._parameterNode.model == str(tmp_path / "published-model")
