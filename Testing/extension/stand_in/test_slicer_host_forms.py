"""The stand-in for Slicer loads forms of Qt Designer with the widgets that panels use, and connects them as Qt does."""

import os

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
slicer = pytest.importorskip("slicer")
# Qt needs system libraries, such as libEGL, that a bare machine may lack.
pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from slicer_host import start  # noqa: E402

host = start()

import qt  # noqa: E402
import vtk  # noqa: E402


@pytest.fixture(autouse=True)
def nothing_fails():
    """An empty scene; no slot may have raised by the end."""
    host.errors.clear()
    host.close_scene()
    yield
    host.close_scene()
    assert host.errors == []


@pytest.fixture
def load_form(tmp_path):
    """Loads a form of these widgets and connections; gives the form and what its widgets are called."""

    def load(widgets, connections=""):
        items = "".join(f"<item>{widget}</item>" for widget in widgets)
        (tmp_path / "form.ui").write_text(
            '<ui version="4.0"><class>Form</class><widget class="qMRMLWidget" name="Form">'
            f'<layout class="QVBoxLayout" name="rows">{items}</layout></widget>'
            f"<connections>{connections}</connections></ui>"
        )
        form = slicer.util.loadUI(str(tmp_path / "form.ui"))
        return form, slicer.util.childWidgetVariables(form)

    return load


def connection(sender, signal, receiver, slot):
    return (
        f"<connection><sender>{sender}</sender><signal>{signal}</signal>"
        f"<receiver>{receiver}</receiver><slot>{slot}</slot></connection>"
    )


SELECTOR = """<widget class="qMRMLNodeComboBox" name="selector">
  <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property>
  <property name="hideChildNodeTypes"><stringlist><string>vtkMRMLLabelMapVolumeNode</string></stringlist></property>
  <property name="noneEnabled"><bool>true</bool></property>
  <property name="noneDisplay"><string>No volume</string></property>
  <property name="renameEnabled"><bool>true</bool></property>
  <property name="interactionNodeSingletonTag"><string>mine</string></property>
  <property name="sizeAdjustPolicy"><enum>QComboBox::AdjustToMinimumContentsLengthWithIcon</enum></property>
</widget>"""

GROUP = """<widget class="ctkCollapsibleGroupBox" name="group">
  <property name="title"><string>Advanced</string></property>
  <property name="collapsed"><bool>true</bool></property>
  <layout class="QVBoxLayout" name="inside">
    <item><widget class="QLabel" name="label"/></item>
    <item><widget class="QLabel" name="hiddenLabel"/></item>
  </layout>
</widget>"""

SCENE_TO_SELECTOR = connection("Form", "mrmlSceneChanged(vtkMRMLScene*)", "selector", "setMRMLScene(vtkMRMLScene*)")


def test_node_selector_with_the_properties_of_real_forms(load_form):
    form, ui = load_form([SELECTOR], SCENE_TO_SELECTOR)
    form.setMRMLScene(slicer.mrmlScene)
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    assert ui.selector.nodeCount() == 1 and ui.selector.nodeFromIndex(0) is volume
    assert ui.selector.findChild(qt.QComboBox, "_combo").currentText == "No volume"
    assert ui.selector.renameEnabled and ui.selector.interactionNodeSingletonTag == "mine"
    ui.selector.hideChildNodeTypes = []
    assert ui.selector.nodeCount() == 2


def test_group_box_collapses(load_form):
    form, ui = load_form([GROUP])
    ui.hiddenLabel.visible = False
    form.show()
    low = ui.group.height
    assert ui.group.title == "Advanced" and ui.group.collapsed and not ui.label.visible
    ui.group.collapsed = False
    host.process_events()
    assert ui.label.visible and not ui.hiddenLabel.visible and ui.group.checked and ui.group.height > low
    ui.group.checked = False
    assert ui.group.collapsed and not ui.label.visible


def test_widgets_of_qt_have_their_properties(load_form):
    kinds = ("QProgressBar", "QLabel", "QTextBrowser", "QPlainTextEdit", "QComboBox", "QTableWidget", "QToolButton")
    _form, ui = load_form([f'<widget class="{kind}" name="{kind[1:]}"/>' for kind in (*kinds, "ctkMenuButton")])
    ui.ProgressBar.maximum = 5
    ui.ProgressBar.value = 3
    assert (ui.ProgressBar.value, ui.ProgressBar.maximum, ui.ProgressBar.minimum) == (3, 5, 0)
    ui.Label.textFormat, ui.Label.text = qt.Qt.RichText, "<b>bold</b>"
    assert ui.Label.textFormat == qt.Qt.RichText
    ui.TextBrowser.html = "<b>bold</b>"
    assert ui.TextBrowser.plainText == "bold"
    ui.TextBrowser.setHtml("<i>other</i>")
    assert "other" in ui.TextBrowser.html and ui.TextBrowser.toPlainText() == "other"
    ui.PlainTextEdit.plainText = "first"
    ui.PlainTextEdit.appendPlainText("second")
    assert ui.PlainTextEdit.plainText == "first\nsecond"
    ui.ComboBox.addItem("One", "1")
    ui.ComboBox.addItem("Two", {"n": 2})
    assert ui.ComboBox.currentData == "1" and ui.ComboBox.findData("1") == 0 and ui.ComboBox.count == 2
    ui.ComboBox.currentIndex = 1
    assert ui.ComboBox.currentData == ui.ComboBox.itemData(1) == {"n": 2} and ui.ComboBox.currentText == "Two"
    ui.TableWidget.rowCount, ui.TableWidget.columnCount = 2, 3
    ui.TableWidget.setItem(1, 2, qt.QTableWidgetItem("cell"))
    assert ui.TableWidget.item(1, 2).text() == "cell" and ui.TableWidget.rowCount == 2
    ui.ToolButton.checkable = ui.ToolButton.checked = True
    assert ui.ToolButton.checked and ui.tkMenuButton.className() == "ctkMenuButton"


def test_widget_without_a_stand_in_is_an_error(load_form):
    with pytest.raises(NotImplementedError, match="ctkRangeWidget"):
        load_form(['<widget class="ctkRangeWidget" name="range"/>', '<widget class="QLabel" name="label"/>'])


def test_connections_are_checked_as_qt_does(load_form):
    edit, label = '<widget class="QLineEdit" name="edit"/>', '<widget class="QLabel" name="label"/>'
    _, ui = load_form([edit, label], connection("edit", "textChanged(QString)", "label", "setText(QString)"))
    ui.edit.text = "typed"
    assert ui.label.text == "typed"
    for slot in ("setNum(int)", "setTexts(QString)"):
        with pytest.raises((RuntimeError, AttributeError)):
            load_form([edit, label], connection("edit", "textChanged(QString)", "label", slot))


@pytest.fixture
def segmentation():
    """Two cubes."""
    array = np.zeros((12, 12, 12), dtype=np.uint8)
    array[2:5, 2:5, 2:5], array[7:10, 7:10, 7:10] = 1, 2
    labels = slicer.util.addVolumeFromArray(array, nodeClassName="vtkMRMLLabelMapVolumeNode")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "cubes")
    node.CreateDefaultDisplayNodes()
    slicer.modules.segmentations.logic().ImportLabelmapToSegmentationNode(labels, node)
    return node


def test_show_3d_button_makes_and_removes_surfaces(segmentation):
    button = slicer.qMRMLSegmentationShow3DButton()
    assert button.text == "Show 3D" and not button.enabled and button.segmentationNode() is None
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    button.setSegmentationNode(empty)
    assert not button.enabled  # as long as there is no segment
    empty.GetSegmentation().AddEmptySegment("new")
    assert button.enabled
    button.setSegmentationNode(segmentation)
    assert button.segmentationNode() is segmentation and button.enabled and not button.checked
    button.click()
    assert button.checked
    surface = vtk.vtkPolyData()
    first = segmentation.GetSegmentation().GetNthSegmentID(0)
    assert segmentation.GetClosedSurfaceRepresentation(first, surface) and surface.GetNumberOfPoints() > 10
    display = segmentation.GetDisplayNode()
    assert display.GetPreferredDisplayRepresentationName3D() == "Closed surface"
    assert display.GetPreferredDisplayRepresentationName2D() == "Binary labelmap"
    button.click()
    assert not segmentation.GetSegmentation().ContainsRepresentation("Closed surface")
    segmentation.CreateClosedSurfaceRepresentation()  # by somebody else
    assert button.checked
    button.locked = True
    assert not button.enabled
    button.locked = False
    segmentation.SetSourceRepresentationToClosedSurface()
    assert not button.enabled
    button.setSegmentationNode(None)
    assert not button.enabled and button.segmentationNode() is None
    with pytest.raises(TypeError, match="vtkMRMLModelNode"):
        button.setSegmentationNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode"))


def test_show_3d_button_in_a_form(load_form, segmentation):
    selector = SELECTOR.replace("vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode")
    widgets = [selector, '<widget class="qMRMLSegmentationShow3DButton" name="show3DButton"/>']
    form, ui = load_form(widgets, SCENE_TO_SELECTOR)
    form.setMRMLScene(slicer.mrmlScene)
    ui.selector.connect("currentNodeChanged(vtkMRMLNode*)", ui.show3DButton.setSegmentationNode)
    ui.selector.setCurrentNode(segmentation)
    assert ui.show3DButton.segmentationNode() is segmentation and ui.show3DButton.enabled
    slicer.mrmlScene.RemoveNode(segmentation)
    assert ui.show3DButton.segmentationNode() is None and not ui.show3DButton.enabled
    for node_type in ("vtkMRMLSegmentationNode*", "vtkMRMLNode*"):  # Qt compares the types by name
        to_button = ("currentNodeChanged(vtkMRMLNode*)", "show3DButton", f"setSegmentationNode({node_type})")
        with pytest.raises(RuntimeError, match="setSegmentationNode"):
            load_form(widgets, connection("selector", *to_button))
