"""The benchmark of lung segmentation: what is planted, what is measured, and the script from end to end."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from benchmarks import benchmark_lungs
from conftest import write
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.measurements.overlap import overlap
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.segmentation.methods import segment
from COVIDMTLLib.utils.errors import ImplausibleCT, InputError
from scipy import ndimage
from support.data.planted_opacities import KINDS, RIM, plant
from support.lung_measures import hausdorff_95, measure, summarise

DENSITIES = {
    "ground-glass": (-650, -450),
    "crazy-paving": (-600, -330),
    "consolidation": (-20, 50),
    "white-lung": (-150, 50),
    "mass": (20, 50),
}
"""HU within which the median of what was planted lies."""


@pytest.fixture(scope="module")
def healthy():
    """CT and lungs of a small synthetic thorax on the working grid."""
    made = thorax(4, spacing=(1.6, 1.6, 2.0), size=0.48)
    ct = to_working_grid(made.ct)
    return ct, labels_on(made.lungs, ct.geometry)


@pytest.fixture(scope="module", params=list(KINDS))
def planted(request, healthy):
    return request.param, *plant(*healthy, request.param, 0.25, 1)


def roughness(hu, where):
    """Robust deviation of what is finer than 2 mm."""
    fine = (hu - ndimage.gaussian_filter(hu.astype(np.float32), 2))[where]
    return 1.4826 * np.median(np.abs(fine - np.median(fine)))


def test_what_is_planted(healthy, planted):
    (before, lungs), (kind, after, opacities) = healthy, planted
    inside, where = lungs.array > 0, opacities.array > 0
    assert not np.any(where & ~inside)
    assert where.sum() == pytest.approx(0.25 * inside.sum(), rel=0.01)
    # Beyond the mask only what the CT shows as partly lung is changed, and that is filled, never emptied.
    changed = after.array != before.array
    beyond = changed & ~inside
    assert ndimage.distance_transform_edt(~inside)[beyond].max() <= RIM
    assert before.array[beyond].max() < -150
    # No vessel is changed, and densities are those of the kind.
    assert not np.any(changed & (before.array > 60))
    low, high = DENSITIES[kind]
    aerated = where & (before.array < -600)
    assert low < np.median(after.array[aerated]) < high
    assert np.mean(after.array[aerated] - before.array[aerated] > 100) > 0.93


@pytest.fixture(scope="module")
def patient(real_ct):
    """CT and lungs of a patient on the working grid, the noise of soft tissue and how deep and how far back lung is."""
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    lungs = labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), ct.geometry)
    smooth = ndimage.gaussian_filter(ct.array.astype(np.float32), 2)
    tissue = ndimage.binary_erosion((smooth > 0) & (smooth < 100) & (lungs.array == 0), iterations=4)
    depth = ndimage.distance_transform_edt(lungs.array)
    return ct, lungs, roughness(ct.array, tissue), depth


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "crazy-paving"])
def test_kinds_look_like_themselves_in_a_patient(patient, kind):
    before, lungs, noise, depth = patient
    after, opacities = plant(before, lungs, kind, 0.15, 2)
    inside, where = lungs.array > 0, opacities.array > 0
    aerated = where & (before.array < -600)
    deep = ndimage.binary_erosion(where, iterations=7) & aerated
    if kind == "ground-glass":
        assert depth[where].mean() < 0.75 * depth[inside].mean()
    elif kind == "consolidation":
        back = np.broadcast_to(np.arange(inside.shape[1])[:, None], inside.shape)
        assert back[where].mean() > back[inside].mean() + 20
        assert 0.002 < np.mean(after.array[deep] < -250) < 0.1  # air bronchograms
    elif kind == "white-lung":  # ground glass at the border, consolidation within
        assert np.mean(after.array[aerated] < -300) > 0.05 and np.mean(after.array[aerated] > -100) > 0.5
    else:
        sizes = np.bincount(ndimage.label(where)[0].ravel())[1:]
        assert 4e3 < sizes.max() < 2.5e5 and np.mean(after.array[deep] > -50) > 0.99
        assert roughness(after.array, deep) == pytest.approx(noise, rel=0.1)


def test_septa_are_what_crazy_paving_has_more_than_ground_glass(healthy):
    def spread(kind):
        after, opacities = plant(*healthy, kind, 0.25, 1)
        where = ndimage.binary_erosion(opacities.array > 0, iterations=3) & (healthy[0].array < -750)
        return roughness(after.array, where)

    assert spread("crazy-paving") > 1.3 * spread("ground-glass")


def test_a_seed_repeats_and_another_one_does_not(healthy):
    def arrays(seed, amount=0.1):
        return [volume.array for volume in plant(*healthy, "white-lung", amount, seed)]

    first, again, other = arrays(1), arrays(1), arrays(2)
    np.testing.assert_array_equal(first, again)
    assert overlap(first[1], other[1])["dice"] < 0.8
    nothing = arrays(1, 0.0)
    np.testing.assert_array_equal(nothing[0], healthy[0].array)
    assert not nothing[1].any()
    assert arrays(1, 0.6)[1].sum() == pytest.approx(0.6 * np.count_nonzero(healthy[1].array), rel=0.01)


def test_planting_refuses(healthy):
    ct, lungs = healthy
    for kind, amount, seed, sentence in (
        ("fog", 0.1, 1, "no kind fog"),
        ("mass", 0.7, 1, "0 to 0.6 of the lung, and 0.7 is not"),
        ("mass", 0.1, -1, "0 or more, and -1 is not"),
    ):
        with pytest.raises(InputError, match=sentence):
            plant(ct, lungs, kind, amount, seed)
    with pytest.raises(InputError, match="no aerated lung"):
        plant(ct, lungs.with_array((ct.array > 0).astype(np.uint8)), "mass", 0.1, 1)
    with pytest.raises(InputError, match="another grid"):
        plant(ct, Volume(lungs.array[1:], Geometry(lungs.array[1:].shape[::-1])), "mass", 0.1, 1)


def test_hausdorff_distance_of_shifted_boxes_is_the_shift():
    box = np.zeros((40, 40, 40), bool)
    box[8:28, 8:28, 8:28] = True
    for shift in (0, 1, 4):
        assert hausdorff_95(np.roll(box, shift, axis=2), box) == shift
    assert np.isnan(hausdorff_95(box, np.zeros_like(box)))
    # One voxel far away is less than 5 % of the surface.
    far = box.copy()
    far[0, 0, 0] = True
    assert hausdorff_95(far, box) == 0


def test_recall_and_summary():
    reference, opacities, predicted = np.zeros((3, 4, 4, 4), bool)
    reference[1:3], opacities[1], predicted[1, :3], predicted[2] = True, True, True, True
    assert measure(predicted, reference, opacities)["recall"] == 0.75
    assert np.isnan(measure(predicted, reference)["recall"])
    rows = [
        {"group": group, "method": "a", "error": error, "dice": dice, "precision": 1.0, "jaccard": np.nan, "mcc": 0.5,
         "recall": np.nan, "hd95": 1.0, "seconds": 2.0, "of_plain": np.nan}
        for group, dice, error in (("b", 0.9, ""), ("b", 0.7, "no lung"), ("a", 0.5, ""))
    ]  # fmt: skip
    summary = summarise(pd.DataFrame(rows))
    assert summary[["group", "cases", "failed"]].to_numpy().tolist() == [["b", 2, 1], ["a", 1, 0]]
    assert summary.loc[0, ["dice_mean", "dice_sd", "dice_worst"]].tolist() == pytest.approx([0.8, 0.02**0.5, 0.7])


def test_from_end_to_end(healthy, tmp_path, monkeypatch, capsys):
    ct, lungs = healthy
    write(ct, tmp_path / "in.nrrd").rename(tmp_path / "small_ct.nrrd")
    write(lungs, tmp_path / "small_lungs.nii.gz")
    monkeypatch.setattr(benchmark_lungs, "plain", lambda ct: lungs.array > 0)
    arguments = [tmp_path, "--out", tmp_path / "out", "--methods", "classical", "--kinds", "mass", "--amounts", "0.2"]
    monkeypatch.setattr(sys, "argv", ["benchmark_lungs", *map(str, arguments)])
    assert benchmark_lungs.main() == 0, capsys.readouterr().err
    table = pd.read_csv(tmp_path / "out" / "cases.csv")
    assert table.method.tolist() == ["plain-active-contour", "classical"] * 2
    assert table.group.tolist() == ["as it is"] * 2 + ["mass 0.2"] * 2
    masses, opacities = plant(ct, lungs, "mass", 0.2, 1)
    for row, shown in ((1, ct), (3, masses)):
        by_hand = overlap(segment(shown, "classical").array, lungs.array)
        assert table.loc[row, list(by_hand)].tolist() == pytest.approx(list(by_hand.values()))
    found = segment(masses, "classical").array[opacities.array > 0] > 0
    assert table.recall[3] == pytest.approx(found.mean()) and 0 < found.mean() < 0.9
    assert table.dice[2] == table.recall[2] == 1 and table.hd95[2] == 0
    np.testing.assert_allclose(table.of_plain[[1, 3]], table.seconds[[1, 3]] / table.seconds[[0, 2]].to_numpy())
    summary = (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    assert summary.splitlines()[5].startswith(f"| mass 0.2 | classical | 1 | 0 | {table.dice[3]:.3f} |")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "cases.csv", "summary.csv", "summary.md", "page-1.png"
    }  # fmt: skip


def test_a_method_that_fails_counts_as_having_found_nothing(healthy):
    def fails(ct):
        raise ImplausibleCT("There is no lung.")

    case = benchmark_lungs.Case("one", *healthy, None)
    (row,), _ = benchmark_lungs.run(case, {"fails": fails})
    assert (
        row["dice"] == 0 and np.isnan([row["precision"], row["seconds"]]).all() and row["error"] == "There is no lung."
    )


def test_bad_folders_end_with_a_sentence(tmp_path):
    def outcome(folder, *arguments):
        script = Path(benchmark_lungs.__file__)
        return subprocess.run(
            [sys.executable, script, folder, "--out", tmp_path / "out", *arguments], capture_output=True, text=True
        )

    lone, empty = tmp_path / "lone", tmp_path / "empty"
    lone.mkdir()
    empty.mkdir()
    (lone / "a_ct.nrrd").touch()
    for folder, sentence in (
        (tmp_path / "none", "There is no folder"),
        (empty, "holds no case"),
        (lone, "has no a_lungs to go with a_ct.nrrd"),
    ):
        run = outcome(folder)
        assert run.returncode == 2 and sentence in run.stderr and run.stderr.count("\n") == 1, run.stderr
    (lone / "a_lungs.nrrd").touch()
    run = outcome(lone, "--methods", "guess")
    assert run.returncode == 2 and "There is no method guess" in run.stderr
    assert not (tmp_path / "out").exists()
