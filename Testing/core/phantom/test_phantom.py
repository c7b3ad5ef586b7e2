"""The synthetic thorax is a chest CT with known lungs and opacities."""

from __future__ import annotations

import numpy as np
import pytest
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.segmentation.classical import segment_classical

SMALL = {"spacing": (2.0, 2.0, 2.0), "size": 0.5}


@pytest.fixture(scope="module")
def adult():
    return thorax(1, spacing=(1.5, 1.5, 2.0))


def test_a_seed_decides_on_everything():
    first, again, other = (thorax(seed, ground_glass=0.1, **SMALL) for seed in (3, 3, 4))
    for volume in ("ct", "lungs", "opacities"):
        assert np.array_equal(getattr(first, volume).array, getattr(again, volume).array)
        assert not np.array_equal(getattr(first, volume).array, getattr(other, volume).array)
    assert np.array_equal(first.lungs.array, thorax(3, **SMALL).lungs.array), "opacities do not move the lungs"


def test_lungs_are_those_of_an_adult_on_their_back(adult):
    ct, lungs, grid = adult.ct.array, adult.lungs.array, adult.ct.geometry
    right, left = ((lungs == label).sum() * grid.voxel_volume for label in (1, 2))
    assert 4000 < right + left < 5500 and left < right
    z, y, x = (np.flatnonzero((lungs > 0).any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1)))
    assert 240 < np.ptp(z) * grid.spacing[2] < 290
    assert min(z[0], y[0], x[0]) > 10 and all(i[-1] < n - 10 for i, n in zip((z, y, x), lungs.shape, strict=True))
    assert -930 < np.median(ct[lungs > 0]) < -800
    assert ct.dtype == np.int16 and lungs.dtype == adult.opacities.array.dtype == np.uint8
    edges = np.concatenate([ct[:, 0].ravel(), ct[:, :, 0].ravel(), ct[:, :, -1].ravel()])
    assert np.mean(edges < -850) > 0.98, "air around the body"
    density = [np.median(ct[:, rows][lungs[:, rows] > 0]) for rows in np.array_split(y, 3)]
    assert density[0] < density[2], "gravity"


def test_right_lung_is_at_small_x_and_apart_from_the_left(adult):
    rows = adult.lungs.array.reshape(-1, adult.lungs.geometry.size[0])
    rows = rows[(rows == 1).any(axis=1) & (rows == 2).any(axis=1)]
    last_right = rows.shape[1] - 1 - np.argmax(rows[:, ::-1] == 1, axis=1)
    first_left = np.argmax(rows == 2, axis=1)
    assert np.min(first_left - last_right) * adult.lungs.geometry.spacing[0] > 5


@pytest.mark.parametrize(("seed", "options"), [(0, {"spacing": (1.5, 1.5, 1.5)}), (1, SMALL), (2, SMALL)])
def test_thresholding_finds_the_lungs_through_the_airways(seed, options):
    phantom = thorax(seed, **options)
    found, truth = segment_classical(phantom.ct.array), phantom.lungs.array > 0
    assert 2 * np.sum(found & truth) / (found.sum() + truth.sum()) > 0.97


@pytest.mark.parametrize("shares", [(0.02, 0.01), (0.3, 0.1), (0.0, 0.2), (0.5, 0.5)])
def test_opacities_have_the_share_and_the_density_asked_for(shares):
    phantom = thorax(5, ground_glass=shares[0], consolidation=shares[1], **SMALL)
    ct, lungs, opacities = phantom.ct.array, phantom.lungs.array > 0, phantom.opacities.array
    assert not opacities[~lungs].any()
    for label, share, low, high in ((1, shares[0], -620, -350), (2, shares[1], -60, 50)):
        assert np.sum(opacities == label) == pytest.approx(share * lungs.sum(), rel=0.12)
        if share:
            assert low < np.median(ct[opacities == label]) < high
    if sum(shares) < 1:
        z, y, _ = np.nonzero(opacities)
        all_z, all_y, _ = np.nonzero(lungs)
        assert z.mean() < all_z.mean() and y.mean() > all_y.mean(), "basal and posterior"


@pytest.mark.parametrize("spacing", [(0.9, 1.1, 3.0), (3.0, 2.0, 1.5)])
def test_grid_is_the_one_asked_for_and_centred(spacing):
    grid = thorax(0, spacing=spacing, size=0.5).ct.geometry
    assert grid.spacing == spacing and grid.direction == (1, 0, 0, 0, 1, 0, 0, 0, 1)
    assert grid.extent == pytest.approx((200, 150, 175), abs=max(spacing))
    assert grid.origin[0] + (grid.size[0] - 1) / 2 * spacing[0] == pytest.approx(0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"ground_glass": -0.1},
        {"consolidation": 0.6},
        {"ground_glass": float("nan")},
        {"spacing": (1, 0, 1)},
        {"size": 0},
    ],
)
def test_what_cannot_be_made_is_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        thorax(**wrong)
