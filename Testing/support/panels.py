"""What the tests of the panels share: the host, both modules, opening a panel and waiting for its job."""

import os
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pydicom
import pytest
from conftest import write_dicom

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
slicer = pytest.importorskip("slicer")
# Qt needs system libraries, such as libEGL, that a bare machine may lack.
pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from slicer_host import start  # noqa: E402
from slicer_host.launcher import write_launcher  # noqa: E402
from support.running_processes import still_running  # noqa: E402

host = start()

import vtk  # noqa: E402  (comes with slicer-core)

ROOT = Path(__file__).parents[2]
MODULES = {name: host.load_module(ROOT / name / f"{name}.py") for name in ("COVIDMTL", "SegmentRefine")}
host.start_up()

from COVIDMTLMRML.exports import INSTANCES  # noqa: E402
from COVIDMTLMRML.results import assessment_of  # noqa: E402
from COVIDMTLMRML.segmentations import show_lungs  # noqa: E402
from COVIDMTLMRML.volumes import add_volume, geometry_of  # noqa: E402

PATIENCE = 300
"""Seconds that a job is waited for at most."""


@pytest.fixture
def clean_host(tmp_path, monkeypatch):
    """An empty scene, no messages, no settings; by the end no slot has raised, and nothing of a job is left."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "bin").mkdir()
    launcher = write_launcher(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(launcher.parent), prepend=os.pathsep)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    host.close_scene()
    slicer.app.settings().clear()
    host.messages.clear()
    host.messages.file, host.messages.confirm = "", True
    host.errors.clear()
    host.forget_submodules()
    yield host
    host.leave()
    host.close_scene()
    assert host.errors == []
    assert nothing_is_left()


def nothing_is_left(of=()) -> bool:
    """Whether no process and no temporary file of a job is there, nor one of some processes."""
    _gone, there = psutil.wait_procs(of, timeout=1)
    return not still_running(there) and jobs() == [] and not any(Path(tempfile.gettempdir()).iterdir())


def jobs() -> list[psutil.Process]:
    """Processes of jobs that run, those that they have started included."""
    children = still_running(psutil.Process().children())
    commands = [one for one in children if "COVIDMTLLib" in one.cmdline()]
    return [process for one in commands for process in (one, *one.children(recursive=True))]


def add_ct(phantom, name="Phantom", matrix=None):
    """A synthetic CT in the scene, under a linear transform if a matrix is given."""
    ct = add_volume(phantom.ct, name)
    if matrix is not None:
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Transform")
        transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.asarray(matrix, float)))
        ct.SetAndObserveTransformNodeID(transform.GetID())
    return ct


def add_lungs(labels, ct, name="Given lungs"):
    """Lungs in the scene, where the CT lies."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    show_lungs(type(labels)(labels.array, geometry_of(ct)), node, ct)
    return node


def add_empty_ct():
    """A volume node that holds no image."""
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")


def as_from_dicom(ct, volume, folder, **changes) -> dict[Path, pydicom.Dataset]:
    """Have a CT in the scene be as Slicer's DICOM plugin leaves it; gives the headers of its files, slice by slice."""
    write_dicom(volume, folder, **changes)
    headers = {path: pydicom.dcmread(path, stop_before_pixels=True) for path in folder.iterdir()}
    headers = dict(sorted(headers.items(), key=lambda one: one[1].ImagePositionPatient[2]))
    ct.SetAttribute(INSTANCES, " ".join(header.SOPInstanceUID for header in headers.values()))
    return headers


def by_uid(headers) -> dict[str, Path]:
    """The files of headers by their UIDs, as the DICOM database has them."""
    return {header.SOPInstanceUID: path for path, header in headers.items()}


def assessed(panel, ct, lungs=None) -> dict:
    """Assess a CT in the panel COVIDMTL by clicks, and wait; gives the assessment in the scene."""
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.lungsSelector.setCurrentNode(lungs)
    panel.ui.applyButton.click()
    assert running(panel)
    wait(panel)
    assert host.messages == [] and panel.ui.statusLabel.text == "Done."
    return assessment_of(ct)


def wait(panel, fraction=None) -> None:
    """Wait until the job of a panel is over, or has come so far."""

    def there():
        return not running(panel) or (fraction is not None and panel.ui.progressBar.value >= 100 * fraction)

    host.wait_until(there, PATIENCE)


def running(panel) -> bool:
    return not panel.ui.cancelButton.isHidden()


def nodes() -> list:
    """The nodes of the scene as the user knows them: those shown in lists, by class and name."""
    scene = slicer.mrmlScene
    every = [scene.GetNthNode(n) for n in range(scene.GetNumberOfNodes())]
    return sorted((node.GetClassName(), node.GetName()) for node in every if not node.GetHideFromEditors())


def array(segmentation, ct) -> np.ndarray:
    """Right (1) and left (2) lung of a segmentation on the grid of a CT."""
    labels = np.zeros(slicer.util.arrayFromVolume(ct).shape, np.uint8)
    for label, name in ((1, "right lung"), (2, "left lung")):
        segment = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, ct)
        labels[segment > 0] = label
    return labels


def table(node) -> dict[str, list[str]]:
    """The cells of a table node as text, by column."""
    rows = range(node.GetNumberOfRows())
    columns = range(node.GetNumberOfColumns())
    return {node.GetColumnName(i): [node.GetTable().GetValue(row, i).ToString() for row in rows] for i in columns}


def number_of(class_name: str) -> int:
    return slicer.mrmlScene.GetNumberOfNodesByClass(class_name)


def turn(degrees, shift) -> np.ndarray:
    """A turn about the axis from foot to head and a shift in mm."""
    transform = vtk.vtkTransform()
    transform.Translate(shift, -shift, 2 * shift)
    transform.RotateZ(degrees)
    return slicer.util.arrayFromVTKMatrix(transform.GetMatrix())


def height_of_slice(ct, k: int) -> float:
    """The height (S, mm) of the middle of a CT's slice."""
    size = np.array(ct.GetImageData().GetDimensions())
    to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(to_ras)
    return float((slicer.util.arrayFromVTKMatrix(to_ras) @ [(size[0] - 1) / 2, (size[1] - 1) / 2, k, 1])[2])
