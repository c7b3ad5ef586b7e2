"""The lungs: methods, sides, and the measures of overlap."""

import json

import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib import checks
from COVIDMTLLib.errors import ImplausibleCT
from COVIDMTLLib.overlap import compare_masks, overlap
from COVIDMTLLib.reading import read_ct, read_mask
from COVIDMTLLib.segmentation import segment
from COVIDMTLLib.sides import LEFT, RIGHT, right_and_left
from COVIDMTLLib.volume import Volume, labels_on, to_working_grid


def dice(a, b):
    return overlap(a, b)["dice"]


@pytest.fixture(scope="module")
def working(phantom):
    return to_working_grid(phantom.ct)


@pytest.mark.parametrize(("method", "bar"), [("classical", 0.98), ("active-contour", 0.965)])
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


def test_both_methods_find_the_lungs_of_the_phantom(phantom, working):
    truth = labels_on(phantom.lungs, working.geometry).array
    classical = segment(working, "classical").array
    refined = segment(working, "active-contour").array
    # Ground glass at the pleura is what a threshold loses, so the bar is below that of healthy lungs.
    assert dice(classical, truth) > 0.9
    assert dice(refined, truth) > 0.9
    for label in (RIGHT, LEFT):
        assert dice(classical == label, truth == label) > 0.88


def test_refinement_starts_from_the_mask_it_is_given(phantom, working):
    truth = labels_on(phantom.lungs, working.geometry).array
    lost = truth.copy()
    lost[:, : int(np.argwhere(truth)[:, 1].mean())] = 0
    refined = segment(working, "active-contour", working.with_array(lost)).array
    assert dice(refined, lost) > dice(refined, truth)


@pytest.mark.parametrize("bridge", [0, 10])
def test_sides_are_told_apart_even_when_the_lungs_are_joined(phantom, working, bridge):
    truth = labels_on(phantom.lungs, working.geometry).array
    mask = truth > 0
    z, y, _ = (int(v) for v in np.argwhere(mask).mean(axis=0))
    across = np.flatnonzero(mask[z, y])
    mask[z - bridge // 2 : z + bridge // 2, y - bridge // 2 : y + bridge // 2, across[0] : across[-1]] = True
    sides = right_and_left(mask, working.array)
    assert ((sides > 0) == mask).all()
    for label in (RIGHT, LEFT):
        assert dice(sides == label, truth == label) > 0.97


@pytest.mark.parametrize("label", [RIGHT, LEFT])
def test_single_lung_is_on_its_own_side(phantom, working, label):
    truth = labels_on(phantom.lungs, working.geometry).array
    sides = right_and_left(truth == label, working.array)
    np.testing.assert_array_equal(sides, np.where(truth == label, label, 0))


def test_real_ct_is_whole_at_the_sides_until_it_is_cropped(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    checks.check_field_of_view(ct)
    reference = read_mask(real_ct / "lung1_reference_lung.nrrd").array > 0
    warnings = checks.check_lungs(reference)
    assert len(warnings) == 1 and "bottom" in warnings[0]
    for window in np.s_[:, :, 60:], np.s_[:, :, :230], np.s_[:, 160:], np.s_[:, :245]:
        cropped = np.ascontiguousarray(ct.array[window])
        with pytest.raises(ImplausibleCT, match="at the sides"):
            checks.check_field_of_view(Volume(cropped, type(ct.geometry)(cropped.shape[::-1])))
    # A round field of view that is too small, with padding around it.
    y, x = np.indices(ct.array.shape[1:])
    outside = (y - 190) ** 2 + (x - 146) ** 2 > 95**2
    with pytest.raises(ImplausibleCT, match="at the sides"):
        checks.check_field_of_view(ct.with_array(np.where(outside, np.int16(-1024), ct.array)))


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


def test_masks_are_compared_on_the_grid_of_the_reference(phantom, working, tmp_path):
    coarse, fine = phantom.lungs, labels_on(phantom.lungs, working.geometry)
    assert compare_masks(fine, coarse)["dice"] > 0.98
    right = coarse.with_array((coarse.array == RIGHT).astype(np.uint8))
    share = right.array.sum() / (coarse.array > 0).sum()
    found = compare_masks(right, fine)
    assert found["dice"] == pytest.approx(2 * share / (1 + share), abs=0.01) and found["precision"] > 0.98
    paths = [write(mask, tmp_path / f"{i}.nrrd") for i, mask in enumerate((coarse, fine))]
    result = json.loads(covid_mtl("compare-masks", *paths).stdout)
    assert result == compare_masks(coarse, fine)
    np.testing.assert_allclose(result["predicted_ml"], result["reference_ml"], rtol=0.01)
