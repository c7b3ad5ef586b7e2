"""Which part of the boundary of the lungs the image shows, and how that is drawn."""

import json

import numpy as np
import pytest
from conftest import covid_mtl
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.measurements.boundary_visibility import INFERRED, SHOWN, find_boundary, warnings
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.reports.figures import outline_parts
from COVIDMTLLib.segmentation.left_right import right_and_left
from scipy import ndimage
from support.data.planted_opacities import plant


@pytest.fixture(scope="module")
def patient(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    lungs = labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), ct.geometry)
    return ct, lungs.with_array(right_and_left(lungs.array > 0, ct.array))


@pytest.fixture
def boxes():
    """Two boxes of air in soft tissue; the left one reaches the first slice."""
    hu, labels = np.full((60, 60, 100), 40, np.int16), np.zeros((60, 60, 100), np.uint8)
    for label, box in ((1, np.s_[10:50, 10:50, 10:40]), (2, np.s_[:50, 10:50, 60:90])):
        hu[box], labels[box] = -850, label
    return Volume(hu, Geometry((100, 60, 60))), Volume(labels, Geometry((100, 60, 60)))


def test_dense_lung_and_the_end_of_the_image_hide_the_boundary(boxes):
    ct, lungs = boxes
    hu = ct.array.copy()
    hu[30:50, 10:50, 10:40] = 40  # the upper half of the right lung
    found = find_boundary(ct.with_array(hu), lungs)
    labels = found.labels.array
    surface = (lungs.array > 0) & ~ndimage.binary_erosion(lungs.array > 0)
    np.testing.assert_array_equal(labels > 0, surface)
    assert (labels[10:26, :, :50][surface[10:26, :, :50]] == SHOWN).all()
    assert (labels[34:, :, :50][surface[34:, :, :50]] == INFERRED).all()
    assert (labels[0, 16:44, 66:84] == INFERRED).all() and (labels[4:, :, 50:] != INFERRED).all()
    assert found.shares["right"] == pytest.approx(0.5, abs=0.07)
    assert found.shares["left"] == pytest.approx(1 - 28 * 18 / np.count_nonzero(surface[:, :, 50:]), abs=0.03)
    assert found.shares["right"] < found.shares["both"] < found.shares["left"]
    (warning,) = warnings(found.shares)
    assert f"{1 - found.shares['right']:.0%} of the boundary of the right lung" in warning and "left" not in warning
    assert warnings(find_boundary(ct, lungs).shares) == []


def test_lung_that_is_not_there_has_no_share(boxes):
    ct, lungs = boxes
    left = find_boundary(ct, lungs.with_array(np.where(lungs.array == 1, 0, lungs.array)))
    assert left.shares["right"] is None and left.shares["left"] == left.shares["both"] > 0.8
    nothing = find_boundary(ct, lungs.with_array(np.zeros_like(lungs.array)))
    assert set(nothing.shares.values()) == {None} and not nothing.labels.array.any()
    assert warnings(nothing.shares) == []


def test_real_lungs_are_shown_and_a_mask_that_is_off_is_not(patient):
    ct, lungs = patient
    assert find_boundary(ct, lungs).shares["both"] > 0.95  # the CT ends in the right lung
    mask = lungs.array > 0
    smaller = np.where(ndimage.distance_transform_edt(mask) > 4, lungs.array, 0)
    larger = right_and_left(ndimage.distance_transform_edt(~mask) <= 4, ct.array)
    for wrong in (smaller, larger):
        assert find_boundary(ct, lungs.with_array(wrong)).shares["both"] < 0.15


def test_white_lung_hides_the_boundary_beside_it(patient):
    ct, lungs = patient
    white, opacities = plant(ct, lungs, "white-lung", 0.3, seed=31)
    before, after = find_boundary(ct, lungs), find_boundary(white, lungs)
    hidden = (after.labels.array == INFERRED) & (before.labels.array == SHOWN)
    assert after.shares["both"] < before.shares["both"] - 0.1
    far = ndimage.distance_transform_edt(opacities.array == 0)
    assert np.mean(far[hidden] <= 5) > 0.95
    assert warnings(after.shares)


def test_outline_is_parted_where_its_boundary_turns_inferred():
    pixels = np.zeros((8, 8), bool)
    pixels[2:6, 2:6] = True
    outline = np.array(
        [[1.5, y] for y in range(2, 6)]
        + [[x, 5.5] for x in range(2, 6)]
        + [[5.5, y] for y in range(5, 1, -1)]
        + [[x, 1.5] for x in range(5, 1, -1)]
        + [[1.5, 2]],
        float,
    )
    inferred = pixels & (np.arange(8) >= 4)  # of each column from the fifth on
    shown, dashed = outline_parts(outline, inferred)
    assert [part[:, 0].min() >= 4 for part in dashed] == [True]
    assert sum(len(part) - 1 for part in shown + dashed) == len(outline) - 1
    assert len(dashed[0]) == 8 and len(shown) == 2
    assert outline_parts(outline, pixels & False)[1] == [] and outline_parts(outline, pixels)[0] == []


def test_assessment_and_report_say_how_much_was_inferred(tmp_path):
    dense = thorax(3, consolidation=0.4, spacing=(2.0, 2.0, 2.0), size=0.4)
    result = assess(dense.ct, tmp_path, lungs=dense.lungs).result
    assert json.loads((tmp_path / "assessment.json").read_text())["lungs"] == result["lungs"]
    shares = result["lungs"]["boundary_supported"]
    assert set(shares) == {"both", "right", "left"} and min(shares.values()) < 0.8
    assert set(warnings(shares)) <= set(result["warnings"])
    page = (tmp_path / "report.html").read_text(encoding="utf-8").replace("&nbsp;", " ")
    said = f"shows {shares['both']:.0%} of the boundary of the lungs (right {shares['right']:.0%}, left"
    assert said.replace("%", " %") in page


def test_command_line_says_what_it_measured(phantom_ct, tmp_path):
    out, measures = tmp_path / "lungs.nrrd", tmp_path / "measures.json"
    run = covid_mtl("segment", phantom_ct, "--out", out, "--measures", measures, "--method", "classical")
    assert run.returncode == 0, run.stderr
    found = json.loads(measures.read_text())
    assert found["both"]["volume_ml"] == pytest.approx(
        found["right"]["volume_ml"] + found["left"]["volume_ml"], abs=0.11
    )
    assert f"the CT shows {found['boundary_supported']['both']:.0%} of their boundary" in run.stdout
    assert f"Lungs {found['both']['volume_ml']:.0f} ml" in run.stdout
    quiet = covid_mtl("segment", phantom_ct, "--out", out, "--progress", "json", "--method", "classical")
    assert all(line.startswith('{"step":') for line in quiet.stdout.splitlines())
