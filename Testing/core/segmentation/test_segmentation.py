"""The lungs: methods, sides, and the measures of overlap."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import covid_mtl, write
from COVIDMTLLib.cli import main
from COVIDMTLLib.cli import segment as segment_command
from COVIDMTLLib.imaging import ct_checks
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.labels import LEFT, RIGHT
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.measurements.overlap import compare_masks, overlap
from COVIDMTLLib.segmentation import active_contour, plausibility
from COVIDMTLLib.segmentation.left_right import right_and_left
from COVIDMTLLib.segmentation.methods import Parameters, SegmentationOptions, segment
from COVIDMTLLib.segmentation.snakes import edges_of, enclosed, moved
from COVIDMTLLib.utils.errors import ImplausibleCT, InputError
from support.data.orientations import flipped, turned
from support.plain_active_contour import refine_plainly


def dice(a, b):
    return overlap(a, b)["dice"]


@pytest.fixture(scope="module")
def working(larger_phantom):
    return to_working_grid(larger_phantom.ct)


@pytest.fixture
def snakes(monkeypatch):
    """Let snakes move in the small slices of the phantom, too; gives the slices that were refined."""
    refined = []
    refine = active_contour._refine_slice
    monkeypatch.setattr(active_contour, "MIN_LUNG_AREA", 7000)
    monkeypatch.setattr(active_contour, "_refine_slice", lambda *given: refined.append(given) or refine(*given))
    return refined


@pytest.mark.parametrize(("method", "bar"), [("classical", 0.98), ("active-contour", 0.965), ("robust", 0.985)])
def test_real_ct(real_ct, tmp_path, method, bar):
    run = covid_mtl("segment", real_ct / "lung1_image.nrrd", "--out", tmp_path / "m.nrrd", "--grid", "working",
                    "--method", method)  # fmt: skip
    assert run.returncode == 0, run.stderr
    compared = covid_mtl("compare-masks", tmp_path / "m.nrrd", real_ct / "lung1_reference_lung.nrrd")
    assert json.loads(compared.stdout)["dice"] >= bar
    labels = read_mask(tmp_path / "m.nrrd").array
    x = np.indices(labels.shape)[2]
    # Of this patient the right lung is the larger, and the spine is at about x = 165.
    assert (labels == RIGHT).sum() > 1.3 * (labels == LEFT).sum() > 0
    assert np.quantile(x[labels == RIGHT], 0.98) < 165 < np.quantile(x[labels == LEFT], 0.02)


def test_both_methods_find_the_lungs_of_the_phantom(larger_phantom, working):
    truth = labels_on(larger_phantom.lungs, working.geometry).array
    classical = segment(working, "classical").array
    refined = segment(working, "active-contour").array
    # Ground glass at the pleura is what a threshold loses, so the bar is below that of healthy lungs.
    assert dice(classical, truth) > 0.9
    assert dice(refined, truth) > 0.9
    for label in (RIGHT, LEFT):
        assert dice(classical == label, truth == label) > 0.88


def test_refinement_starts_from_the_mask_it_is_given(larger_phantom, working):
    truth = labels_on(larger_phantom.lungs, working.geometry).array
    lost = truth.copy()
    lost[:, : int(np.argwhere(truth)[:, 1].mean())] = 0
    refined = segment(working, "active-contour", working.with_array(lost)).array
    assert dice(refined, lost) > dice(refined, truth)


def test_parameters_change_what_they_say(working, snakes):
    def size(method="active-contour", **parameters):
        middle = working.geometry.point_at(np.array(working.geometry.size) / 2)
        options = SegmentationOptions(method, Parameters(**parameters), through=middle)
        return np.count_nonzero(segment(working, options).array)

    assert size("classical", threshold=-600) < size("classical") < size("classical", threshold=-300)
    assert size(closing=0) < size() < size(closing=20)
    # What contracts encloses less, and snakes move outwards, to the edges around the lungs.
    assert size(alpha=1) < size() > size(iterations=0)
    assert len({size(beta=beta) for beta in (0, 20, 100)}) == 3


@pytest.mark.parametrize("closing", [0, 10, 25.5])
def test_result_does_not_depend_on_the_window(working, snakes, monkeypatch, closing):
    lungs = segment(working, "classical").array > 0
    slices = np.flatnonzero(lungs.any(axis=(1, 2)))[5::20]
    parameters = Parameters(closing=closing)
    found = active_contour.refine_active_contour(working.array, lungs, parameters=parameters, slices=slices)
    monkeypatch.setattr(active_contour, "_window", lambda mask, parameters: np.s_[:, :])
    whole = active_contour.refine_active_contour(working.array, lungs, parameters=parameters, slices=slices)
    assert (found[slices] != lungs[slices]).any()
    np.testing.assert_array_equal(found, whole)


def test_refinement_is_that_of_scikit_image(working, snakes):
    lungs = segment(working, "classical").array > 0
    slices = np.flatnonzero(lungs.any(axis=(1, 2)))[::9]
    of_both = []
    for truncate in (False, True):
        chosen = {"parameters": Parameters(truncate=truncate), "slices": slices}
        refined = active_contour.refine_active_contour(working.array, lungs, **chosen)[slices]
        np.testing.assert_array_equal(refined, refine_plainly(working.array[slices], lungs[slices], truncate))
        assert (refined != lungs[slices]).any()
        of_both.append(refined)
    assert (of_both[0] != of_both[1]).any()


@pytest.mark.parametrize(
    ("alpha", "beta", "iterations"), [(0.02, 20, 20), (0.02, 20, 200), (1, 0, 50), (0, 100, 11), (0.01, 0.1, 200)]
)
def test_snakes_move_as_those_of_scikit_image(alpha, beta, iterations):
    from skimage.draw import polygon2mask
    from skimage.filters import gaussian
    from skimage.measure import find_contours
    from skimage.segmentation import active_contour

    # Blobs over the border too, where contours are open and the spline of the edges has its ends.
    field = gaussian(np.random.default_rng(5).normal(size=(61, 84)), 5)
    image = (4000 * (field / field.max()).clip(0)).astype(np.int16)
    contours = find_contours((field > 0).astype(float), 0.8)
    assert {np.array_equal(contour[0], contour[-1]) for contour in contours} == {True, False}
    edges = edges_of(image)
    for contour in contours:
        expected = active_contour(image, contour, alpha=alpha, beta=beta, max_num_iter=iterations)
        snake = moved(contour, edges, alpha, beta, iterations)
        np.testing.assert_allclose(snake, expected, rtol=0, atol=1e-8)
        assert np.abs(snake - contour).max() > 0.1
        mask = polygon2mask(image.shape, expected)
        mask[tuple(np.clip(np.rint(expected).astype(int), 0, (60, 83)).T)] = True
        np.testing.assert_array_equal(enclosed(snake, image.shape), mask)
        np.testing.assert_array_equal(moved(contour, edges, alpha, beta, 0), contour)


def test_command_line_passes_parameters_and_warnings_on(phantom_ct, tmp_path, monkeypatch, capsys):
    passed, seen = [], []

    def record(job, ct, out, options, progress):
        out.touch()
        how = options.how
        passed[:] = how.parameters, how.through, how.airways
        seen.append(how)
        return None if how.through else {"warnings": ["A lung is missing."]}

    monkeypatch.setattr(segment_command, "run_supervised", record)
    options = "--threshold -500.5 --alpha 0.1 --beta 5 --iterations 7 --closing 3 --through 1 -2.5 3".split()
    assert main.main(["segment", str(phantom_ct), "--out", str(tmp_path / "m.nrrd"), *options]) == 0
    given = Parameters(threshold=-500.5, alpha=0.1, beta=5, iterations=7, closing=3)
    assert passed == [given, [1, -2.5, 3], False]
    given = Parameters(threshold=-500.5, alpha=1e-5, truncate=True)
    how = SegmentationOptions("classical", given, True, [-1e-7, 2.5, 3])
    assert main.main(["segment", str(phantom_ct), "--out", str(tmp_path / "p.nrrd"), *how.to_arguments()]) == 0
    assert seen[-1] == replace(how, through=[0, 2.5, 3])
    assert "Warning" not in capsys.readouterr().err
    options = ["--airways", "--progress", "json"]
    assert main.main(["segment", str(phantom_ct), "--out", str(tmp_path / "other.nrrd"), *options]) == 0
    assert passed == [Parameters(), None, True]
    assert capsys.readouterr().err.splitlines() == ["Warning: A lung is missing."]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("threshold", -50, "The threshold has to be -900 to -100 HU, and -50 is not."),
        ("alpha", 1.5, "The alpha has to be 0 to 1, and 1.5 is not."),
        ("beta", float("nan"), "The beta has to be 0 to 100, and nan is not."),
        ("iterations", 2.5, "The iterations have to be a whole number from 0 to 200, and 2.5 is not."),
        ("closing", 31, "The closing has to be 0 to 30 mm, and 31 is not."),
    ],
)
def test_parameters_out_of_range(name, value, sentence):
    with pytest.raises(InputError) as refused:
        Parameters(**{name: value})
    assert str(refused.value) == sentence


def with_slices_of(volume, mm):
    """The same voxels, their slices ``mm`` apart."""
    g = volume.geometry
    return Volume(volume.array, Geometry(g.size, (*g.spacing[:2], mm), g.origin, g.direction))


LYING = {
    "straight": lambda ct: ct,
    "oblique and upside down": lambda ct: flipped(turned(ct, 17), (True, False, True)),
    # Every other slice is midway between two of the working grid, and rounding decides for each voxel.
    "oblique, 2.5 mm": lambda ct: turned(with_slices_of(ct, 2.5), 17),
    "coronal": lambda ct: Volume.from_image(sitk.PermuteAxes(ct.to_image(), (0, 2, 1))),
    "thick": lambda ct: Volume(ct.array[::3], Geometry((*ct.geometry.size[:2], len(ct.array[::3])), (1.6, 1.6, 6.0))),
}


@pytest.mark.parametrize(
    ("method", "lying"),
    [("classical", "straight"), ("robust", "oblique, 2.5 mm"), *(("active-contour", lying) for lying in LYING)],
)
def test_preview_is_the_whole_result_in_one_slice_of_the_ct(phantom, snakes, lying, method):
    ct = LYING[lying](phantom.ct)
    axial = ct_checks.axial_axis(ct.geometry)
    working = to_working_grid(ct)
    whole = np.moveaxis(labels_on(segment(working, method), ct.geometry).array, 2 - axial, 0) > 0
    middle = np.flatnonzero(whole.any(axis=(1, 2))).mean()
    for number, within in ((int(middle), 0.0), (int(middle) + 1, 0.45), (int(middle) + 4, -0.45)):
        snakes.clear()
        index = np.array(ct.geometry.size) / 3
        index[axial] = number + within
        options = SegmentationOptions(method, through=ct.geometry.point_at(index))
        preview = segment(working, options, grid=ct.geometry)
        assert len(snakes) <= (2 if method == "active-contour" else 0)
        found = np.moveaxis(labels_on(preview, ct.geometry).array, 2 - axial, 0)
        assert set(np.unique(found)) == {0, RIGHT, LEFT}
        np.testing.assert_array_equal(found[number] > 0, whole[number])
        assert not np.delete(found, number, axis=0).any()


def test_preview_on_the_command_line(phantom, phantom_ct, tmp_path):
    point = phantom.ct.geometry.point_at((10, 20, 40.3))
    for out, options in (("all", []), ("one", ["--through", *point])):
        run = covid_mtl("segment", phantom_ct, "--out", tmp_path / f"{out}.nrrd", *options)
        assert run.returncode == 0, run.stderr
    whole, one = (read_mask(tmp_path / f"{out}.nrrd").array for out in ("all", "one"))
    np.testing.assert_array_equal(one[40] > 0, whole[40] > 0)
    assert one[40].any() and not np.delete(one, 40, axis=0).any()


def test_point_of_a_preview_has_to_lie_in_the_lungs_slices(larger_phantom, working):
    at = larger_phantom.ct.geometry.point_at
    size = np.array(larger_phantom.ct.geometry.size)
    for point in (at((10, -0.6, 20)), at(size - (1, 1, 0.4)), (float("nan"), 0, 0)):
        with pytest.raises(InputError, match=r"^The point \(.*\) mm lies outside ct; give one inside it"):
            segment(working, SegmentationOptions(through=point), grid=larger_phantom.ct.geometry, name="ct")
    with pytest.raises(InputError, match=r"^ct shows no lung in the slice through \(.*\) mm; choose another one\.$"):
        segment(working, SegmentationOptions(through=at((10, 10, 0))), grid=larger_phantom.ct.geometry, name="ct")


@pytest.mark.parametrize("bridge", [0, 10])
def test_sides_are_told_apart_even_when_the_lungs_are_joined(larger_phantom, working, bridge):
    truth = labels_on(larger_phantom.lungs, working.geometry).array
    mask = truth > 0
    z, y, _ = (int(v) for v in np.argwhere(mask).mean(axis=0))
    across = np.flatnonzero(mask[z, y])
    mask[z - bridge // 2 : z + bridge // 2, y - bridge // 2 : y + bridge // 2, across[0] : across[-1]] = True
    sides = right_and_left(mask, working.array)
    assert ((sides > 0) == mask).all()
    for label in (RIGHT, LEFT):
        assert dice(sides == label, truth == label) > 0.97


@pytest.mark.parametrize("label", [RIGHT, LEFT])
def test_single_lung_is_on_its_own_side(larger_phantom, working, label):
    truth = labels_on(larger_phantom.lungs, working.geometry).array
    sides = right_and_left(truth == label, working.array)
    np.testing.assert_array_equal(sides, np.where(truth == label, label, 0))


def test_real_ct_is_whole_at_the_sides_until_it_is_cropped(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    plausibility.check_field_of_view(ct)
    reference = read_mask(real_ct / "lung1_reference_lung.nrrd").array > 0
    warnings = plausibility.check_lungs(reference, ct.array)
    assert len(warnings) == 1 and "bottom" in warnings[0]
    for window in np.s_[:, :, 60:], np.s_[:, :, :230], np.s_[:, 160:], np.s_[:, :245]:
        cropped = np.ascontiguousarray(ct.array[window])
        with pytest.raises(ImplausibleCT, match="at the sides"):
            plausibility.check_field_of_view(Volume(cropped, type(ct.geometry)(cropped.shape[::-1])))
    # A round field of view that is too small, with padding around it.
    y, x = np.indices(ct.array.shape[1:])
    outside = (y - 190) ** 2 + (x - 146) ** 2 > 95**2
    with pytest.raises(ImplausibleCT, match="at the sides"):
        plausibility.check_field_of_view(ct.with_array(np.where(outside, np.int16(-1024), ct.array)))


def test_chest_that_was_turned_is_whole_at_the_sides(real_ct):
    """Turned about the line from right to left, the ends of the lungs meet what lies outside the CT."""
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    image = ct.to_image()
    turn = sitk.VersorTransform((1, 0, 0), np.radians(8))
    turn.SetCenter(image.TransformContinuousIndexToPhysicalPoint([(size - 1) / 2 for size in image.GetSize()]))
    turned = sitk.GetArrayFromImage(sitk.Resample(image, image, turn, sitk.sitkLinear, -1024))
    plausibility.check_field_of_view(ct.with_array(turned))
    padded = np.pad(ct.array, ((20, 15), (30, 10), (12, 40)), constant_values=-1024)
    plausibility.check_field_of_view(Volume(padded, Geometry(padded.shape[::-1])))


def test_overlap_agrees_with_scikit_learn():
    from sklearn.metrics import f1_score, jaccard_score, matthews_corrcoef, precision_score

    rng = np.random.default_rng(0)
    a, b = rng.random((2, 20, 30, 40)) < [[[[0.3]]], [[[0.4]]]]
    a[:10] = b[:10]
    found = overlap(a, b)
    a, b = a.ravel(), b.ravel()
    expected = [f1_score(b, a), jaccard_score(b, a), matthews_corrcoef(b, a), precision_score(b, a)]
    np.testing.assert_allclose(list(found.values()), expected)
    assert list(found) == ["dice", "jaccard", "mcc", "precision"]


def test_masks_are_compared_on_the_grid_of_the_reference(larger_phantom, working, tmp_path):
    coarse, fine = larger_phantom.lungs, labels_on(larger_phantom.lungs, working.geometry)
    assert compare_masks(fine, coarse)["dice"] > 0.98
    right = coarse.with_array((coarse.array == RIGHT).astype(np.uint8))
    share = right.array.sum() / (coarse.array > 0).sum()
    found = compare_masks(right, fine)
    assert found["dice"] == pytest.approx(2 * share / (1 + share), abs=0.01) and found["precision"] > 0.98
    paths = [write(mask, tmp_path / f"{i}.nrrd") for i, mask in enumerate((coarse, fine))]
    result = json.loads(covid_mtl("compare-masks", *paths).stdout)
    assert result == compare_masks(coarse, fine)
    np.testing.assert_allclose(result["predicted_ml"], result["reference_ml"], rtol=0.01)
