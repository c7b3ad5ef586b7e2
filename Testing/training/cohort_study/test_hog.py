"""HOG features, against gradients counted by hand, and on a real CT."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import write
from covidmtl_training.cohort_study.hog import hog_features, lung_box, read_hog
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Geometry, Volume, to_working_grid
from COVIDMTLLib.segmentation.methods import given_lungs
from COVIDMTLLib.utils.errors import InputError

TRAINING = Path(__file__).parents[3] / "Training"


def by_hand(image, row, column):
    """The 32 directions of one cell of 16 x 16, as Dalal and Triggs describe them, without interpolation."""
    root = np.sqrt(image.astype(float))
    histogram = np.zeros(32)
    for y in range(16 * row, 16 * row + 16):
        for x in range(16 * column, 16 * column + 16):
            dy, dx = root[y + 1, x] - root[y - 1, x], root[y, x + 1] - root[y, x - 1]
            histogram[int(np.degrees(np.arctan2(dy, dx)) % 180 // (180 / 32)) % 32] += np.hypot(dy, dx)
    return histogram / max(histogram.sum(), 1e-9)


@pytest.fixture(scope="module")
def real_lungs(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    return ct, given_lungs(read_mask(real_ct / "lung1_reference_lung.nrrd"), ct).array


def test_features_of_a_real_ct(real_lungs):
    ct, lungs = real_lungs
    box = lung_box(ct, lungs)
    assert box.shape == (340, 390, 390)
    most = np.argmax(np.sum((lungs > 0) & (ct.array > -1024), axis=(1, 2)))
    slice_ = np.where(lungs[most] > 0, np.maximum(ct.array[most] + 1024, 0), 0)
    margin = (390 - ct.array.shape[1]) // 2, (390 - ct.array.shape[2]) // 2
    image = np.zeros((390, 390))
    image[margin[0] : margin[0] + slice_.shape[0], margin[1] : margin[1] + slice_.shape[1]] = slice_
    found = hog_features(box).reshape(24, 24, 32)
    sums = found.sum(axis=2)
    assert (np.isclose(sums, 1, atol=1e-3) | (sums == 0)).all() and 60 < np.sum(sums > 0) < 200
    for row, column in [*np.argwhere(sums[1:-1, 1:-1] > 0)[::9] + 1, (1, 1)]:
        np.testing.assert_allclose(found[row, column], by_hand(image, row, column), atol=1e-3)


def test_box_is_centred(real_lungs):
    """With 32 pixels of air more on one side everything moves by one cell."""
    ct, lungs = real_lungs
    features = []
    for pad in (((0, 0), (0, 0), (0, 0)), ((0, 0), (0, 0), (0, 32))):
        values, labels = np.pad(ct.array[60:110], pad, constant_values=-1000), np.pad(lungs[60:110], pad)
        box = lung_box(Volume(values, Geometry(values.shape[::-1])), labels)
        features.append(hog_features(box).reshape(24, 24, 32))
    np.testing.assert_array_equal(features[0][:, 1:], features[1][:, :-1])


def test_table_of_a_folder(phantom, tmp_path):
    for folder in ("cts", "lungs"):
        (tmp_path / folder).mkdir()
    for name in ("7", "12"):
        write(phantom.ct, tmp_path / "cts" / f"{name}.nrrd")
        write(phantom.lungs, tmp_path / "lungs" / f"{name}.nrrd")
    out = tmp_path / "hog.csv.gz"
    command = [sys.executable, TRAINING / "hog.py", "--cts", tmp_path / "cts", "--out", out, "--lungs"]
    run = subprocess.run([*map(str, command), str(tmp_path / "lungs")], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    table = pd.read_csv(out)
    assert table.shape == (2, 1 + 24 * 24 * 32)
    values = read_hog(out, np.array([12, 7, 12]))
    ct = to_working_grid(phantom.ct)
    expected = hog_features(lung_box(ct, given_lungs(phantom.lungs, ct).array))
    np.testing.assert_allclose(values, [expected] * 3, rtol=1e-5, atol=1e-12)

    (tmp_path / "lungs" / "7.nrrd").unlink()
    out.unlink()
    run = subprocess.run([*map(str, command), str(tmp_path / "lungs")], capture_output=True, text=True)
    assert run.returncode == 2 and "has no mask of 7;" in run.stderr and "Traceback" not in run.stderr
    assert not list(tmp_path.glob("*hog*"))
    with pytest.raises(InputError, match="no lung"):
        hog_features(np.zeros((3, 40, 40)))


def test_table_in_the_layout_of_the_release_is_read(tmp_path):
    values = np.random.default_rng(0).random((3, 12))
    pd.DataFrame(values, index=[7, 9, 12]).to_csv(tmp_path / "hogfeatures.csv")
    np.testing.assert_allclose(read_hog(tmp_path / "hogfeatures.csv", np.array([12, 7])), values[[2, 0]])
    with pytest.raises(InputError, match="lacks HOG features of patient 8"):
        read_hog(tmp_path / "hogfeatures.csv", np.array([8]))
