"""Nodes of a real MRML scene as volumes and label maps, and back."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.imaging.volume import Geometry, Volume, to_working_grid
from COVIDMTLLib.measurements.overlap import overlap
from COVIDMTLLib.utils.errors import InputError
from slicer_host.launcher import write_launcher
from support.data.orientations import turned
from support.running_processes import still_running

slicer = pytest.importorskip("slicer")
import vtk  # noqa: E402  (comes with slicer-core)
from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402

sys.path.append(str(Path(__file__).parents[2] / "COVIDMTL"))
from COVIDMTLLib.segmentation.methods import SegmentationOptions  # noqa: E402
from COVIDMTLMRML.results import assessment_of, report_of, store_assessment  # noqa: E402
from COVIDMTLMRML.runs import AssessmentRun, SegmentationRun  # noqa: E402
from COVIDMTLMRML.segmentations import labels_of, show_lungs  # noqa: E402
from COVIDMTLMRML.volumes import geometry_of, volume_of  # noqa: E402


@pytest.fixture
def scene(monkeypatch):
    """A scene, with the logic that Slicer has for segmentations: it brings their conversions along."""
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    # What slicer.util works with, whether or not the stand-in was started in this process before.
    modules = SimpleNamespace(segmentations=SimpleNamespace(logic=lambda: logic))
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer, "modules", modules, raising=False)
    yield scene
    logic.SetMRMLScene(None)


@pytest.fixture
def node_of(scene, tmp_path):
    """Make a volume node of a volume, by way of a file and Slicer's own reader."""

    def make(volume: Volume, name="CT"):
        path = write(volume, tmp_path / f"{name}.nrrd")
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(path))
        storage.SetCenterImage(0)
        assert storage.ReadData(node)
        return node

    return make


def put_under_transform(node, matrix):
    transform = node.GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(np.asarray(matrix, float)))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def rotation(degrees, shift):
    a = np.deg2rad(degrees)
    return [[np.cos(a), -np.sin(a), 0, shift], [np.sin(a), np.cos(a), 0, -shift], [0, 0, 1, 2 * shift], [0, 0, 0, 1]]


def assert_same_place(found: Geometry, expected: Geometry):
    assert found.size == expected.size
    for name in ("spacing", "origin", "direction"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), atol=1e-4)


@pytest.mark.parametrize("degrees", [0, 23])
def test_volume_node_is_the_volume_of_its_file(phantom, node_of, degrees):
    ct = turned(phantom.ct, degrees)
    found = volume_of(node_of(ct))
    np.testing.assert_array_equal(found.array, ct.array)
    assert_same_place(found.geometry, ct.geometry)


def test_linear_transform_moves_the_volume(phantom, node_of):
    """As hardening the transform would, by Slicer's own means."""
    moved, hardened = (node_of(phantom.ct, name) for name in ("moved", "hardened"))
    put_under_transform(moved, rotation(30, 7))
    put_under_transform(hardened, rotation(30, 7))
    slicer.vtkSlicerTransformLogic.hardenTransform(hardened)
    assert hardened.GetParentTransformNode() is None
    assert_same_place(geometry_of(moved), geometry_of(hardened))


def test_volume_that_the_user_turned_upright_is_worked_on_upright(phantom, node_of):
    """A CT with its axes mixed up in the file, put right by a transform, is as good as any."""
    node = node_of(phantom.ct)
    quarter = np.array([[0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(quarter.T @ slicer.util.arrayFromVTKMatrix(to_ras)))
    put_under_transform(node, quarter)
    np.testing.assert_array_equal(to_working_grid(volume_of(node)).array, to_working_grid(phantom.ct).array)


def test_volumes_that_cannot_be_taken_get_a_sentence(phantom, node_of, scene):
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(InputError, match="Empty holds no image"):
        volume_of(empty)
    node = node_of(phantom.ct)
    put_under_transform(node, [[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    with pytest.raises(InputError, match="CT is under a transform that shears it"):
        volume_of(node)
    bent = scene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Bent")
    node.SetAndObserveTransformNodeID(bent.GetID())
    with pytest.raises(InputError, match="CT is under a nonlinear transform"):
        volume_of(node)


@pytest.mark.parametrize("transformed", [False, True])
def test_lungs_go_into_a_segmentation_and_come_back(phantom, node_of, scene, transformed):
    ct = turned(phantom.ct, 12)
    node = node_of(ct)
    if transformed:
        put_under_transform(node, rotation(40, 11))
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    nodes_before = (
        scene.GetNumberOfNodesByClass("vtkMRMLLabelMapVolumeNode"),
        scene.GetNumberOfNodesByClass("vtkMRMLColorNode"),
    )
    for _ in range(2):  # the second time in place of the first
        show_lungs(Volume(phantom.lungs.array, geometry_of(node)), segmentation, node)
    assert segmentation.GetTransformNodeID() == node.GetTransformNodeID()
    names = [segmentation.GetSegmentation().GetNthSegment(i).GetName() for i in range(2)]
    assert names == ["right lung", "left lung"]
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 2
    tag = vtk.reference("")
    for index, side in enumerate(("24028007^Right", "7771000^Left")):
        segment = segmentation.GetSegmentation().GetNthSegment(index)
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag) and f"39607008^Lung~SCT^{side}" in str(tag)
        np.testing.assert_allclose(segment.GetColor(), np.array((197, 165, 145)) / 255)
    found = labels_of(segmentation, node)
    np.testing.assert_array_equal(found.array > 0, phantom.lungs.array > 0)
    assert_same_place(found.geometry, geometry_of(node))
    after = (
        scene.GetNumberOfNodesByClass("vtkMRMLLabelMapVolumeNode"),
        scene.GetNumberOfNodesByClass("vtkMRMLColorNode"),
    )
    assert after == nodes_before


def test_segmentation_on_another_grid_is_taken_where_it_lies(phantom, node_of, scene):
    """Segmented on a cropped, untransformed copy; used for the CT under a transform that undoes a shift."""
    node = node_of(phantom.ct)
    window = np.s_[5:-5, 4:-4, 4:-4]
    geometry = phantom.ct.geometry
    origin = tuple(o + s * n for o, s, n in zip(geometry.origin, geometry.spacing, (4, 4, 5), strict=True))
    array = np.ascontiguousarray(phantom.ct.array[window])
    cropped = node_of(Volume(array, Geometry(array.shape[::-1], geometry.spacing, origin)), "cropped")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    lungs = np.ascontiguousarray(phantom.lungs.array[window])
    show_lungs(Volume(lungs, geometry_of(cropped)), segmentation, cropped)
    assert overlap(labels_of(segmentation, node).array, phantom.lungs.array)["dice"] > 0.999
    shift = np.eye(4)
    shift[:3, 3] = 8, -4, 6
    put_under_transform(segmentation, shift)
    put_under_transform(node, shift)
    assert overlap(labels_of(segmentation, node).array, phantom.lungs.array)["dice"] > 0.99


def test_empty_and_foreign_segmentations_get_a_sentence(phantom, node_of, scene):
    node = node_of(phantom.ct)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    with pytest.raises(InputError, match="Lungs has no segment"):
        labels_of(segmentation, node)
    show_lungs(Volume(phantom.lungs.array, geometry_of(node)), segmentation, node)
    far = np.eye(4)
    far[:3, 3] = 5000
    put_under_transform(segmentation, far)
    with pytest.raises(InputError, match="Lungs has nothing inside CT"):
        labels_of(segmentation, node)


def test_trachea_has_a_segment_of_its_own_and_is_no_lung(phantom, node_of, scene):
    node = node_of(phantom.ct)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    labels = phantom.lungs.array.copy()
    labels[-20:, 20:26, 30:36] = 3
    show_lungs(Volume(labels, geometry_of(node)), segmentation, node)
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 3
    trachea = segmentation.GetSegmentation().GetNthSegment(2)
    assert trachea.GetName() == "trachea and main bronchi"
    np.testing.assert_allclose(trachea.GetColor(), np.array((182, 228, 255)) / 255)
    image = slicer.vtkOrientedImageData()
    assert segmentation.GetBinaryLabelmapRepresentation("trachea and main bronchi", image)
    x, X, y, Y, z, Z = image.GetExtent()
    segment = vtk_to_numpy(image.GetPointData().GetScalars()).reshape(Z - z + 1, Y - y + 1, X - x + 1) > 0
    assert np.count_nonzero(segment) == np.count_nonzero(labels == 3)
    np.testing.assert_array_equal(segment, labels[z : Z + 1, y : Y + 1, x : X + 1] == 3)
    trachea.SetName("renamed")
    np.testing.assert_array_equal(labels_of(segmentation, node).array, np.isin(labels, (1, 2)))
    for name in ("right lung", "left lung"):
        segmentation.GetSegmentation().RemoveSegment(name)
    with pytest.raises(InputError, match="Lungs has no segment"):
        labels_of(segmentation, node)


def test_one_lung_alone_leaves_the_other_segment_empty(phantom, node_of, scene):
    node = node_of(phantom.ct)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    right = np.where(phantom.lungs.array == 1, np.uint8(1), np.uint8(0))
    show_lungs(Volume(right, geometry_of(node)), segmentation, node)
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 2
    np.testing.assert_array_equal(labels_of(segmentation, node).array, right)


RESULT = {
    "research_use_only": "Research use only.",
    "warnings": ["A warning with an ä."],
    "tasks": {
        "covid_ct": {
            "title": "By CT",
            "classes": ["negative", "positive"],
            "probabilities": [0.1 + 1e-15, 0.9 - 1e-15],
            "verdict": "positive",
        },
        "severity": {
            "title": "Severity",
            "classes": ["mild", "regular", "severe"],
            "probabilities": [0.2, 0.5, 0.3],
            "verdict": "regular",
        },
    },
    "lungs": {
        "both": {"volume_ml": 2500.5, "mean_hu": -812.5, "ground_glass_share": 0.2, "consolidation_share": 0.1},
        "right": {"volume_ml": 2500.5, "mean_hu": -812.5, "ground_glass_share": 0.2, "consolidation_share": 0.1},
        "left": {"volume_ml": 0.0, "mean_hu": None, "ground_glass_share": None, "consolidation_share": None},
    },
}

REPORT = "<!DOCTYPE html>\n<p>A report with an ä &amp; a picture: data:image/png;base64,iVBORw0KGgo=</p>\n" * 2000


def reopened(scene, folder):
    """The scene after it was saved as a bundle and loaded into a new application."""
    assert scene.WriteToMRB(str(folder / "scene.mrb"))
    (folder / "cache").mkdir()
    other, manager, cache = slicer.vtkMRMLScene(), slicer.vtkDataIOManager(), slicer.vtkCacheManager()
    cache.SetRemoteCacheDirectory(str(folder / "cache"))
    manager.SetCacheManager(cache)
    other.SetCacheManager(cache)
    other.SetDataIOManager(manager)
    assert other.ReadFromMRB(str(folder / "scene.mrb"))
    return other


def table(node):
    return {
        node.GetColumnName(i): [node.GetTable().GetValue(row, i).ToString() for row in range(node.GetNumberOfRows())]
        for i in range(node.GetNumberOfColumns())
    }


def test_assessment_is_the_same_after_the_scene_was_saved_and_loaded(phantom, node_of, scene, tmp_path):
    ct = node_of(phantom.ct)
    node_of(phantom.ct, "another")
    store_assessment(RESULT, ct, REPORT)
    loaded = reopened(scene, tmp_path)
    again = loaded.GetFirstNodeByName("CT")
    assert assessment_of(again) == RESULT
    assert report_of(again) == REPORT
    assert assessment_of(loaded.GetFirstNodeByName("another")) is None
    for name in ("CT COVID-MTL probabilities", "CT COVID-MTL lungs"):
        assert table(loaded.GetFirstNodeByName(name)) == table(scene.GetFirstNodeByName(name))
    probabilities = table(loaded.GetFirstNodeByName("CT COVID-MTL probabilities"))
    assert probabilities["Class"] == ["negative", "positive", "mild", "regular", "severe"]
    assert probabilities["Verdict"] == ["", "yes", "", "yes", ""]
    np.testing.assert_allclose(np.array(probabilities["Probability"], float), [0.1, 0.9, 0.2, 0.5, 0.3])
    chart = loaded.GetFirstNodeByName("CT COVID-MTL chart")
    series = chart.GetNthPlotSeriesNode(0)
    assert series.GetTableNode() is loaded.GetFirstNodeByName("CT COVID-MTL probabilities")
    assert (series.GetYColumnName(), series.GetLabelColumnName()) == ("Probability", "Task and class")
    assert "research use only" in chart.GetTitle() and chart.GetYAxisRange() == (0, 1)


def test_second_assessment_takes_the_place_of_the_first(phantom, node_of, scene):
    ct = node_of(phantom.ct)
    store_assessment(RESULT, ct, REPORT)
    before = scene.GetNumberOfNodes()
    shorter = RESULT | {"tasks": {"covid_ct": RESULT["tasks"]["covid_ct"] | {"verdict": "negative"}}}
    store_assessment(shorter, ct, REPORT)
    assert scene.GetNumberOfNodes() == before
    assert assessment_of(ct) == shorter
    assert table(scene.GetFirstNodeByName("CT COVID-MTL probabilities"))["Verdict"] == ["yes", ""]


def test_assessment_of_a_node_is_that_of_its_file(phantom, node_of, scene, tmp_path):
    node = node_of(phantom.ct, "CT of ä, 1")
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Given lungs")
    show_lungs(Volume(phantom.lungs.array, geometry_of(node)), segmentation, node)
    run = AssessmentRun(node, segmentation)
    before = scene.GetNumberOfNodes()
    news = []
    while run.poll(lambda *one: news.append(one)):
        assert scene.GetNumberOfNodes() == before
        time.sleep(0.05)
    lungs = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    run.finish(lungs)
    assert not run.folder.exists()
    assert news[-1][0] == "done"
    np.testing.assert_array_equal(labels_of(lungs, node).array > 0, labels_of(segmentation, node).array > 0)

    ct, mask = (write(one, tmp_path / f"{name}.nrrd") for one, name in ((phantom.ct, "ct"), (phantom.lungs, "mask")))
    by_command = covid_mtl("assess", ct, "--lungs", mask, "--out", tmp_path / "out")
    assert by_command.returncode == 0, by_command.stderr
    expected = json.loads((tmp_path / "out" / "assessment.json").read_text())
    found = assessment_of(node)
    assert found["case"] == "CT of ä, 1"
    for one in (found, expected):
        del one["lungs"]["mask"]  # which says what the labels of its file were
    for key in ("tasks", "aggregate", "models", "lungs", "warnings"):
        assert found[key] == expected[key]
    assert "CT of ä, 1" in report_of(node)


def test_segmentation_run_fills_a_segmentation(phantom, node_of, scene):
    node = node_of(phantom.ct)
    put_under_transform(node, rotation(10, 5))
    run = SegmentationRun(node, options=SegmentationOptions("classical"))
    run.wait()
    lungs = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    run.finish(lungs)
    assert overlap(labels_of(lungs, node).array, phantom.lungs.array)["dice"] > 0.9
    assert not run.folder.exists()


def test_run_that_fails_or_is_cancelled_leaves_nothing(phantom, node_of, scene):
    node = node_of(phantom.ct)
    before = scene.GetNumberOfNodes()
    run = SegmentationRun(node, options=SegmentationOptions("magic"))
    with pytest.raises(InputError, match="There is no method magic"):
        run.wait()
    assert not run.folder.exists()
    run = AssessmentRun(node)
    seen = []
    while "lungs" not in seen:
        assert run.poll(lambda *news: seen.append(news[0]))
    began = time.monotonic()
    run.cancel()
    assert time.monotonic() - began < 2
    assert not run.folder.exists()
    assert scene.GetNumberOfNodes() == before
    empty = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "Empty")
    with pytest.raises(InputError, match="Empty holds no image"):
        AssessmentRun(empty)


PROGRAM = """
import sys, time
import slicer
from COVIDMTLLib.imaging.io.reader import read_ct
from COVIDMTLLib.segmentation.methods import SegmentationOptions  # noqa: E402
from COVIDMTLMRML.runs import AssessmentRun
from COVIDMTLMRML.volumes import add_volume
slicer.mrmlScene = slicer.vtkMRMLScene()
run, seen = AssessmentRun(add_volume(read_ct(sys.argv[1]), "CT")), []
while "lungs" not in seen:
    run.poll(lambda *news: seen.append(news[0]))
    time.sleep(0.02)
print("there", flush=True)
sys.stdin.read()
"""


def test_crash_of_the_program_leaves_no_process_and_no_file(phantom_ct, tmp_path):
    """The CT of a patient, and what was known besides it, are in the folder of the job."""
    import COVIDMTLMRML  # which pip does not install beside the core

    here = {"PYTHONPATH": str(Path(COVIDMTLMRML.__file__).parent.parent), "TMPDIR": str(tmp_path)}
    here["PATH"] = os.pathsep.join((str(write_launcher(tmp_path).parent), os.environ["PATH"]))
    there = set(tmp_path.iterdir())
    command = [sys.executable, "-c", PROGRAM, phantom_ct]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | here) as program:
        assert program.stdout.readline() == b"there\n"
        family = psutil.Process(program.pid).children(recursive=True)
        assert len(family) >= 3 and set(tmp_path.iterdir()) > there
        program.kill()
    alive = psutil.wait_procs(family, timeout=2)[1]
    assert not still_running(alive)
    assert set(tmp_path.iterdir()) == there
