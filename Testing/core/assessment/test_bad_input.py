"""Every kind of bad input gets its sentence, exit code 2 and an empty output folder."""

import bz2
import json
import os
import re
import shutil
import zipfile

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib.imaging.volume import Geometry, Volume
from fuzzing.odd_inputs.image_files import write_meta, write_nrrd
from support.data.dicom_studies import write_frames
from support.models.bright_model import write_bright_model


def changed(make):
    """An input made by changing the array of the phantom."""

    def build(phantom, folder):
        return write(phantom.ct.with_array(make(phantom.ct.array)), folder / "ct.nrrd")

    return build


def cropped(*box):
    def build(phantom, folder):
        array = np.ascontiguousarray(phantom.ct.array[box])
        return write(Volume(array, Geometry(array.shape[::-1], phantom.ct.geometry.spacing)), folder / "ct.nrrd")

    return build


def series(**changes):
    return lambda phantom, folder: write_dicom(phantom.ct, folder / "study", **changes)


def four_dimensional(phantom, folder):
    image = sitk.JoinSeries([phantom.ct.to_image()] * 2)
    sitk.WriteImage(image, str(folder / "ct.nii.gz"))
    return folder / "ct.nii.gz"


def flat(phantom, folder):
    sitk.WriteImage(phantom.ct.to_image()[:, :, 40], str(folder / "ct.mha"))
    return folder / "ct.mha"


def colour(phantom, folder):
    sitk.WriteImage(sitk.Compose([phantom.ct.to_image()] * 3), str(folder / "ct.nrrd"))
    return folder / "ct.nrrd"


def truncated(phantom, folder):
    path = write(phantom.ct, folder / "ct.nrrd")
    path.write_bytes(path.read_bytes()[:50_000])
    return path


def with_value(value):
    def make(array):
        array = array.astype(np.float32)
        array[20, 30, 40] = value
        return array

    return changed(make)


def header(write_it=write_meta, **said):
    """A file whose header says something else than is so."""
    suffix = {write_meta: ".mha", write_nrrd: ".nrrd"}[write_it]
    return lambda phantom, folder: write_it(folder / f"ct{suffix}", phantom.ct.array, phantom.ct.geometry, **said)


def elsewhere(phantom, folder):
    os.mkfifo(folder / "pipe.raw")
    return header(packed=False, ElementDataFile="pipe.raw")(phantom, folder)


def short_nifti(name, end):
    def build(phantom, folder):
        path = write(phantom.ct, folder / name)
        path.write_bytes(path.read_bytes()[:end])
        return path

    return build


def shorter_than_it_says(phantom, folder):
    """Compressed data that are whole, and of fewer slices than the header says."""
    size = phantom.ct.geometry.size
    return header(write_nrrd, sizes=f"{size[0]} {size[1]} {size[2] + 5}")(phantom, folder)


def element_beyond_the_end(phantom, folder):
    """A slice of a few kilobytes of which GDCM would take 3 GB."""
    slices = series()(phantom, folder)
    path = min(slices.iterdir())
    content = bytearray(path.read_bytes())
    length = content.index(b"\2\0\1\0OB\0\0") + 8
    content[length : length + 4] = (0xC4000000).to_bytes(4, "little")
    path.write_bytes(content)
    return slices


def name_of_an_old_system(phantom, folder):
    return write(phantom.ct, folder / "ct.nrrd").rename(folder / os.fsdecode(b"gr\xf6\xdfer.nrrd"))


def complex_numbers(phantom, folder):
    real = sitk.Cast(phantom.ct.to_image(), sitk.sitkFloat32)
    sitk.WriteImage(sitk.RealAndImaginaryToComplex(real, real), str(folder / "ct.nrrd"))
    return folder / "ct.nrrd"


def nan_in_nifti(phantom, folder):
    array = phantom.ct.array.astype(np.float32)
    array[20, 30, 40] = np.nan
    return write(phantom.ct.with_array(array), folder / "ct.nii.gz")


def magnetic_resonance(array):
    """Bright fat, darker muscle, dark lung and air: what MR makes of a thorax."""
    return np.interp(array, [-1000, -900, -150, -50, 50, 300], [5, 20, 60, 600, 250, 40]).astype(np.int16)


def no_lung(array):
    return np.where(array < -300, np.int16(40), array) - np.where(np.indices(array.shape)[2] < 12, 1040, 0).astype(
        np.int16
    )


def without_slices(*numbers):
    def build(phantom, folder):
        write_dicom(phantom.ct, folder / "study")
        for z in numbers:
            next((folder / "study").glob(f"{(z * 7919) % 10007:05d}-*.dcm")).unlink()
        return folder / "study"

    return build


def uneven_positions(z):
    return [0.0, 0.0, 2.0 * z + (0.8 if z > 30 else 0.0)]


def two_series(phantom, folder):
    write_dicom(phantom.ct, folder / "study", series="1.2.3.1")
    brighter = phantom.ct.with_array(phantom.ct.array + 1)
    return write_dicom(brighter, folder / "study", series="1.2.3.2")


def two_phases(phantom, folder):
    """Of equal sizes, in one series, whose instances are numbered one phase after the other."""
    write_dicom(phantom.ct, folder / "study", AcquisitionNumber=1)
    brighter = phantom.ct.with_array(phantom.ct.array + 1)
    for path in write_dicom(brighter, folder / "other", AcquisitionNumber=2).iterdir():
        path.rename(folder / "study" / f"2{path.name}")
    return folder / "study"


def frames(**changes):
    return lambda phantom, folder: write_frames(phantom.ct, folder / "study.dcm", **changes)


def ends_early(phantom, folder):
    """By less than its header is long."""
    study = write_dicom(phantom.ct, folder / "study")
    path = min(study.iterdir())
    path.write_bytes(path.read_bytes()[:-200])
    return study


def frames_of_old(phantom, folder):
    """Many frames in a file whose header has one place for all of them."""
    data = pydicom.dcmread(min(write_dicom(phantom.ct, folder / "study").iterdir()))
    data.NumberOfFrames = len(phantom.ct.array)
    data.PixelData = (phantom.ct.array.astype(np.int32) + 1024).astype(np.uint16).tobytes()
    data.save_as(folder / "study.dcm")
    return folder / "study.dcm"


def packed_otherwise(phantom, folder):
    path = folder / "ct.nii.bz2"
    path.write_bytes(bz2.compress(write(phantom.ct, folder / "ct.nii").read_bytes()))
    return path


def two_images(phantom, folder):
    (folder / "cts").mkdir()
    for name in "ab":
        write(phantom.ct, folder / "cts" / f"{name}.nrrd")
    return folder / "cts"


def archive_in_archive(phantom, folder):
    shutil.make_archive(str(folder / "inner"), "zip", write_dicom(phantom.ct, folder / "study"))
    with zipfile.ZipFile(folder / "outer.zip", "w") as outer:
        outer.write(folder / "inner.zip", "inner.zip")
    return folder / "outer.zip"


def empty_folder(phantom, folder):
    (folder / "study").mkdir()
    return folder / "study"


def wrong_spacing(phantom, folder):
    return write(Volume(phantom.ct.array, Geometry(phantom.ct.geometry.size, (80.0, 80.0, 80.0))), folder / "ct.nrrd")


everything = slice(None)

BAD_CTS = {
    "no such file": (lambda phantom, folder: folder / "ct.nrrd", "There is no file or folder"),
    "no image": (lambda phantom, folder: text(folder / "ct.nrrd"), "cannot be read as an image"),
    "truncated": (truncated, "its data end early"),
    "2D": (flat, "not 3D: it is a 2D image"),
    "4D": (four_dimensional, "not 3D: it is a 4D image"),
    "colour": (colour, "not 3D: it is a colour or vector image"),
    "truncated NIfTI": (short_nifti("ct.nii", -1000), "fewer values than its header says"),
    "truncated compressed NIfTI": (short_nifti("ct.nii.gz", -10), "its data end early"),
    "fewer values than it says": (shorter_than_it_says, "fewer values than its header says"),
    "not compressed as it says": (header(packed=False, CompressedData=True), "its data cannot be unpacked"),
    "endless size": (header(DimSize="60000 45000 39000"), "more than any CT"),
    "300 dimensions": (header(NDims=300), "300 dimensions"),
    "no dimensions": (header(NDims=-1), "-1 dimensions"),
    "skew axes": (header(TransformMatrix="1 .5 0 0 1 0 0 0 1"), "are not at right angles"),
    "stretched axes": (header(TransformMatrix="1.004 0 0 0 1 0 0 0 1"), "are not at right angles"),
    "far away": (header(Offset="1e30 0 0"), "lies nowhere near a patient"),
    "data in a pipe": (elsewhere, "are in pipe.raw, which is no file"),
    "data in a format of C": (header(packed=False, ElementDataFile="%s%n"), "in files that its header does not name"),
    "data in no file of a list": (header(packed=False, ElementDataFile="LIST 2"), "fewer values than its header says"),
    "data that are not there": (header(packed=False, ElementDataFile="x.raw"), "are in x.raw, which is no file"),
    "name of an old system": (name_of_an_old_system, "no UTF-8; rename it"),
    "complex numbers": (complex_numbers, "it is a complex image"),
    "DICOM element beyond the end": (element_beyond_the_end, "an element of it is longer than the file"),
    "pixels missing in DICOM": (series(PixelData=bytes(100)), "holds fewer pixels than its header says"),
    "colour DICOM": (series(SamplesPerPixel=3, PhotometricInterpretation="RGB", Rows=32), "colour or vector image"),
    "NaN": (with_value(np.nan), "NaN or infinite values"),
    "NaN in NIfTI": (nan_in_nifti, "NaN or infinite values"),
    "infinite": (with_value(np.inf), "NaN or infinite values"),
    "MR": (changed(magnetic_resonance), "no CT in HU: it has no negative values"),
    "MR by its header": (series(Modality="MR"), "modality MR"),
    "mask": (changed(lambda array: (array < -500).astype(np.int16)), "looks like a mask"),
    "stored values": (changed(lambda array: array + 1024), "stored values, not HU"),
    "DICOM without rescale": (series(RescaleIntercept=0), "stored values, not HU"),
    "scaled to 0..1": (changed(lambda array: (array + 1024) / np.float32(4095)), "no negative values"),
    "no lung": (changed(no_lung), "shows no chest"),
    "fewer than 20 slices": (cropped(slice(30, 49)), "19 axial slices, and at least 20"),
    "cut at the side": (cropped(everything, everything, slice(50, None)), "cuts the lungs at the sides"),
    "cut at the front": (cropped(everything, slice(45, None)), "cuts the lungs at the sides"),
    "wrong spacing": (wrong_spacing, "correct the voxel spacing"),
    "missing slices": (without_slices(20, 21, 40), "3 missing slices"),
    "uneven spacing": (series(ImagePositionPatient=uneven_positions), "spacing differs within the series"),
    "unequal pixels": (series(PixelSpacing=lambda z: [1.6, 1.6 + 0.1 * (z == 7)]), "spacing differs within the series"),
    "tilted gantry": (series(ImagePositionPatient=lambda z: [0.0, 0.6 * z, 2.0 * z]), "tilted gantry"),
    "slices twice": (
        series(ImagePositionPatient=lambda z: [0.0, 0.0, 2.0 * (z // 2)]),
        "several slices at one position",
    ),
    "a slice out of its place": (
        series(ImagePositionPatient=lambda z: [0.0, 0.0, 2.0 * z if z != 40 else 0.0]),
        "several slices at one position",
    ),
    "a slice shifted sideways": (
        series(ImagePositionPatient=lambda z: [30.0 * (z == 20), 0.0, 2.0 * z]),
        "has slices shifted sideways",
    ),
    "places as whole mm": (
        series(ImagePositionPatient=lambda z: [0.0, 0.0, float(round(1.25 * z))], SliceThickness=1.25),
        "slices at uneven places",
    ),
    "pixels that end early in DICOM": (ends_early, "an element of it is longer than the file"),
    "frames without places of their own": (frames_of_old, "lacks positions or orientations"),
    "packed otherwise": (packed_otherwise, "ct.nii.bz2 is packed in a way that is not read here"),
    "several images in a folder": (two_images, "cts holds 2 images, a.nrrd, b.nrrd; give one of them"),
    "an archive in an archive": (archive_in_archive, "outer.zip holds an archive, inner.zip"),
    "rescale of some slices": (series(RescaleSlope=lambda z: 1 + (z > 20)), "differ in rescale"),
    "no positions": (series(ImagePositionPatient=None), "lacks positions or orientations"),
    "no pixel spacing": (series(PixelSpacing=None), "has no pixel spacing"),
    "missing frames": (frames(frames=[*range(20), *range(25, 50)]), "5 missing slices"),
    "frames in no place": (frames(frames=range(40), position=False), "lacks positions or orientations"),
    "two phases": (two_phases, "holds 2 series that would do as well; choose one with --series"),
    "several series": (two_series, "column series of a table of cases: 1.2.3.1 (Thorax"),
    "no DICOM in folder": (empty_folder, "holds no DICOM image"),
}


def text(path):
    path.write_text("not an image")
    return path


def assert_refused(run, sentence, out):
    assert run.returncode == 2, run.stderr
    assert sentence in run.stderr
    (message,) = [line for line in run.stderr.splitlines() if not re.match(r" *\d+ % ", line)]
    assert message.startswith("covid-mtl: ") and message.endswith(".")
    assert "Traceback" not in run.stderr + run.stdout
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("kind", BAD_CTS)
def test_bad_ct(kind, larger_phantom, tmp_path):
    build, sentence = BAD_CTS[kind]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    run = covid_mtl("assess", build(larger_phantom, tmp_path / "in"), "--out", tmp_path / "out")
    assert_refused(run, sentence, tmp_path / "out")


def shifted(phantom, folder):
    geometry = phantom.lungs.geometry
    away = Geometry(geometry.size, geometry.spacing, (5000.0, 0.0, 0.0), geometry.direction)
    return write(Volume(phantom.lungs.array, away), folder / "mask.nrrd")


BAD_MASKS = {
    "a CT": (lambda phantom, folder: write(phantom.ct, folder / "mask.nrrd"), "is not a mask"),
    "empty": (
        lambda phantom, folder: write(phantom.lungs.with_array(phantom.lungs.array * 0), folder / "mask.nrrd"),
        "is an empty mask",
    ),
    "elsewhere": (shifted, "do not lie in the same place"),
    "a speck": (
        lambda phantom, folder: write(
            phantom.lungs.with_array(
                (np.arange(phantom.lungs.array.size) == 300_000).reshape(phantom.lungs.array.shape).astype(np.uint8)
            ),
            folder / "mask.nrrd",
        ),
        "is not one of the lungs of this CT",
    ),
}


@pytest.mark.parametrize("part", [slice(50, None), slice(None, 45)], ids=["top", "bottom"])
def test_part_of_a_chest_is_measured_and_gets_no_verdict(part, larger_phantom, tmp_path):
    ran = covid_mtl("assess", cropped(part)(larger_phantom, tmp_path), "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert result["tasks"] == {} and "only a part of a chest" in result["no_verdict"]
    assert result["no_verdict"] in result["warnings"] and result["lungs"]["both"]["volume_ml"] > 50
    assert result["no_verdict"] in ran.stdout


@pytest.mark.parametrize("kind", BAD_MASKS)
def test_bad_mask(kind, phantom, phantom_ct, tmp_path):
    build, sentence = BAD_MASKS[kind]
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    mask = build(phantom, tmp_path / "in")
    run = covid_mtl("assess", phantom_ct, "--lungs", mask, "--out", tmp_path / "out")
    assert_refused(run, sentence, tmp_path / "out")


BAD_OPTIONS = {
    "device": (["--device", "tpu"], "There is no device tpu; choose one of auto, cpu, cuda, mps"),
    "device that is not there": (["--device", "cuda:99", "--model", "bright"], "This machine has no device cuda:99"),
    "model": (
        ["--model", "no-such-model"],
        "There is no model no-such-model; shipped are features, features+labs, features-mtl",
    ),
    "refinement": (["--refine", "magic"], "There is no refinement magic; choose one of robust, active-contour, none"),
}


@pytest.mark.parametrize("kind", BAD_OPTIONS)
def test_bad_option(kind, phantom_ct, tmp_path):
    options, sentence = BAD_OPTIONS[kind]
    # A model on volumes, which alone runs on devices.
    options = [write_bright_model(tmp_path / "in") if one == "bright" else one for one in options]
    (tmp_path / "out").mkdir()
    run = covid_mtl("assess", phantom_ct, "--out", tmp_path / "out", *options)
    assert_refused(run, sentence, tmp_path / "out")


BAD_SEGMENTATIONS = {
    "threshold": (["--threshold", -1024], "The threshold has to be -900 to -100 HU, and -1024 is not"),
    "endless iterations": (["--iterations", "9" * 400], "has to be 0 to 200, and '9999"),
    "mask and measures in one file": (["--measures", "{out}/lungs.nrrd"], "would be written over lungs.nrrd"),
    "closing": (["--closing", 31], "The closing has to be 0 to 30 mm, and 31 is not"),
    "parameters of a method without": (
        ["--closing", 15],
        "The method robust has no parameters; leave them out or choose the method classical or active-contour.",
    ),
    "measures of a slice": (
        ["--through", 0, 0, 0, "--measures", "m.json"],
        "Measures are of whole lungs; leave out --measures or --through.",
    ),
    "point outside": (["--through", 0, 0, 9000], "The point (0.0, 0.0, 9000.0) mm lies outside ct.nrrd"),
}


@pytest.mark.parametrize("kind", BAD_SEGMENTATIONS)
def test_bad_option_of_a_segmentation(kind, phantom_ct, tmp_path):
    options, sentence = BAD_SEGMENTATIONS[kind]
    options = [str(option).replace("{out}", str(tmp_path)) for option in options]
    assert_refused(covid_mtl("segment", phantom_ct, "--out", tmp_path / "lungs.nrrd", *options), sentence, tmp_path)


def test_output_that_cannot_be_written(phantom_ct, tmp_path):
    (tmp_path / "file").write_text("in the way")
    run = covid_mtl("assess", phantom_ct, "--out", tmp_path / "file")
    assert run.returncode == 2 and "cannot be made" in run.stderr and "Traceback" not in run.stderr
    run = covid_mtl("segment", phantom_ct, "--out", tmp_path / "lungs.txt")
    assert run.returncode == 2 and "use .nrrd" in run.stderr
    run = covid_mtl("segment", phantom_ct, "--out", tmp_path / "lungs.mhd")  # would be two files
    assert run.returncode == 2 and "use .nrrd" in run.stderr
    os.mkfifo(tmp_path / "pipe.nrrd")
    run = covid_mtl("segment", phantom_ct, "--out", tmp_path / "pipe.nrrd")
    assert run.returncode == 2 and "is a device or a pipe" in run.stderr
    (tmp_path / "pipe.nrrd").unlink()
    run = covid_mtl("segment", phantom_ct, "--out", phantom_ct)
    assert run.returncode == 2 and "would be written over ct.nrrd" in run.stderr
    run = covid_mtl("segment", phantom_ct, "--out", tmp_path / "nowhere" / "lungs.nrrd")
    assert run.returncode == 2 and "make it first" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
