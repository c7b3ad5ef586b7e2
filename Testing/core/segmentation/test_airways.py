"""The trachea and the main bronchi: labelled on request, and never taken for lung."""

import json

import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.labels import AIRWAYS
from COVIDMTLLib.imaging.volume import labels_on, to_working_grid
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.segmentation.airways import NOT_FOUND, label_airways
from COVIDMTLLib.segmentation.methods import METHODS, SegmentationOptions, given_lungs, mask_on, segment
from scipy import ndimage
from support.airways_mask import with_lungs_alone


@pytest.fixture(scope="module")
def small():
    return thorax(5, consolidation=0.1, spacing=(1.6, 1.6, 2.0), size=0.6)


@pytest.fixture(scope="module")
def ct(small):
    return to_working_grid(small.ct)


@pytest.fixture(scope="module")
def labels(ct):
    return segment(ct, SegmentationOptions("classical", airways=True))


def test_tree_of_air_is_parted_from_the_lungs(ct):
    for method in METHODS:
        alone, found = (segment(ct, SegmentationOptions(method, airways=wanted)).array for wanted in (False, True))
        tree = found == AIRWAYS
        np.testing.assert_array_equal(found[~tree], alone[~tree])
        assert method != "robust" or not alone[tree].any()
        parts, _ = ndimage.label(tree, np.ones((3, 3, 3)))
        assert np.bincount(parts.ravel())[1:].max() > 0.95 * np.count_nonzero(tree) > 5000  # mm3
        assert np.mean(ct.array[tree] < -900) > 0.3
        assert tree[len(tree) - 15 :].any(axis=(1, 2)).all()  # the trachea goes on to the top


def test_tree_on_a_real_ct_is_as_large_as_a_trachea_and_bronchi(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    labels = np.zeros(ct.array.shape, np.uint8)
    label_airways(labels, ct.array)
    tree = labels == AIRWAYS
    heights = np.flatnonzero(tree.any(axis=(1, 2)))
    assert 10 < np.count_nonzero(tree) / 1000 < 60  # ml
    assert heights[-1] - heights[0] > 80  # mm
    assert np.mean(ct.array[tree] < -900) > 0.5


def test_trachea_of_a_real_ct_is_whole_beside_a_narrow_place(real_ct):
    ct = to_working_grid(read_ct(real_ct / "ricord-1a")).array
    labels = np.zeros(ct.shape, np.uint8)
    label_airways(labels, ct)
    tree = labels == AIRWAYS
    heights = np.flatnonzero(tree.any(axis=(1, 2)))
    for z in heights[30::5]:  # from above the carina
        parts, _ = ndimage.label(ct[z] < -900)
        inside = parts[tree[z] & (parts > 0)]
        assert len(inside) and np.mean(tree[z][parts == np.bincount(inside).argmax()]) > 0.8, z


def test_airways_go_on_above_a_narrow_place(ct):
    """Such as a stenosis or a tube: the lumen is parted there, and what lies above is no lung in the neck."""
    whole, parted = np.zeros(ct.array.shape, np.uint8), np.zeros(ct.array.shape, np.uint8)
    label_airways(whole, ct.array)
    top = np.flatnonzero(whole.any(axis=(1, 2)))[-1]
    narrow = slice((top - 25) // 3 * 3, (top - 25) // 3 * 3 + 3)
    array = ct.array.copy()
    array[narrow][whole[narrow] == AIRWAYS] = 40
    label_airways(parted, array)
    above = parted[narrow.stop : top - 2] == AIRWAYS
    assert len(above) > 15 and above.any(axis=(1, 2)).all()
    assert np.mean(above[whole[narrow.stop : top - 2] == AIRWAYS]) > 0.8


def test_given_mask_of_this_software_is_of_the_lungs_alone(small, ct, labels):
    """On the grid of the CT, as it is written."""
    written = labels_on(labels, small.ct.geometry)
    assert set(np.unique(written.array)) == {0, 1, 2, AIRWAYS}
    alone = written.with_array(np.where(written.array == AIRWAYS, 0, written.array))
    np.testing.assert_array_equal(given_lungs(written, ct).array, given_lungs(alone, ct).array)
    assert not np.any(segment(ct, "robust", written).array != segment(ct, "robust", alone).array)


def test_label_3_of_others_is_lung(small, ct, labels):
    """An infection as in public data, a lobe, and whatever it is beside a label 4 or without the others."""
    truth = labels_on(small.lungs, ct.geometry).array
    infection = np.where(labels_on(small.opacities, ct.geometry).array > 0, 3, truth)
    lobe = np.where((truth == 1) & (np.arange(len(truth)) > len(truth) // 2)[:, None, None], 3, truth)
    fourth = labels.array.copy()
    fourth[-1, 0, 0] = 4
    only = np.where(labels.array == AIRWAYS, np.uint8(3), np.uint8(0))
    for mask in (infection, lobe, fourth, only):
        assert np.any(mask == 3)
        np.testing.assert_array_equal(mask_on(ct.with_array(mask), ct).array, mask)


def test_command_line_measures_lungs_alone_and_says_if_there_is_no_trachea(small, tmp_path):
    found = []
    for name, options in (("with", ["--airways"]), ("without", [])):
        out = ["--out", tmp_path / f"{name}.nrrd", "--measures", tmp_path / f"{name}.json", "--method", "robust"]
        run = covid_mtl("segment", write(small.ct, tmp_path / "ct.nrrd"), *out, *options)
        assert run.returncode == 0 and "Warning" not in run.stderr, run.stderr
        found.append(json.loads((tmp_path / f"{name}.json").read_text()))
    assert found[0] == found[1] and found[0]["warnings"] == []
    written = read_mask(tmp_path / "with.nrrd").array
    assert AIRWAYS in written
    np.testing.assert_array_equal(np.where(written == AIRWAYS, 0, written), read_mask(tmp_path / "without.nrrd").array)

    file = write(with_lungs_alone(small), tmp_path / "blocked.nrrd")
    out = ["--out", tmp_path / "lungs.nrrd", "--method", "robust", "--airways"]
    run = covid_mtl("segment", file, *out)
    assert run.returncode == 0 and f"Warning: {NOT_FOUND}" in run.stderr, run.stderr
    assert set(np.unique(read_mask(tmp_path / "lungs.nrrd").array)) == {0, 1, 2}
