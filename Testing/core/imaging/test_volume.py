"""Geometry: masks come back to where they belong, however the CT lies."""

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import write_dicom
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.utils.errors import InputError
from support.data.orientations import flipped, turned


@pytest.mark.parametrize("axes", [(True, False, False), (False, True, True), (True, True, True)])
def test_flipped_volume_is_worked_on_as_the_straight_one(phantom, axes):
    straight = to_working_grid(phantom.ct)
    other = to_working_grid(flipped(phantom.ct, axes))
    assert other.geometry.direction == straight.geometry.direction
    np.testing.assert_allclose(other.geometry.origin, straight.geometry.origin)
    np.testing.assert_array_equal(other.array, straight.array)


def test_volume_stored_coronal_is_worked_on_in_axial_slices(phantom):
    coronal = Volume.from_image(sitk.PermuteAxes(phantom.ct.to_image(), (0, 2, 1)))
    np.testing.assert_array_equal(to_working_grid(coronal).array, to_working_grid(phantom.ct).array)


@pytest.mark.parametrize("spacing", [(0.9, 0.8, 0.6), (1.3, 0.7, 1.25), (0.9, 0.7, 5.0)])
@pytest.mark.parametrize("degrees", [0, 17])
def test_working_grid_is_what_simpleitk_makes_of_it(spacing, degrees):
    noise = np.random.default_rng(7).integers(-1500, 3500, (183, 29, 37)).astype(np.int16)
    ct = turned(Volume(noise, Geometry(noise.shape[::-1], spacing, (-31.7, 12.3, -456.789))), degrees)
    found = to_working_grid(ct)
    image = sitk.Clamp(ct.to_image(), sitk.sitkFloat64, -1024, 3071)
    size = [round(n * s) for n, s in zip(image.GetSize(), spacing, strict=True)]
    whole = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkBSpline, image.GetOrigin(), (1, 1, 1), image.GetDirection(),
        useNearestNeighborExtrapolator=True,
    )  # fmt: skip
    np.testing.assert_array_equal(found.array, np.rint(sitk.GetArrayFromImage(whole)))
    assert found.geometry == Geometry.of(whole)


def test_labels_return_to_an_oblique_and_flipped_ct(phantom):
    ct = flipped(turned(phantom.ct, 17), (True, False, True))
    lungs = flipped(turned(phantom.lungs, 17), (True, False, True))
    working = to_working_grid(ct)
    back = labels_on(labels_on(lungs, working.geometry), ct.geometry)
    assert back.geometry == ct.geometry
    inside, truth = back.array > 0, lungs.array > 0
    # Nearest neighbour moves a boundary by less than half a voxel.
    assert 2 * (inside & truth).sum() / (inside.sum() + truth.sum()) > 0.98
    # A point of the patient has the same density before and after.
    before, after = ct.to_image(), working.to_image()
    rng = np.random.default_rng(0)
    spots = [tuple(int(rng.integers(5, n - 5)) for n in ct.geometry.size) for _ in range(2000)]
    points = [before.TransformIndexToPhysicalPoint(spot) for spot in spots]
    pairs = [
        (before[spot], after[after.TransformPhysicalPointToIndex(p)]) for spot, p in zip(spots, points, strict=True)
    ]
    assert np.corrcoef(np.array(pairs).T)[0, 1] > 0.97


def test_working_grid_of_the_real_ct_is_that_of_its_reference(real_ct):
    working = to_working_grid(read_ct(real_ct / "lung1_image.nrrd"))
    assert working.geometry == read_mask(real_ct / "lung1_reference_lung.nrrd").geometry
    assert working.array.dtype == np.int16


@pytest.mark.parametrize("suffix", [".nrrd", ".nii.gz", ".mha"])
def test_formats_agree(phantom, tmp_path, suffix):
    ct = turned(phantom.ct, 11)
    path = tmp_path / f"ct with blanks ä{suffix}"
    sitk.WriteImage(ct.to_image(), str(path))
    read = read_ct(path)
    np.testing.assert_array_equal(read.array, ct.array)
    np.testing.assert_allclose(read.geometry.direction, ct.geometry.direction, atol=1e-6)
    np.testing.assert_allclose(read.geometry.origin, ct.geometry.origin, atol=1e-3)


def test_dicom_series_agrees_with_the_volume(phantom, tmp_path):
    ct = turned(phantom.ct, 11)
    folder = write_dicom(ct, tmp_path / "study")
    (folder / "notes.txt").write_text("not a slice")
    read = read_ct(folder)
    np.testing.assert_array_equal(read.array, ct.array)
    np.testing.assert_allclose(read.geometry.direction, ct.geometry.direction, atol=1e-5)
    np.testing.assert_allclose(read.geometry.spacing, ct.geometry.spacing, atol=1e-4)


def test_one_of_several_series_is_chosen(phantom, tmp_path):
    folder = write_dicom(phantom.ct, tmp_path / "study", series="1.2.3.1")
    darker = phantom.ct.with_array(np.maximum(phantom.ct.array - 50, -1024))
    write_dicom(darker, folder, series="1.2.3.2", SeriesDescription="Lung kernel")
    with pytest.raises(InputError, match=r"2 series.*1\.2\.3\.1.*1\.2\.3\.2 \(Lung kernel"):
        read_ct(folder)
    np.testing.assert_array_equal(read_ct(folder, "1.2.3.2").array, darker.array)


def test_segmentation_beside_the_ct_is_no_second_series(phantom, tmp_path):
    folder = write_dicom(phantom.ct, tmp_path / "study", series="1.2.3.1")
    write_dicom(phantom.ct, folder, series="1.2.3.9", Modality="SEG")
    np.testing.assert_array_equal(read_ct(folder).array, phantom.ct.array)
