"""Follow-up of the real CT: nothing changes with its position, and planted opacities are found with their share."""

import numpy as np
import pytest
from conftest import write
from COVIDMTLLib.follow.change import INCREASED, NO_CHANGE
from COVIDMTLLib.follow.job import follow
from COVIDMTLLib.follow.scans import sources
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import labels_on, to_working_grid
from COVIDMTLLib.utils.progress import silent
from support.data.orientations import moved
from support.data.planted_opacities import plant

AMOUNT = 0.1


@pytest.mark.slow
def test_planted_ground_glass_is_a_change_and_another_position_is_none(real_ct, tmp_path):
    ct = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    lungs = labels_on(read_mask(real_ct / "lung1_reference_lung.nrrd"), ct.geometry)
    tumour = labels_on(read_mask(real_ct / "lung1_tumour.nrrd"), ct.geometry).array > 0
    planted, opacities = plant(ct, lungs, "ground-glass", AMOUNT, seed=131)
    late = moved(planted, degrees=-4, mm=(5, 7, -2), scale=0.97, spacing=(1, 1, 4))
    cts = {"early": ct, "same": moved(ct, degrees=5, mm=(8, -6, 2)), "late": late}
    files = [write(volume, tmp_path / f"{name}.nrrd") for name, volume in cts.items()]
    result = follow(sources(files), tmp_path, progress=silent)
    same, _, late = (one["measures"] for one in result["changes"])
    assert same["both_opacity_share"]["verdict"] == same["score"]["verdict"] == NO_CHANGE
    assert same["both_lung_ml"]["verdict"] == NO_CHANGE
    lung = lungs.array > 0
    truth = np.count_nonzero(opacities.array.astype(bool) & ~tumour) / np.count_nonzero(lung)
    found = late["both_opacity_share"]
    assert found["verdict"] == INCREASED and found["low"] < truth < found["high"]
    assert abs(found["change"] - truth) < 0.03
    assert late["both_high_opacity_share"]["verdict"] == NO_CHANGE
    for one in result["registrations"]:
        assert one["dice"] > max(0.95, one["dice_before"] + 0.03) and one["surface_distance_mm"] < 1.5
    assert any("4.0 mm in late.nrrd" in text for text in result["warnings"])
