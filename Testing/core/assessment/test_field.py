"""Inputs in the shape of public bug reports: every file of the folder ``field`` gives what its README says.

The table is of the files that are there; those of other kinds are made up in `test_studies` and `test_masks`.
"""

from pathlib import Path

import numpy as np
import pytest
from COVIDMTLLib.imaging.io.reader import read_study
from COVIDMTLLib.imaging.masks.reader import read_lungs
from COVIDMTLLib.imaging.volume import Volume, labels_on, to_working_grid
from COVIDMTLLib.segmentation import methods
from COVIDMTLLib.utils.errors import InputError

READ = [
    *("phantom.nrrd", "series_ok", "scout_other", "scout_same2", "dupall", "nouid", "pad63536"),
    *("enhanced/up", "enhanced/inter", "enhanced/pfd"),
    *("nii/notgz.nii.gz", "nii/gz.nii", "nii/n2.nii.gz", "nii/skew.nii.gz"),
    *("blank/phantom_top.nrrd", "blank/phantom_padded.nrrd"),
]
MOVED = ["nii/skew.nii.gz", "blank/phantom_padded.nrrd"]
"""Which lie elsewhere by their headers."""

REFUSED = {
    "noipp": "lacks positions or orientations of slices",
    "halfnorescale": "has slices that differ in rescale",
    "nops": "has no pixel spacing",
    "enhanced/gap": "has 10 missing slices",
    "nii/shear.nii.gz": "axes of shear.nii.gz are not at right angles",
    "nii/shear2.nii.gz": "axes of shear2.nii.gz are not at right angles",
    "nii/sflip.nii.gz": "sform and qform differ.* which side is left",
}
MASKS = [f"masks/{name}" for name in ("totalseg.nii.gz", "lobes.nii.gz", "layers.seg.nrrd", "noheader.nii.gz")]
NO_MASKS = {
    "masks/inverse.nrrd": "^The mask is not one of the lungs of this CT: .* outside the patient",
    "masks/infection_only.nii.gz": "^The mask is not one of the lungs of this CT: it leaves out",
}
REAL = "blank/lung1_lastblank.nrrd"

VOLUMES = {1: 242, 2: 211}
"""ml of the lungs of the phantom, right and left."""


def lungs_of(ct):
    return methods.segment(to_working_grid(ct), "classical")


def millilitres(lungs):
    return {label: np.count_nonzero(lungs.array == label) * lungs.geometry.voxel_volume for label in VOLUMES}


@pytest.fixture(scope="module")
def clean(field):
    """The phantom and its lungs as they are found."""
    ct = read_study(field / "phantom.nrrd").ct
    return ct, lungs_of(ct)


def test_there_is_nothing_else(field):
    known = {*READ, *REFUSED, *MASKS, *NO_MASKS, REAL, "README.md"}
    files = {path.relative_to(field) for path in field.rglob("*") if path.is_file()}
    assert {str(file) for file in files if not known & {str(file), *map(str, file.parents)}} == set()
    assert {name for name in known if not (field / name).exists()} == set()


@pytest.mark.parametrize("name", READ)
def test_read(name, field, clean):
    """The lungs are those of the phantom, voxel by voxel, with the sides as they are."""
    _, expected = clean
    study = read_study(field / name)
    assert study.warnings == []
    found = lungs_of(study.ct)
    if name not in MOVED:
        found = labels_on(found, expected.geometry)
        np.testing.assert_array_equal(found.array, expected.array)
    assert millilitres(found) == pytest.approx(millilitres(expected), rel=1e-3)
    assert millilitres(found) == pytest.approx(VOLUMES, rel=0.05)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, field):
    with pytest.raises(InputError, match=REFUSED[name]):
        read_study(field / name)


@pytest.mark.parametrize("name", MASKS)
def test_mask(name, field, clean):
    ct, _ = clean
    lungs = methods.given_lungs(read_lungs(field / name, ct).volume, to_working_grid(ct), Path(name).name)
    assert millilitres(lungs) == pytest.approx(VOLUMES, rel=0.01)


@pytest.mark.parametrize("name", NO_MASKS)
def test_no_mask_of_the_lungs(name, field, clean):
    ct, _ = clean
    with pytest.raises(InputError, match=NO_MASKS[name]):
        methods.given_lungs(read_lungs(field / name, ct).volume, to_working_grid(ct), Path(name).name)


def test_blank_slice_of_the_real_ct(field):
    """As without that slice."""
    ct = read_study(field / REAL).ct
    blank = [z for z, one in enumerate(ct.array) if one.min() == one.max()]
    assert blank == [len(ct.array) - 1]
    g = ct.geometry
    without = Volume(ct.array[:-1], type(g)((*g.size[:2], g.size[2] - 1), g.spacing, g.origin, g.direction))
    found = lungs_of(ct)
    np.testing.assert_array_equal(found.array, lungs_of(without).array)
    assert sum(millilitres(found).values()) == pytest.approx(2816, rel=0.02)
