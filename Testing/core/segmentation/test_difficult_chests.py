"""Chests that are hard to segment: the lungs are found all the same, or a sentence says what is wrong."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.assessment import jobs
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.follow.scans import measure
from COVIDMTLLib.imaging import ct_checks
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import labels_on, to_working_grid
from COVIDMTLLib.measurements.lung_quality import warn_of_lungs
from COVIDMTLLib.measurements.overlap import overlap
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.segmentation import plausibility
from COVIDMTLLib.segmentation.methods import segment
from COVIDMTLLib.segmentation.robust.orientation import warn_of_orientation
from COVIDMTLLib.utils.errors import ImplausibleCT
from COVIDMTLLib.utils.progress import silent
from support.data.difficult_chests import difficult, in_slices
from support.models.bright_model import write_bright_model


@pytest.fixture(scope="module")
def patient(real_ct):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    return ct, labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), ct.geometry)


@pytest.fixture(scope="module")
def synthetic():
    phantom = thorax(6, spacing=(1.6, 1.6, 2.0), size=0.7)
    ct = to_working_grid(phantom.ct)
    return ct, labels_on(phantom.lungs, ct.geometry)


def found_in(ct, lungs):
    """The lungs that are found: Dice of each that there is, precision of both, and the warnings."""
    found = segment(ct, "robust")
    sides = [overlap(found.array == side, lungs.array == side)["dice"] for side in np.unique(lungs.array)[1:]]
    return min(sides), overlap(found.array, lungs.array)["precision"], warn_of_lungs(ct, found)


HANDLED = {
    # kind: Dice of the worse lung, precision, and what the warnings say; the last two are warned of rather than found
    "effusion": (0.929, 0.96, ["pleural effusion", "lung is dense"]),
    "emphysema": (0.96, 0.96, ["gas without lung", "as with emphysema"]),
    "one lung missing": (0.96, 0.96, ["lung was found"]),
    "arms down": (0.96, 0.96, []),
    "cut at the top": (0.95, 0.95, ["top slice"]),
    "pneumothorax": (0.6, 0.7, ["pneumothorax"]),
    "collapsed lower lobes": (0.9, 0.92, ["lung is dense"]),
}


@pytest.mark.parametrize("kind", HANDLED)
def test_lungs_are_found_or_warned_of(kind, synthetic):
    dice, precision, told = HANDLED[kind]
    ct, lungs = difficult(*synthetic, kind, seed=4)
    worse, found, warnings = found_in(ct, lungs)
    assert worse >= dice and found >= precision
    for words in told:
        assert any(words in warning for warning in warnings), warnings
    assert all(any(words in warning for words in told) for warning in warnings), warnings


def test_slices_of_any_thickness_and_no_false_alarm(synthetic):
    ct, lungs = synthetic
    for thickness in (0.6, 5.0):
        working = to_working_grid(in_slices(ct, thickness))
        worse, precision, warnings = found_in(working, labels_on(lungs, working.geometry))
        assert worse >= 0.96 and precision >= 0.96 and warnings == []
    assert "5.0 mm apart" in ct_checks.warn_about(in_slices(ct, 5.0))[0]


def test_lung_that_touches_the_side_of_the_real_ct(patient):
    """The real CT, which ends in the bases, is warned of nothing else."""
    ct, lungs = patient
    whole = found_in(ct, difficult(ct, lungs, "as it is")[1])
    assert len(whole[2]) == 1 and "bottom slice" in whole[2][0]
    worse, precision, warnings = found_in(*difficult(ct, lungs, "cut at the side"))
    assert worse >= 0.98 and precision >= 0.97
    assert len(warnings) == 2 and "touch the side of the image" in warnings[1]


def test_slab_of_a_large_patient_is_a_part_of_a_chest():
    """In expiration lungs take little of the chest, so that they do not seem to be cut through their midst."""
    ct = np.full((90, 120, 160), 40, np.int16)
    lungs = np.zeros(ct.shape, np.uint8)
    lungs[:, 40:70, 25:50], lungs[:, 40:70, 110:135] = 1, 2
    ct[lungs > 0] = -750
    assert "only a part of a chest, 90 mm of it" in plausibility.no_verdict(lungs, ct)
    lungs[-20:] = 0  # the apices are shown whole, and the bases are not
    assert plausibility.no_verdict(lungs, ct)
    lungs[:20] = 0
    assert plausibility.no_verdict(lungs, ct) is None


@pytest.mark.parametrize(
    ("axes", "words"), [((0,), "head end lies below"), ((1,), "front lies behind"), ((0, 1), "and")]
)
def test_ct_that_has_lost_its_orientation_is_segmented_upright_and_warned_of(synthetic, axes, words):
    ct, lungs = synthetic
    mirrored = ct.with_array(np.ascontiguousarray(np.flip(ct.array, axes)))
    chest = plausibility.check_field_of_view(mirrored)
    [warning] = warn_of_orientation(chest, "ct.nrrd")
    assert words in warning and "right and left may be exchanged" in warning
    found = segment(mirrored, "robust", chest=chest).array
    assert overlap(np.flip(found, axes), lungs.array)["dice"] > 0.97
    assert warn_of_orientation(plausibility.check_field_of_view(ct)) == []


def test_every_job_that_finds_lungs_warns_of_a_lost_orientation(phantom, tmp_path):
    mirrored = phantom.ct.with_array(np.ascontiguousarray(phantom.ct.array[:, ::-1]))
    path, out = write(mirrored, tmp_path / "ct.nrrd"), tmp_path / "mask.nrrd"
    model = write_bright_model(tmp_path / "model")
    found = SimpleNamespace(name="ct.nrrd", ct=mirrored, lungs=None, warnings=[])
    told = {
        "segment": jobs.segment(path, out, jobs.LungOptions(), progress=silent)["warnings"],
        "opacities": jobs.opacities(path, out, jobs.OpacityOptions(), progress=silent)["warnings"],
        "follow": measure(found, lambda share: None).warnings,
        "assess": assess(path, model=model).result["warnings"],
    }
    # Where a mask is given the lungs are not looked for, and the CT may have lost its orientation all the same.
    lungs = mirrored.with_array(np.ascontiguousarray(phantom.lungs.array[:, ::-1]))
    mask = write(lungs, tmp_path / "lungs.nrrd")
    given = SimpleNamespace(name="ct.nrrd", ct=mirrored, lungs=lungs, warnings=[])
    told |= {
        "opacities in a mask": jobs.opacities(path, out, jobs.OpacityOptions(lungs=mask), progress=silent)["warnings"],
        "follow with a mask": measure(given, lambda share: None).warnings,
        "assess with a mask": assess(path, lungs=mask, model=model).result["warnings"],
    }
    assert [job for job, warnings in told.items() if not any("front lies behind" in one for one in warnings)] == []


def test_end_is_not_cut_because_dense_lung_is_not_found(patient):
    """Dense lung that no mask shows makes the slices with most lung small, not the CT too short."""
    ct, lungs = patient
    base = np.flatnonzero(lungs.array.any(axis=(1, 2)))[0]
    aerated = lungs.array.copy()
    aerated[base + 12 :, 150:] = 0  # all that lies at the back, but for the base
    dense = ct.with_array(np.where((lungs.array > 0) & (aerated == 0), np.int16(40), ct.array))
    areas = np.count_nonzero(aerated, axis=(1, 2))
    assert areas[0] > plausibility.MAX_END_AREA * areas.max()
    assert "bottom slice" in plausibility.check_lungs(aerated, dense.array)[0]
    with pytest.raises(ImplausibleCT, match="at the bottom"):
        plausibility.check_lungs(lungs.array[base + 40 :], ct.array[base + 40 :])


def test_command_and_panel_are_told(synthetic, tmp_path):
    ct, _ = difficult(*synthetic, "one lung missing", seed=4)
    files = ["--out", tmp_path / "lungs.nrrd", "--measures", tmp_path / "measures.json"]
    run = covid_mtl("segment", write(ct, tmp_path / "ct.nrrd"), *files, "--method", "classical", "--progress", "none")
    warnings = json.loads((tmp_path / "measures.json").read_text())["warnings"]
    assert len(warnings) == 1 and "lung was found" in warnings[0]
    assert run.stderr.splitlines() == [f"Warning: {warnings[0]}"]
    assert len(np.unique(read_mask(tmp_path / "lungs.nrrd").array)) == 2
