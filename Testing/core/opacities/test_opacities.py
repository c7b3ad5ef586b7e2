"""Opacities in the lungs: found, and measured, on the real CT and on synthetic ones."""

import json

import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.measurements.overlap import overlap
from COVIDMTLLib.opacities import GROUND_GLASS, find_opacities, in_words, measure_opacities, warnings
from COVIDMTLLib.opacities.measures import ZONES, score_of, zones_of
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.reports.cohort_densities import GROUPS, PERCENTILES, RANGES, draw_ranges
from COVIDMTLLib.reports.opacity_figures import densities, density_histogram
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter
from support.data.planted_opacities import plant


@pytest.fixture(scope="module")
def patient(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    lungs = labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), ct.geometry)
    tumour = labels_on(read_mask(real_ct / "lung1_tumour.nrrd"), ct.geometry)
    middle = lungs.array.shape[2] // 2
    sides = lungs.array.astype(np.uint8)
    sides[..., middle:] *= 2
    return ct, ct.with_array(sides), tumour.array > 0


def found_in(ct, lungs):
    return find_opacities(ct, lungs).labels.array > 0


def test_vessels_airways_and_boundary_are_no_opacities(patient):
    ct, lungs, tumour = patient
    found = found_in(ct, lungs)
    of_lung = np.count_nonzero(lungs.array)
    assert np.count_nonzero(found & ~tumour) < 0.0045 * of_lung
    # A threshold takes them in; the tumour is found.
    assert np.count_nonzero((lungs.array > 0) & (ct.array > -700)) > 0.1 * of_lung
    assert np.count_nonzero(found & tumour) > 0.5 * np.count_nonzero(tumour & (lungs.array > 0))


def test_a_thick_vessel_is_no_opacity_and_a_nodule_is_one():
    z, y, x = np.indices((100, 100, 160), np.float32)
    inside = ((z > 5) & (z < 95) & (y > 5) & (y < 95) & (x > 5) & (x < 155)).astype(np.uint8)
    vessel, nodule = np.hypot(y - 50 - 8 * np.sin(z / 20), x - 40) <= 5, np.hypot(np.hypot(z - 50, y - 50), x - 75) <= 8
    hu = gaussian_filter(np.where(inside & ~(vessel | nodule), -870, 40).astype(np.float32), 0.7)
    ct = Volume(hu + np.random.default_rng(0).normal(0, 20, hu.shape), Geometry(hu.shape[::-1]))
    found = found_in(ct, ct.with_array(inside))
    assert np.mean(found[nodule]) > 0.6
    assert np.mean(found[20:-20][vessel[20:-20]]) < 0.1


# Seeds are others than those that it was built with.
@pytest.mark.parametrize(
    ("kind", "amount", "dice"),
    [("ground-glass", 0.1, 0.85), ("crazy-paving", 0.2, 0.88), ("consolidation", 0.1, 0.88), ("mass", 0.1, 0.85)],
)
def test_planted_opacities_are_found_with_their_share(patient, kind, amount, dice):
    ct, lungs, _ = patient
    planted, opacities = plant(ct, lungs, kind, amount, seed=131)
    found = find_opacities(planted, lungs)
    assert overlap(found.labels.array > 0, opacities.array > 0)["dice"] >= dice
    both = measure_opacities(planted, lungs, found)["both"]
    assert both["opacity"]["share"] == pytest.approx(amount, abs=0.03)
    assert both["opacity"]["low"] <= both["opacity"]["share"] <= both["opacity"]["high"]
    dense = both["consolidation_ml"] / both["opacity_ml"]
    assert dense < 0.2 if kind in ("ground-glass", "crazy-paving") else dense > 0.6


def test_noise_and_thick_slices_hardly_change_the_share(patient):
    ct, lungs, _ = patient
    planted, _ = plant(ct, lungs, "white-lung", 0.2, seed=132)
    share = np.count_nonzero(found_in(planted, lungs)) / np.count_nonzero(lungs.array)
    noise = np.random.default_rng(0).normal(0, 60, ct.array.shape)
    noisy = planted.with_array((planted.array + noise).astype(np.int16))
    assert np.count_nonzero(found_in(noisy, lungs)) / np.count_nonzero(lungs.array) == pytest.approx(share, abs=0.03)
    thick = 5
    whole = len(planted.array) // thick * thick
    means = planted.array[:whole].reshape(-1, thick, *planted.array.shape[1:]).mean(axis=1).repeat(thick, axis=0)
    slices = planted.with_array(np.concatenate([means, planted.array[whole:]]).astype(np.int16))
    assert np.count_nonzero(found_in(slices, lungs)) / np.count_nonzero(lungs.array) == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.6, 1.6, 5.0)])
def test_phantom_with_and_without_opacities(spacing):
    shares = []
    for ground_glass, consolidation in ((0.0, 0.0), (0.1, 0.1)):
        phantom = thorax(7, ground_glass=ground_glass, consolidation=consolidation, spacing=spacing, size=0.6)
        ct = to_working_grid(phantom.ct)
        lungs, opacities = (labels_on(mask, ct.geometry) for mask in (phantom.lungs, phantom.opacities))
        found = find_opacities(ct, lungs)
        shares.append(measure_opacities(ct, lungs, found)["both"]["opacity"]["share"])
    assert shares[0] <= 0.005
    assert shares[1] == pytest.approx(0.2, abs=0.03)
    assert overlap(found.labels.array > 0, opacities.array > 0)["dice"] > 0.85


def made_up(*, right_only=False):
    """Two boxes of healthy lung in tissue with ground glass at the back of the lower third of the right one."""
    hu = np.full((90, 60, 120), 40, np.int16)
    labels = np.zeros(hu.shape, np.uint8)
    labels[:, 5:55, 5:55] = 1
    if not right_only:
        labels[:, 5:55, 65:115] = 2
    hu[labels > 0] = -870
    hu[:30, 35:55, 5:55] = -500
    grid = Geometry(hu.shape[::-1])
    return Volume(hu, grid), Volume(labels, grid)


def test_histogram_has_the_opacities_and_healthy_lung():
    phantom = thorax(7, ground_glass=0.15, consolidation=0.1, spacing=(1.6, 1.6, 2.0), size=0.48)
    ct = to_working_grid(phantom.ct)
    lungs = labels_on(phantom.lungs, ct.geometry)
    found = find_opacities(ct, lungs)
    measures = measure_opacities(ct, lungs, found)
    both, healthy = measures["both"], measures["healthy_hu"]
    (rest, glass, dense), edges = densities(ct, lungs, found.labels)
    assert glass.sum() == pytest.approx(both["ground_glass_ml"], rel=0.05)
    assert dense.sum() == pytest.approx(both["consolidation_ml"], rel=0.05)
    assert rest.sum() + glass.sum() + dense.sum() == pytest.approx(np.count_nonzero(lungs.array) / 1000, rel=0.05)
    assert abs(edges[rest.argmax()] + 10 - healthy) < 40 and edges[glass.argmax()] < -350 < -200 < edges[dense.argmax()]
    picture = density_histogram(ct, lungs, found.labels, healthy)
    assert picture.url.startswith("data:image/png") and picture.aspect == pytest.approx(1.8)
    with_cohort = density_histogram(ct, lungs, found.labels, healthy, dict.fromkeys(PERCENTILES, 200.0))
    assert with_cohort.aspect == pytest.approx(1.44)
    assert density_histogram(ct, lungs.with_array(np.zeros_like(lungs.array)), found.labels, None) is None


def test_ranges_of_the_cohort_and_the_percentiles_of_a_ct_are_drawn_in_hu():
    axes = Figure().subplots()
    draw_ranges(axes, {"10Percentile": 70.0, "Median": 150.0, "90Percentile": 500.0, "Mean": 240.0})
    dots = next(line for line in axes.lines if line.get_label() == "this CT")
    assert dots.get_xdata().tolist() == [-954, -874, -524]
    drawn = {bars.get_label(): np.array(bars.get_segments()) for bars in axes.collections}
    for group, (name, _) in GROUPS.items():
        own = [one for one in RANGES if one.covid_ct == group]
        assert drawn[name][:, :, 0].tolist() == [[one.low, one.high] for one in own]
        assert np.abs(drawn[name][:, 0, 1] - dots.get_ydata()).max() < 0.5  # each pair beside its dot
        assert all(-1000 < one.low < one.median < one.high < 0 for one in own)


def test_zones_sides_and_places():
    ct, lungs = made_up()
    found = find_opacities(ct, lungs)
    assert set(np.unique(found.labels.array)) == {0, GROUND_GLASS}
    measures = measure_opacities(ct, lungs, found)
    assert measures["right"]["opacity"]["share"] == pytest.approx(2 / 15, abs=0.02)
    assert measures["left"]["opacity_ml"] == 0
    scores = {name: zone["score"] for name, zone in measures["zones"].items()}
    assert scores == {name: 2 if name == "lower right" else 0 for name in ZONES}
    assert measures["score"]["sum"] == 2
    assert measures["score"]["of"] == 24
    assert measures["posterior"] == pytest.approx(1, abs=0.02)
    assert measures["both"]["high_opacity"]["share"] == 0
    assert "score 2 of 24" in in_words(measures)
    zones = zones_of(lungs.array)
    assert [np.count_nonzero(zones == number) for number in range(1, 7)] == [75000] * 6


def test_scores_are_of_quarters():
    assert [score_of(share) for share in (0, 0.01, 0.25, 0.26, 0.5, 0.6, 0.75, 0.8, 1)] == [0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_a_lung_that_is_not_there_has_no_share():
    ct, lungs = made_up(right_only=True)
    measures = measure_opacities(ct, lungs, find_opacities(ct, lungs))
    assert measures["left"]["opacity"] is None
    assert measures["zones"]["upper left"] == {"opacity": None, "score": None}
    assert measures["score"]["of"] == 12
    none = lungs.with_array(np.zeros_like(lungs.array))
    measures = measure_opacities(ct, none, find_opacities(ct, none))
    assert measures["both"]["opacity"] is None and measures["healthy_hu"] is None
    assert warnings(measures) == []


def test_gravity_dependent_density_is_told_of():
    ct, lungs = made_up()
    ct.array[lungs.array > 0] = -870
    ct.array[:, 47:55][lungs.array[:, 47:55] > 0] = -620
    measures = measure_opacities(ct, lungs, find_opacities(ct, lungs))
    assert "gravity-dependent" in warnings(measures)[0]
    ct.array[:, 47:55][lungs.array[:, 47:55] > 0] = 20
    assert warnings(measure_opacities(ct, lungs, find_opacities(ct, lungs))) == []


def test_command_writes_mask_and_measures(phantom, phantom_ct, tmp_path):
    mask = write(phantom.lungs, tmp_path / "lungs.nrrd")
    out, measures = tmp_path / "opacities.nrrd", tmp_path / "measures.json"
    arguments = ("opacities", phantom_ct, "--lungs", mask, "--out", out, "--measures", measures)
    for _ in range(2):  # what the program wrote may be replaced
        run = covid_mtl(*arguments)
        assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("Opacities ")
    found, written = json.loads(measures.read_text()), read_mask(out)
    assert written.geometry == phantom.ct.geometry
    volume = np.count_nonzero(written.array) * written.geometry.voxel_volume
    assert volume == pytest.approx(found["both"]["opacity_ml"], rel=0.05)
    again = covid_mtl("opacities", phantom_ct, "--lungs", mask, "--corrected", out, "--out", tmp_path / "again.nrrd")
    assert again.returncode == 0, again.stderr
    np.testing.assert_array_equal(read_mask(tmp_path / "again.nrrd").array, written.array)
    three = write(written.with_array(np.where(written.array > 0, 3, 0).astype(np.uint8)), tmp_path / "three.nrrd")
    refused = covid_mtl("opacities", phantom_ct, "--lungs", mask, "--corrected", three, "--out", out)
    assert refused.returncode == 2
    assert "labels 1 for ground glass and 2" in refused.stderr
    refused = covid_mtl("opacities", phantom_ct, "--out", tmp_path / "opacities.dcm")
    assert refused.returncode == 2
    assert "not written as DICOM" in refused.stderr
