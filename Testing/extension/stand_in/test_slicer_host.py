"""The stand-in for Slicer, with a small scripted module; with SLICER_PYTHON set, on Slicer's own base classes."""

import inspect
import os
import subprocess
import textwrap
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
slicer = pytest.importorskip("slicer")
# Qt needs system libraries, such as libEGL, that a bare machine may lack.
pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from slicer_host import start  # noqa: E402

host = start()

import ctk  # noqa: E402
import qt  # noqa: E402

MODULE = """
import enum
import pathlib
from typing import Annotated

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin


class Brighten(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("Brighten")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Examples")]


class Way(enum.Enum):
    ADD = "add"
    MULTIPLY = "multiply"


@parameterNodeWrapper
class BrightenParameters:
    inputVolume: slicer.vtkMRMLScalarVolumeNode
    outputVolume: slicer.vtkMRMLScalarVolumeNode
    amount: Annotated[float, WithinRange(0, 50)] = 10.0
    keepZero: Annotated[bool, Default(False)]
    folder: pathlib.Path
    way: Way = Way.ADD


class BrightenWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.parameters = self.tag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath("UI/Brighten.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = BrightenLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.connectParameters()

    def cleanup(self):
        self.disconnectParameters()
        self.removeObservers()

    def enter(self):
        self.connectParameters()

    def exit(self):
        self.disconnectParameters()

    def onStartClose(self, caller, event):
        self.disconnectParameters()

    def onEndClose(self, caller, event):
        self.connectParameters()

    def connectParameters(self):
        self.disconnectParameters()
        self.parameters = BrightenParameters(self.logic.getParameterNode())
        self.tag = self.parameters.connectGui(self.ui)
        self.addObserver(self.parameters, "ModifiedEvent", self.onModified)
        self.onModified()

    def disconnectParameters(self):
        if self.parameters is not None:
            self.parameters.disconnectGui(self.tag)
            self.removeObserver(self.parameters, "ModifiedEvent", self.onModified)
            self.parameters = None

    def onModified(self, caller=None, event=None):
        self.ui.applyButton.enabled = self.parameters.inputVolume is not None
        self.ui.applyButton.toolTip = _("Brighten") if self.ui.applyButton.enabled else _("Select a volume")

    def onApply(self):
        with slicer.util.tryWithErrorDisplay(_("It failed."), waitCursor=True):
            p = self.parameters
            p.outputVolume = self.logic.process(p.inputVolume, p.amount, p.keepZero, p.way)
            slicer.util.setSliceViewerLayers(background=p.outputVolume)
            self.ui.statusLabel.text = _("Done: {name}").format(name=p.outputVolume.GetName())


class BrightenLogic(ScriptedLoadableModuleLogic):
    def process(self, volume, amount, keepZero, way):
        old = slicer.util.arrayFromVolume(volume)
        if old.max() > 1000:
            raise ValueError("too bright already")
        new = old + amount if way is Way.ADD else old * amount
        if keepZero:
            new[old == 0] = 0
        name = slicer.mrmlScene.GenerateUniqueName(volume.GetName() + " bright")
        return slicer.util.addVolumeFromArray(new, name=name)


class BrightenTest(ScriptedLoadableModuleTest):
    def runTest(self):
        self.delayDisplay("Brighten's own test")
"""

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0">
 <class>Brighten</class>
 <widget class="qMRMLWidget" name="Brighten">
  <layout class="QVBoxLayout" name="verticalLayout">
   <item>
    <widget class="ctkCollapsibleButton" name="inputsButton">
     <property name="text"><string>Inputs</string></property>
     <layout class="QFormLayout" name="formLayout">
      <item row="0" column="0"><widget class="QLabel" name="l1"><property name="text"><string>CT</string></property>
      </widget></item>
      <item row="0" column="1">
       <widget class="qMRMLNodeComboBox" name="inputSelector">
        <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
        <property name="noneEnabled"><bool>true</bool></property>
        <property name="addEnabled"><bool>false</bool></property>
        <property name="SlicerParameterName" stdset="0"><string>inputVolume</string></property>
       </widget>
      </item>
      <item row="1" column="1">
       <widget class="ctkSliderWidget" name="amountSlider">
        <property name="singleStep"><double>0.500000000000000</double></property>
        <property name="SlicerParameterName" stdset="0"><string>amount</string></property>
       </widget>
      </item>
      <item row="2" column="1">
       <widget class="QCheckBox" name="keepZeroBox">
        <property name="text"><string>Keep zero</string></property>
        <property name="SlicerParameterName" stdset="0"><string>keepZero</string></property>
       </widget>
      </item>
      <item row="3" column="1">
       <widget class="ctkPathLineEdit" name="folderEdit">
        <property name="filters"><set>ctkPathLineEdit::Dirs|ctkPathLineEdit::NoDot</set></property>
        <property name="SlicerParameterName" stdset="0"><string>folder</string></property>
       </widget>
      </item>
      <item row="4" column="1">
       <widget class="QComboBox" name="wayBox">
        <property name="SlicerParameterName" stdset="0"><string>way</string></property>
       </widget>
      </item>
     </layout>
    </widget>
   </item>
   <item><widget class="QPushButton" name="applyButton"><property name="text"><string>Apply</string></property>
   </widget></item>
   <item><widget class="QLabel" name="statusLabel"/></item>
  </layout>
 </widget>
 <customwidgets>
  <customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends>
   <header>ctkCollapsibleButton.h</header><container>1</container></customwidget>
  <customwidget><class>ctkPathLineEdit</class><extends>QWidget</extends><header>ctkPathLineEdit.h</header>
  </customwidget>
  <customwidget><class>ctkSliderWidget</class><extends>QWidget</extends><header>ctkSliderWidget.h</header>
  </customwidget>
  <customwidget><class>qMRMLNodeComboBox</class><extends>QWidget</extends><header>qMRMLNodeComboBox.h</header>
  </customwidget>
  <customwidget><class>qMRMLWidget</class><extends>QWidget</extends><header>qMRMLWidget.h</header>
   <container>1</container></customwidget>
 </customwidgets>
 <connections>
  <connection>
   <sender>Brighten</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
   <receiver>inputSelector</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot>
  </connection>
 </connections>
</ui>
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    folder = tmp_path_factory.mktemp("Brighten")
    (folder / "Resources/UI").mkdir(parents=True)
    (folder / "Resources/UI/Brighten.ui").write_text(UI)
    (folder / "Brighten.py").write_text(textwrap.dedent(MODULE))
    module = host.load_module(folder / "Brighten.py")
    yield module
    host.unload(module)


@pytest.fixture
def panel(module):
    """The panel, open on an empty scene; no slot may have raised by the end."""
    host.messages.clear()
    host.errors.clear()
    host.close_scene()
    panel = host.open(module)
    yield panel
    host.leave()
    host.close_scene()
    assert host.errors == []


def volume(name="CT", value=1.0):
    return slicer.util.addVolumeFromArray(np.full((2, 3, 4), value), name=name)


def test_slicers_own_files_are_used():
    if not os.environ.get("SLICER_PYTHON"):
        pytest.skip("SLICER_PYTHON is not set")
    from slicer import ScriptedLoadableModule, i18n, parameterNodeWrapper

    for wanted in (ScriptedLoadableModule, parameterNodeWrapper, i18n):
        assert inspect.getfile(wanted).startswith(os.path.abspath(os.environ["SLICER_PYTHON"]))


def test_module_tells_about_itself(module):
    assert (module.title, module.categories) == ("Brighten", ["Examples"])
    assert slicer.modules.brighten is module and slicer.util.modulePath("Brighten") == module.path
    assert "Brighten" in slicer.util.moduleNames()
    assert slicer.modules.volumes.logic().GetMRMLScene() is slicer.mrmlScene


def test_apply_changes_the_scene(panel):
    """Choose a node, set the other parameters by their widgets, press the button."""
    ui = panel.ui
    assert not ui.applyButton.enabled and ui.applyButton.toolTip == "Select a volume"
    volume("other")
    ct = volume()
    assert ui.inputSelector.nodeCount() == 2 and ui.inputSelector.currentNode() is None
    ui.inputSelector.setCurrentNode(ct)
    assert panel.parameters.inputVolume is ct and ui.applyButton.enabled
    ui.amountSlider.value = 4.5
    ui.wayBox.currentText = "MULTIPLY"
    ui.keepZeroBox.click()
    ui.folderEdit.currentPath = "/data"
    assert (
        panel.parameters.amount == 4.5
        and panel.parameters.keepZero is True
        and panel.parameters.folder == Path("/data")
    )
    ui.applyButton.click()
    result = panel.parameters.outputVolume
    assert result.GetName() == "CT bright" and ui.statusLabel.text == "Done: CT bright"
    assert np.all(slicer.util.arrayFromVolume(result) == 4.5)
    assert slicer.util.getModuleLogic("Brighten") is panel.logic
    red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceCompositeNode")
    assert red.GetBackgroundVolumeID() == result.GetID()


def test_parameters_show_in_the_widgets(panel):
    ct = volume()
    panel.parameters.amount = 50.0
    panel.parameters.keepZero = True
    panel.parameters.inputVolume = ct
    assert panel.ui.amountSlider.value == 50 and panel.ui.amountSlider.maximum == 50
    assert panel.ui.keepZeroBox.checked and panel.ui.inputSelector.currentNodeID == ct.GetID()
    for value in (51.0, "much"):
        with pytest.raises((ValueError, TypeError)):
            panel.parameters.amount = value
    assert panel.parameters.amount == 50


def test_selector_follows_the_scene(panel):
    selector, seen = panel.ui.inputSelector, []
    ct = volume()
    selector.setCurrentNode(ct)
    selector.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    ct.SetName("renamed")
    assert selector.findChild(qt.QComboBox, "_combo").currentText == "renamed"
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "no volume")
    assert selector.nodeCount() == 1 and seen == []
    slicer.mrmlScene.RemoveNode(ct)
    assert selector.currentNode() is None and seen == [None] and not panel.ui.applyButton.enabled
    selector.noneEnabled = False
    other = volume("other")
    assert selector.currentNode() is None and seen == [None]  # as in Slicer: nothing is chosen by itself
    selector.findChild(qt.QComboBox, "_combo").currentIndex = 0
    assert selector.currentNode() is other and seen == [None, other]
    selector.noneEnabled = True
    selector.disconnect("currentNodeChanged(vtkMRMLNode*)", seen.append)


def test_failure_is_told_to_the_user(panel):
    panel.ui.inputSelector.setCurrentNode(volume(value=2000.0))
    panel.ui.applyButton.click()
    assert host.messages.of("error") == ["It failed.\n\ntoo bright already"]
    assert "ValueError" in host.messages[-1].details
    assert [str(error) for error in host.errors] == ["too bright already"]
    assert qt.QApplication.overrideCursor() is None
    host.errors.clear()


def test_reload_keeps_the_parameters(panel, module):
    panel.ui.inputSelector.setCurrentNode(volume())
    panel.parameters.amount = 7.0
    fresh = host.reload(module)
    assert fresh is not panel and slicer.modules.BrightenWidget is fresh and panel.parameters is None
    assert fresh.ui.amountSlider.value == 7 and fresh.ui.inputSelector.currentNode().GetName() == "CT"
    fresh.ui.applyButton.click()
    assert slicer.util.getNode("CT bright") is fresh.parameters.outputVolume


def test_close_scene_starts_afresh(panel):
    panel.ui.inputSelector.setCurrentNode(volume())
    panel.parameters.amount = 7.0
    host.close_scene()
    assert panel.ui.inputSelector.nodeCount() == 0 and not panel.ui.applyButton.enabled
    assert panel.parameters.amount == 10 == panel.ui.amountSlider.value


def test_scene_comes_back_from_a_file(panel, tmp_path):
    panel.ui.inputSelector.setCurrentNode(volume(value=3.0))
    panel.ui.amountSlider.value = 2.0
    panel.ui.applyButton.click()
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    host.load_scene(tmp_path / "scene.mrb")
    assert panel.ui.inputSelector.currentNode().GetName() == "CT" and panel.ui.amountSlider.value == 2
    assert np.all(slicer.util.arrayFromVolume(panel.parameters.outputVolume) == 5)
    host.save_scene(tmp_path / "scene.mrml")
    assert (tmp_path / "scene.mrml").stat().st_size > 1000


def test_screenshot(panel, tmp_path):
    panel.ui.keepZeroBox.visible = False
    panel.ui.inputsButton.collapsed = True
    low = qt.QImage(str(host.screenshot(panel.parent, tmp_path / "low.png")))
    assert not panel.ui.amountSlider.visible and panel.ui.applyButton.visible
    panel.ui.inputsButton.collapsed = False
    picture = qt.QImage(str(host.screenshot(panel.parent, tmp_path / "panel.png", width=400)))
    assert panel.ui.amountSlider.visible and not panel.ui.keepZeroBox.visible
    assert picture.width() == 400 and picture.height() > low.height() + 50
    panel.ui.keepZeroBox.visible = True


def test_widgets_are_as_in_pythonqt():
    button, pressed = qt.QPushButton("Go"), []
    assert button.text == "Go" and button.enabled and not button.visible and button.className() == "QPushButton"
    button.setText("Stop")
    button.name, button.checkable = "theButton", True
    assert (button.text, button.objectName) == ("Stop", "theButton")
    button.connect("clicked()", lambda *values: pressed.append(values))
    button.connect("clicked(bool)", pressed.append)
    button.click()
    assert pressed == [(), True]
    assert button.disconnect("clicked(bool)", pressed.append)
    button.click()
    assert pressed == [(), True, ()]
    with pytest.raises(AttributeError, match="enable"):
        button.enable = False
    with pytest.raises(ValueError, match="signal"):
        button.connect("pushed()", print)
    box = qt.QVBoxLayout()
    box.addWidget(button)
    assert box.itemAt(0).widget().text == "Stop"
    with pytest.raises(NotImplementedError, match="ctkRangeWidget"):
        ctk.ctkRangeWidget()


def test_questions_and_packages_are_answered(tmp_path):
    host.messages.clear()
    host.messages.confirm, host.messages.file = False, "/chosen"
    assert not slicer.util.confirmOkCancelDisplay("Sure?")
    assert qt.QMessageBox.question(None, "Title", "Really?") == qt.QMessageBox.No
    assert qt.QFileDialog.getExistingDirectory(None, "Where to") == "/chosen"
    assert host.messages.of("confirm") == ["Sure?", "Really?"] and host.messages.of("file") == ["Where to"]
    host.messages.confirm = True

    (tmp_path / "requirements.txt").write_text("# what it needs\nnumpy>=1\nnever-heard-of>=2\n")
    from slicer import packaging

    wanted, packages = packaging.load_requirements(tmp_path / "requirements.txt"), host.packages
    packages.answer = "declined"
    with pytest.raises(RuntimeError):
        packaging.pip_ensure(wanted, requester="Brighten")
    packages.answer = "fails"
    with pytest.raises(subprocess.CalledProcessError):
        packaging.pip_ensure(wanted)
    packages.answer, packages.missing = "installed", {"numpy"}
    packaging.pip_ensure(wanted)
    assert packages.asked == [["never-heard-of>=2"]] * 2 + [["numpy>=1"]]
    assert packaging.pip_check(wanted)
    packages.missing = None


def test_timer_runs_while_waiting(panel):
    ticks = []
    qt.QTimer.singleShot(20, lambda: ticks.append(1))
    host.wait_until(lambda: ticks, timeout=5)
    with pytest.raises(TimeoutError):
        host.wait_until(lambda: False, timeout=0.05)
