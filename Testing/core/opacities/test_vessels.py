"""Vessels of the lungs: found on tubes that are known, in synthetic chests and in the real CT."""

import json

import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.opacities import find_opacities, find_vessels
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.phantom.anatomy import anatomy
from COVIDMTLLib.phantom.shapes import near_tubes
from scipy.ndimage import gaussian_filter

HEALTHY, BLOOD = -870, 40


def painted(shape, parts, noise=20):
    """A CT of one lung in tissue with what is painted into it, one over the other, blurred and noisy as by a scanner.

    ``parts`` are masks with their HU.
    """
    lung = np.zeros(shape, bool)
    lung[5:-5, 5:-5, 5:-5] = True
    hu = np.where(lung, HEALTHY, BLOOD).astype(np.float32)
    for mask, value in parts:
        hu[mask & lung] = value
    hu = gaussian_filter(hu, 0.7) + np.random.default_rng(0).normal(0, noise, shape)
    grid = Geometry(shape[::-1])
    return Volume(hu.astype(np.int16), grid), Volume(lung.astype(np.uint8), grid)


def test_tubes_are_vessels_and_fissures_and_opacities_are_not():
    shape = 100, 120, 120
    z, y, x = np.indices(shape, np.float32)
    tubes = [np.hypot(y - 25 - 8 * np.sin(z / 20), x - at) <= radius for at, radius in ((20, 1), (45, 2.5), (80, 6))]
    fissure = np.abs(y + 0.3 * z - 75) <= 0.6
    opacity = np.sqrt((z - 50) ** 2 + (y - 88) ** 2 + (x - 90) ** 2) <= 16
    painting = [(mask, BLOOD) for mask in tubes]
    painting += [(fissure, -700), (opacity, -300)]
    painting += [(opacity & (np.hypot(y - 88, x - 90) <= 2), BLOOD)]
    ct, lungs = painted(shape, painting)
    found = find_vessels(ct, lungs, ct.with_array(opacity)).array > 0
    middle = np.zeros(shape, bool)
    middle[12:-12, 12:-12, 12:-12] = True
    for tube in tubes:
        assert np.mean(found[tube & middle]) > 0.98
        own = found & (np.hypot(y - 25 - 8 * np.sin(z / 20), x - x[tube].mean()) < 12) & middle
        assert np.count_nonzero(own) < 1.4 * np.count_nonzero(tube & middle)
    others = ~np.any(tubes, axis=0) & middle
    assert np.mean(found[fissure & others]) < 0.01
    assert np.count_nonzero(found & middle & (y > 50)) < 0.005 * np.count_nonzero(opacity)


def truth_of(seed, geometry, size):
    """Where the vessels of the synthetic thorax are that are as wide as a voxel."""
    tubes = anatomy(np.random.default_rng([seed, 0])).vessels
    axes = [
        ((origin + spacing * np.arange(n)) / size).astype(np.float32)
        for n, spacing, origin in zip(geometry.shape, geometry.spacing[::-1], geometry.origin[::-1], strict=True)
    ]
    mask = np.zeros(geometry.shape, bool)
    for _, boxes, distances in near_tubes(axes, tubes[tubes[:, 6:].mean(axis=1) * size >= 0.5], 0):
        for box, distance in zip(boxes, distances, strict=True):
            mask[box] |= distance < 0
    return mask


def test_vessels_of_a_phantom_are_found_beside_its_opacities():
    phantom = thorax(7, ground_glass=0.1, spacing=(1.0, 1.0, 1.0), size=0.7)
    ct = to_working_grid(phantom.ct)
    lungs, opacities = (labels_on(mask, ct.geometry).array for mask in (phantom.lungs, phantom.opacities))
    found = find_vessels(ct, ct.with_array(lungs)).array > 0
    known = truth_of(7, ct.geometry, 0.7) & (lungs > 0) & (opacities == 0)
    assert np.mean(found[known]) > 0.7
    assert np.mean(found[lungs > 0]) < 0.05
    assert not found[find_opacities(ct, ct.with_array(lungs)).labels.array > 0].any()


def test_vessels_of_the_real_ct(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    lungs = labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), ct.geometry)
    lungs = lungs.with_array(lungs.array.astype(np.uint8))
    found = find_vessels(ct, lungs).array > 0
    assert 0.02 < np.count_nonzero(found) / np.count_nonzero(lungs.array) < 0.09
    assert not found[lungs.array == 0].any()


def test_command_writes_a_mask_of_vessels_on_request(phantom, phantom_ct, tmp_path):
    mask = write(phantom.lungs, tmp_path / "lungs.nrrd")
    out, vessels, measures = tmp_path / "opacities.nrrd", tmp_path / "vessels.nii.gz", tmp_path / "measures.json"
    arguments = ("opacities", phantom_ct, "--lungs", mask, "--out", out, "--measures", measures)
    run = covid_mtl(*arguments, "--vessels", vessels, "--grid", "working")
    assert run.returncode == 0, run.stderr
    written = read_mask(vessels).array
    assert set(np.unique(written)) == {0, 1} and not np.any(written[read_mask(out).array > 0])
    millilitres = json.loads(measures.read_text())["vessels_ml"]
    assert millilitres == pytest.approx(np.count_nonzero(written) / 1000, abs=0.05)
    assert f"Vessels {millilitres:.0f} ml" in run.stdout
    foreign = tmp_path / "foreign.nrrd"
    write(phantom.lungs, foreign)
    before = foreign.read_bytes()
    for target, reason in (
        (foreign, "not written by this program"),
        (out, "would be written over"),
        (mask, "over lungs"),
    ):
        refused = covid_mtl(*arguments, "--vessels", target)
        assert refused.returncode == 2 and reason in refused.stderr, refused.stderr
    refused = covid_mtl(*arguments, "--vessels", tmp_path / "vessels.dcm")
    assert refused.returncode == 2 and "not written as DICOM" in refused.stderr
    assert foreign.read_bytes() == before and not list(tmp_path.glob(".covid-mtl-*"))
