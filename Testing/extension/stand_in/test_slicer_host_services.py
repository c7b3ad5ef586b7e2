"""What the stand-in for Slicer gives to a panel besides widgets: start-up, packages, slices, files, sample data."""

import os
import subprocess

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
slicer = pytest.importorskip("slicer")
# Qt needs system libraries, such as libEGL, that a bare machine may lack.
pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from slicer_host import start  # noqa: E402

host = start()

import qt  # noqa: E402

LATE_STARTER = """
import slicer
from slicer.ScriptedLoadableModule import *


class LateStarter(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.started = 0
        slicer.app.connect("startupCompleted()", self.onStarted)

    def onStarted(self):
        self.started += 1


class LateStarterWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.seen = [self.parent.isEntered]

    def enter(self):
        self.seen.append(self.parent.isEntered)

    def exit(self):
        self.seen.append(self.parent.isEntered)
"""


@pytest.fixture(autouse=True)
def nothing_fails():
    """An empty scene and no messages; no slot may have raised by the end."""
    host.messages.clear()
    host.errors.clear()
    host.close_scene()
    yield
    host.close_scene()
    assert host.errors == []


@pytest.fixture
def packages(monkeypatch):
    """``host.packages``, which are back as they were by the end."""
    monkeypatch.setattr(host.packages, "missing", None)
    monkeypatch.setattr(host.packages, "answer", "installed")
    monkeypatch.setattr(host.packages, "asked", [])
    monkeypatch.setattr(host.packages, "extensions", host.packages.extensions)
    return host.packages


@pytest.fixture
def module(tmp_path):
    (tmp_path / "LateStarter.py").write_text(LATE_STARTER)
    module = host.load_module(tmp_path / "LateStarter.py")
    yield module
    host.unload(module)


def test_module_hears_once_that_slicer_has_started(module):
    assert module.self().started == 0
    host.start_up()
    host.start_up()  # of modules loaded since then
    assert module.self().started == 1


def test_panel_tells_whether_it_is_entered(module):
    panel = host.open(module)
    assert panel.parent.isEntered and slicer.util.getModuleWidget(module.name) is panel
    host.leave()
    assert not panel.parent.isEntered and panel.seen == [False, True, False]


def test_nothing_is_opened_outside(tmp_path):
    assert qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(tmp_path)))
    assert qt.QDesktopServices().openUrl(qt.QUrl("https://example.org/page"))
    assert host.messages.of("open") == [str(tmp_path), "https://example.org/page"]


def test_half_finished_installation(packages):
    from slicer import packaging

    packages.missing, packages.answer = {"numpy"}, "half"
    packaging.pip_ensure("numpy>=1")
    assert packages.asked == [["numpy>=1"]] and not packaging.pip_check("numpy")
    host.testing = True
    try:
        packaging.pip_ensure("numpy>=1")
    finally:
        host.testing = False
    assert packages.asked == [["numpy>=1"]]


def test_pytorch_comes_with_its_extension(packages, monkeypatch):
    import PyTorchUtils

    logic = PyTorchUtils.PyTorchUtilsLogic()
    packages.missing, packages.answer = {"torch", "torchvision"}, "fails"
    assert not logic.torchInstalled()
    monkeypatch.setattr(host.messages, "confirm", False)
    assert logic.installTorch(askConfirmation=True) is None and packages.asked == []
    monkeypatch.setattr(host.messages, "confirm", True)
    with pytest.raises(subprocess.CalledProcessError):
        logic.installTorch(askConfirmation=True, torchVersionRequirement=">=2")
    packages.answer = "half"
    with pytest.raises(ModuleNotFoundError, match="torch"):
        logic.installTorch()
    packages.answer = "installed"
    torch = pytest.importorskip("torch")
    assert logic.torch is torch and logic.torchInstalled() and PyTorchUtils.PyTorchUtilsLogic.torchvisionInstalled()
    assert packages.asked == [["torch>=2", "torchvision"], ["torch", "torchvision"], ["torch", "torchvision"]]
    assert len(host.messages.of("confirm")) == 2 and slicer.app.extensionsManagerModel().isExtensionInstalled("PyTorch")
    packages.extensions -= {"PyTorch"}
    with pytest.raises(ModuleNotFoundError, match="PyTorchUtils"):
        import PyTorchUtils
    assert not slicer.app.extensionsManagerModel().isExtensionInstalled("PyTorch")


def planes(nodes):
    """Where the axial, the coronal and the sagittal slice are, in mm: S, A and R."""
    return [node.GetSliceToRAS().GetElement(axis, 3) for node, axis in zip(nodes, (2, 1, 0), strict=True)]


def test_slice_views_follow_the_scene():
    volume_array = np.zeros((10, 20, 30))
    red = slicer.mrmlScene.GetNodeByID("vtkMRMLSliceNodeRed")
    for _ in range(2):
        volume = slicer.util.addVolumeFromArray(volume_array, ijkToRAS=np.diag([1.0, 1, 2, 1]))
        slicer.util.setSliceViewerLayers(background=volume, fit=True)
        layout = slicer.app.layoutManager()
        widgets = [layout.sliceWidget(name) for name in layout.sliceViewNames()]
        nodes = [widget.mrmlSliceNode() for widget in widgets]
        assert [node.GetOrientation() for node in nodes] == ["Axial", "Coronal", "Sagittal"] and nodes[0] is red
        assert planes(nodes) == [10, 10, 14]  # on the voxel next to the middle
        assert red.GetFieldOfView()[0] == 30
        assert widgets[0].mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
        red.SetSliceOffset(4)
        assert widgets[0].sliceLogic().GetSliceOffset() == 4
        red.JumpSliceByCentering(3, 5, 12)
        slicer.modules.markups.logic().JumpSlicesToLocation(7, 6, 12, True)
        assert planes(nodes) == [12, 6, 7]
        red.SetOrientation("Coronal")
        host.close_scene()
        assert red.GetOrientation() == "Axial" and widgets[0].mrmlSliceNode() is red
    assert layout.sliceWidget("Blue") is None


def test_tables_and_plots_are_put_into_their_views():
    layout = slicer.app.layoutManager()
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    layout.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView)
    assert layout.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotTableView
    logic = slicer.app.applicationLogic()
    logic.GetSelectionNode().SetActiveTableID(table.GetID())
    logic.PropagateTableSelection()
    logic.GetSelectionNode().SetActivePlotChartID(chart.GetID())
    logic.PropagatePlotChartSelection()
    (table_view,) = slicer.util.getNodesByClass("vtkMRMLTableViewNode")
    (plot_view,) = slicer.util.getNodesByClass("vtkMRMLPlotViewNode")
    assert table_view.GetTableNode() is table and plot_view.GetPlotChartNode() is chart


@pytest.fixture
def image():
    """20 x 30 x 10 voxels of 1 x 1 x 2 mm, from -500 to 600, brighter towards the head."""
    sitk = pytest.importorskip("SimpleITK")
    image = sitk.GetImageFromArray(np.linspace(-500, 600, 10 * 30 * 20).reshape(10, 30, 20).astype(np.int16))
    image.SetSpacing((1.0, 1.0, 2.0))
    image.SetOrigin((-100.0, -200.0, 50.0))
    return image


@pytest.mark.parametrize("name", ["ct.scan.nrrd", "ct.nii.gz"])
def test_volume_is_loaded_and_shown(tmp_path, image, name):
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteImage(image, tmp_path / name)
    volume = slicer.util.loadVolume(tmp_path / name)
    display = volume.GetDisplayNode()
    assert np.array_equal(slicer.util.arrayFromVolume(volume), sitk.GetArrayFromImage(image))
    assert volume.GetName() == "ct" and volume.GetOrigin() == (100, 200, 50) and volume.GetSpacing() == (1, 1, 2)
    assert volume.GetStorageNode().GetFileName() == str(tmp_path / name)
    assert display.GetColorNode().GetName() == "Grey" and display.GetAutoWindowLevel() and display.GetWindow() > 900
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    assert red.mrmlSliceNode().GetSliceOffset() == 60
    host.close_scene()
    other = slicer.util.loadVolume(tmp_path / name, {"labelmap": True, "name": "labels", "show": False})
    assert other.IsA("vtkMRMLLabelMapVolumeNode") and other.GetName() == "labels"
    assert red.mrmlSliceCompositeNode().GetLabelVolumeID() is None


def test_segmentation_is_loaded(tmp_path, image):
    sitk = pytest.importorskip("SimpleITK")
    sitk.WriteImage(
        sitk.Cast(image > 0, sitk.sitkUInt8) + 2 * sitk.Cast(image > 300, sitk.sitkUInt8), tmp_path / "lungs.nrrd"
    )
    segmentation = slicer.util.loadSegmentation(tmp_path / "lungs.nrrd", {"name": "my lungs"})
    assert segmentation.GetName() == "my lungs" and segmentation.GetSegmentation().GetNumberOfSegments() == 2
    assert segmentation.GetDisplayNode() is not None
    first = segmentation.GetSegmentation().GetNthSegmentID(0)
    labels = slicer.util.arrayFromSegmentInternalBinaryLabelmap(segmentation, first)  # both segments share it
    values = sitk.GetArrayFromImage(image)
    assert np.count_nonzero(labels == 1) == np.count_nonzero((values > 0) & (values <= 300)) > 0


def test_what_cannot_be_loaded_is_told(tmp_path):
    for load in (slicer.util.loadVolume, slicer.util.loadSegmentation):
        with pytest.raises(RuntimeError, match="missing.nrrd"):
            load(tmp_path / "missing.nrrd")
    with pytest.raises(NotImplementedError, match="ModelFile"):
        slicer.util.loadModel(tmp_path / "lungs.vtk")
    assert slicer.app.coreIOManager().fileType("a/Lungs.seg.NRRD") == "SegmentationFile"
    assert slicer.app.coreIOManager().fileType("a/ct.nii.gz") == "VolumeFile"


def test_sample_data_is_offered(monkeypatch):
    import SampleData

    logic = SampleData.SampleDataLogic
    for name in ("sampleDataSources", "sampleDataSourceCategories"):
        monkeypatch.setattr(slicer.modules, name, {}, raising=False)

    def draw(source):
        return [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", source.nodeNames[0])]

    drawn = {
        "category": "Mine",
        "sampleName": "Phantom",
        "uris": "drawn:",
        "fileNames": "phantom.nrrd",
        "nodeNames": "Phantom",
    }
    logic.registerCustomSampleDataCategory("Mine", title="My samples")
    for _ in range(2):
        logic.registerCustomSampleDataSource(**drawn, customDownloader=draw, thumbnailFileName="phantom.png")
    logic.registerCustomSampleDataSource(
        "Mine", "Two", ["a://b", "a://c"], ["b.nrrd", "c.nrrd"], loadFileTypes="VolumeFile"
    )
    assert [source.sampleName for source in logic.sampleDataSourcesByCategory("Mine")] == ["Phantom", "Two"]
    assert slicer.modules.sampleDataSources["Mine"][1].loadFileTypes == ["VolumeFile"] * 2
    assert logic.categoryTitle("Mine") == "My samples"
    (node,) = host.click_sample("Phantom")
    assert node.GetName() == "Phantom" and node.GetScene() is slicer.mrmlScene
    for fetch in (SampleData.downloadSample, logic().downloadSamples):
        with pytest.raises(RuntimeError, match="drawn:"):  # in Slicer, too, not by the custom downloader
            fetch("Phantom")
    with pytest.raises(RuntimeError, match="a://b"):
        host.click_sample("Two")
    with pytest.raises(TypeError, match="Phantom has no uris"):
        logic.registerCustomSampleDataSource(**drawn | {"uris": None, "fileNames": None}, customDownloader=draw)
    with pytest.raises(ValueError, match="same length"):
        logic.registerCustomSampleDataSource(**drawn | {"uris": ["a://b", "a://c"], "fileNames": ["b"]})
