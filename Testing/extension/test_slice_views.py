"""The pictures that Slicer's own views make of the real CT and its lungs, against the arrays they are of."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
from COVIDMTLLib.imaging.labels import LEFT, RIGHT
from COVIDMTLLib.imaging.volume import Volume, labels_on
from scipy import ndimage

slicer = pytest.importorskip("slicer")
sys.path.append(str(Path(__file__).parents[2] / "COVIDMTL"))
from COVIDMTLMRML.segmentations import SEGMENTS, show_lungs  # noqa: E402
from slice_views import LUNG_WINDOW, MARGIN, render_3d, render_slice, save_picture, why_not  # noqa: E402

SIZE = (500, 400)  # width and height
AXES = {"Axial": ((-1, 0, 0), (0, 1, 0)), "Coronal": ((-1, 0, 0), (0, 0, 1)), "Sagittal": ((0, -1, 0), (0, 0, 1))}
"""What is to the right and what is up in a picture, as R, A, S."""


@pytest.fixture(scope="module", autouse=True)
def drawing():
    reason = why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def case(real_ct):
    """The CT with its lungs in a scene; what lies right and left of the middle are the two segments."""
    path = real_ct / "lung1_image.nrrd"
    ct = Volume.from_image(sitk.ReadImage(str(path)))
    reference = Volume.from_image(sitk.ReadImage(str(real_ct / "lung1_reference_lung.nrrd")))
    inside = labels_on(reference, ct.geometry).array > 0
    side = np.where(np.arange(ct.geometry.size[0]) < ct.geometry.size[0] / 2, RIGHT, LEFT)
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerSegmentationsModuleLogic()
    logic.SetMRMLScene(scene)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    storage.SetCenterImage(0)
    assert storage.ReadData(node)
    segmentation = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Lungs")
    lungs = np.where(inside, side, 0).astype(np.uint8)
    show_lungs(Volume(lungs, ct.geometry), segmentation, node)
    segmentation.GetDisplayNode().SetVisibility2DFill(False)
    yield SimpleNamespace(scene=scene, ct=ct, lungs=lungs, node=node, segmentation=segmentation)
    logic.SetMRMLScene(None)


def to_ras(geometry, transform):
    """4 x 4 matrix from voxels (i, j, k) to the world (R, A, S)."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(geometry.direction, (3, 3)) * geometry.spacing
    matrix[:3, 3] = geometry.origin
    return transform @ np.diag([-1, -1, 1, 1]) @ matrix


def expected(case, orientation, offset, transform, close_up):
    """Grey values of the CT and labels of the lungs at the centres of the pixels, (height, width)."""
    ct = case.ct.geometry
    matrix = to_ras(ct, transform)
    framed = case.lungs > 0 if close_up else np.ones(ct.shape, bool)
    faces = [(side.start - 0.5, side.stop - 0.5) for side in ndimage.find_objects(framed.astype(np.uint8))[0][::-1]]
    corners = (matrix[:3] @ [*np.array(np.meshgrid(*faces)).reshape(3, 8), np.ones(8)]).T
    margin = MARGIN if close_up else 0
    low, high = corners.min(0) - margin, corners.max(0) + margin
    right, up = np.array(AXES[orientation], float)
    width, height = SIZE
    pixel = max(np.abs(right) @ (high - low) / width, np.abs(up) @ (high - low) / height)
    centre = (low + high) / 2
    if offset is not None:
        centre[(right == 0) & (up == 0)] = offset
    x = (np.arange(width) + 0.5 - width / 2) * pixel
    y = (height / 2 - np.arange(height) - 0.5) * pixel
    ras = centre + x[None, :, None] * right + y[:, None, None] * up
    ijk = np.rint((ras - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T).astype(int)
    outside = ((ijk < 0) | (ijk >= ct.size)).any(-1)
    i, j, k = np.where(outside[..., None], 0, ijk).transpose(2, 0, 1)
    width_hu, level_hu = LUNG_WINDOW
    grey = np.clip((case.ct.array[k, j, i] - level_hu) / width_hu + 0.5, 0, 1) * 255
    return np.where(outside, 0, grey), np.where(outside, 0, case.lungs[k, j, i])


def turn(degrees):
    a = np.deg2rad(degrees)
    return np.array([[np.cos(a), -np.sin(a), 0, 9], [np.sin(a), np.cos(a), 0, -30], [0, 0, 1, 200], [0, 0, 0, 1]])


def under(transform, *nodes):
    node = nodes[0].GetScene().AddNewNodeByClass("vtkMRMLLinearTransformNode", "T")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(transform))
    for one in nodes:
        one.SetAndObserveTransformNodeID(node.GetID())


@pytest.mark.parametrize(
    ("orientation", "offset", "transform", "close_up"),
    [
        ("Axial", -662.5, np.eye(4), False),
        ("Coronal", 140.0, np.eye(4), True),
        ("Sagittal", -60.0, np.eye(4), False),
        ("Axial", -462.5, turn(20), False),
        ("Coronal", None, turn(-15), True),
    ],
)
def test_ct_and_outline_are_where_the_arrays_have_them(case, orientation, offset, transform, close_up):
    under(transform, case.node, case.segmentation)
    how = {"orientation": orientation, "offset_mm": offset, "size": SIZE, "close_up": close_up}
    picture = render_slice(case.scene, case.node, **how).astype(int)
    case.segmentation.GetDisplayNode().SetOpacity(0)  # still there, so that the frame is the same
    bare = render_slice(case.scene, case.node, **how).astype(int)
    grey, lungs = expected(case, orientation, offset, transform, close_up)
    assert picture.shape == (*SIZE[::-1], 3)
    assert np.abs(bare.mean(-1) - grey).mean() < 6

    drawn = (picture != bare).any(-1)
    boundary = np.any([lung & ~ndimage.binary_erosion(lung) for lung in (lungs == RIGHT, lungs == LEFT)], axis=0)
    assert boundary.sum() > 500
    assert ndimage.distance_transform_edt(~boundary)[drawn].max() < 3
    assert ndimage.distance_transform_edt(~drawn)[boundary].max() < 4


def test_fill_lets_the_ct_through_and_what_is_hidden_is_not_drawn(case):
    def picture(scene=case.scene):
        return render_slice(scene, case.node, size=SIZE).astype(int)

    nothing = picture(slicer.vtkMRMLScene())
    display = case.segmentation.GetDisplayNode()
    display.SetVisibility2DFill(True)
    both = picture()
    display.SetSegmentVisibility(case.segmentation.GetSegmentation().GetSegmentIDs()[1], False)
    right = picture()
    middle = SIZE[0] // 2
    np.testing.assert_array_equal(right[:, : middle - 2], both[:, : middle - 2])
    np.testing.assert_array_equal(right[:, middle + 2 :], nothing[:, middle + 2 :])
    lungs = (both != nothing).any(-1)
    assert lungs[:, :middle].sum() > 10000 and lungs[:, middle:].sum() > 10000
    half_and_half = nothing[lungs] / 2 + np.multiply(SEGMENTS[1].colour, 255) / 2
    assert np.quantile(np.abs(both[lungs] - half_and_half), 0.9) < 3
    display.SetVisibility(False)
    np.testing.assert_array_equal(picture(), nothing)


def test_surfaces_are_seen_from_the_front(case):
    for index, colour in enumerate(((1, 0, 0), (0, 1, 0))):
        case.segmentation.GetSegmentation().GetNthSegment(index).SetColor(colour)
    red, green, blue = render_3d(case.scene, SIZE).astype(int).transpose(2, 0, 1)
    right, left = red > np.maximum(green, blue) + 30, green > np.maximum(red, blue) + 30
    assert ndimage.center_of_mass(right)[1] < SIZE[0] / 2 < ndimage.center_of_mass(left)[1]
    widths = (right | left).sum(1)
    widths = widths[widths > 0]
    assert len(widths) > 0.7 * SIZE[1]
    third = len(widths) // 3
    assert widths[:third].sum() < 0.8 * widths[-third:].sum()  # the apices are above
    case.segmentation.GetDisplayNode().SetVisibility(False)
    nothing = render_3d(case.scene, SIZE)
    assert np.ptp(nothing, axis=1).max() <= 2  # only the background, which gets lighter downwards


def test_the_scene_stays_as_it_is(case, tmp_path):
    def state():
        nodes = [case.scene.GetNthNode(i) for i in range(case.scene.GetNumberOfNodes())]
        return [(node.GetID(), node.GetMTime()) for node in nodes]

    before = state()
    first = render_slice(case.scene, case.node, close_up=True)
    render_3d(case.scene)
    again = render_slice(case.scene, case.node, close_up=True)
    np.testing.assert_array_equal(again, first)
    assert state() == before
    path = save_picture(again, tmp_path / "picture.png")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))[..., :3], again)


def test_pictures_that_cannot_be_taken_get_a_sentence(case):
    with pytest.raises(ValueError, match="There is no orientation Sideways"):
        render_slice(case.scene, case.node, "Sideways")
    case.segmentation.GetDisplayNode().SetVisibility(False)
    with pytest.raises(ValueError, match="There is no visible segmentation to frame"):
        render_slice(case.scene, case.node, close_up=True)
