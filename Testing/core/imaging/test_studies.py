"""Studies as hospitals have them: the one chest CT in them is read as if it were alone."""

import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib.imaging.io.inspection import inspect
from COVIDMTLLib.imaging.io.reader import read_study
from COVIDMTLLib.imaging.volume import Geometry, Volume
from COVIDMTLLib.utils.errors import InputError
from pydicom.uid import JPEG2000Lossless
from support.data.dicom_studies import write_frames, write_localizer, write_slices
from support.data.transfer_syntaxes import write_as

SECONDARY = "1.2.840.10008.5.1.4.1.1.7"


def slices(ct, start, stop):
    g = ct.geometry
    return Volume(
        ct.array[start:stop], Geometry((*g.size[:2], stop - start), g.spacing, tuple(g.point_at([0, 0, start])))
    )


def resliced(ct, step):
    g = ct.geometry
    array = np.ascontiguousarray(ct.array[::step])
    return Volume(array, Geometry(array.shape[::-1], (*g.spacing[:2], g.spacing[2] * step), g.origin))


def plain(ct, folder):
    return write_dicom(ct, folder / "study")


def localizer(ct, folder):
    return write_localizer(ct, plain(ct, folder), series="1.2.9")


def localizer_of_the_same_series(ct, folder):
    return write_localizer(ct, plain(ct, folder))


def screen(ct, folder):
    return write_slices(slices(ct, 0, 1), plain(ct, folder), "dose", series="1.2.9", SOPClassUID=SECONDARY)


def copies_in_two_folders(ct, folder):
    import shutil

    one = plain(ct, folder)
    shutil.copytree(one, folder / "copy")
    shutil.move(folder / "copy", one / "copy")
    return one


def copies_under_other_uids(ct, folder):
    return write_slices(ct, plain(ct, folder), "copy", series="1.2.9")


def thick_slices(ct, folder):
    return write_slices(resliced(ct, 2), plain(ct, folder), "thick", series="1.2.9")


def sharp_kernel(ct, folder):
    soft = write_dicom(ct, folder / "study", ConvolutionKernel="Br40d")
    return write_slices(ct.with_array(ct.array + 1), soft, "sharp", series="1.2.9", ConvolutionKernel="Bl60d")


def abdomen(ct, folder):
    return write_slices(ct, plain(ct, folder), "abdomen", series="1.2.9", SeriesDescription="Abdomen")


def coronal(ct, folder):
    turned = {"ImageOrientationPatient": [1, 0, 0, 0, 0, -1], "ImagePositionPatient": lambda z: [0, 2.0 * z, 0]}
    return write_slices(ct, plain(ct, folder), "coronal", ImageType=["DERIVED", "SECONDARY", "MPR"], **turned)


def breath_holds_that_overlap(ct, folder):
    """The second one, of fewer slices, begins with the last slice of the first, and is of another day's noise."""
    g = ct.geometry
    first = write_dicom(ct, folder / "study", AcquisitionNumber=1)
    top = Volume(ct.array[:30] + 1, Geometry((*g.size[:2], 30), g.spacing, tuple(g.point_at([0, 0, g.size[2] - 1]))))
    return write_slices(top, first, "second", AcquisitionNumber=2)


def phases_told_by_numbers_alone(ct, folder):
    first = write_dicom(ct, folder / "study", InstanceNumber=lambda z: z)
    part = slices(ct.with_array(ct.array + 1), 0, 40)
    return write_slices(part, first, "second", InstanceNumber=lambda z: 1000 + z)


def acquisitions(first, second, count=40):
    """A part of the chest once more in the same series, told by attributes."""

    def build(ct, folder):
        study = write_dicom(ct, folder / "study", **first)
        return write_slices(slices(ct.with_array(ct.array + 1), 0, count), study, "second", **second)

    return build


def copies_stored_otherwise(ct, folder):
    """In another transfer syntax and with another rescale, under other UIDs, as of an archive; without preambles."""
    study = plain(ct, folder)
    other = write_slices(ct, folder / "other", "copy", series="1.2.9")
    for path in other.iterdir():
        data = pydicom.dcmread(path)
        data.PixelData = (np.frombuffer(data.PixelData, np.uint16).astype(np.int32) - 1024).astype(np.int16).tobytes()
        data.PixelRepresentation, data.RescaleIntercept = 1, 0
        copy = write_as(data, study / path.name, JPEG2000Lossless)
        copy.write_bytes(copy.read_bytes()[132:])
    return study


def frames_of_the_same(ct, folder):
    """A series and the same as one file of many frames, which archives make of old series."""
    study = plain(ct, folder)
    path = write_frames(ct, folder / "study.dcm").rename(study / "frames.dcm")
    data = pydicom.dcmread(path)
    data.SeriesInstanceUID = "1.2.9"
    data.save_as(path)
    return study


def frames(**changes):
    return lambda ct, folder: write_frames(ct, folder / "study.dcm", **changes)


def frames_in_no_order(ct, folder):
    return write_frames(ct, folder / "study.dcm", np.random.default_rng(0).permutation(ct.geometry.size[2]))


def without_preamble(ct, folder):
    for path in plain(ct, folder).iterdir():
        path.write_bytes(path.read_bytes()[132:])
    return folder / "study"


def links(ct, folder):
    study = plain(ct, folder)
    (folder / "links").mkdir()
    (folder / "links" / "to").symlink_to(study)
    (study / "round").symlink_to(folder / "links")
    return folder / "links"


def archive(kind, name=None):
    def build(ct, folder):
        import shutil

        made = shutil.make_archive(str(folder / "study"), kind, plain(ct, folder))
        shutil.rmtree(folder / "study")
        return Path(made).rename(folder / name) if name else Path(made)

    return build


def dicomdir(ct, folder):
    (plain(ct, folder) / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(200))
    return folder / "study" / "DICOMDIR"


STUDIES = {
    "a zip": (archive("zip"), ""),
    "a packed tar": (archive("gztar"), ""),
    "a DICOMDIR": (dicomdir, ""),
    "a series": (plain, ""),
    "a localizer": (localizer, ""),
    "a localizer in the same series": (localizer_of_the_same_series, ""),
    "a dose screen": (screen, ""),
    "copies in two folders": (copies_in_two_folders, ""),
    "copies under other UIDs": (copies_under_other_uids, ""),
    "thick slices": (thick_slices, "slices are at most 3 mm apart"),
    "a sharp kernel": (sharp_kernel, "kernel is not a sharp one"),
    "an abdomen": (abdomen, "of the chest by its header"),
    "coronal slices in the same series": (coronal, "its slices are axial"),
    "breath-holds that overlap": (breath_holds_that_overlap, "it covers more"),
    "phases told by numbers alone": (phases_told_by_numbers_alone, "it covers more"),
    "a sequence that turns round": (
        acquisitions({"InstanceNumber": lambda z: z}, {"InstanceNumber": lambda z: 1000 - z}),
        "it covers more",
    ),
    "acquisitions by time": (
        acquisitions({"AcquisitionTime": "100000"}, {"AcquisitionTime": "101500"}),
        "it covers more",
    ),
    "acquisitions by the time of each slice": (
        acquisitions(
            {"AcquisitionTime": lambda z: f"1000{z / 4:05.2f}"},
            {"AcquisitionTime": lambda z: f"1015{40 - z / 4:05.2f}"},
        ),
        "it covers more",
    ),
    "phases by their position in time": (
        acquisitions({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
        "it covers more",
    ),
    "a few slices again": (
        acquisitions({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}, 12),
        "it has 12 slices only",
    ),
    "copies stored otherwise": (copies_stored_otherwise, ""),
    "a series and the same as frames": (frames_of_the_same, ""),
    "frames": (frames(), ""),
    "frames in no order": (frames_in_no_order, ""),
    "frames of other rescales": (frames(rescale=lambda z: (0.5 + 0.5 * (z % 2), -1024.0 - z)), ""),
    "no preamble": (without_preamble, ""),
    "links": (links, ""),
    "no UID": (lambda ct, folder: write_dicom(ct, folder / "study", SeriesInstanceUID=None), ""),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_the_chest_is_read(kind, phantom, tmp_path):
    build, reason = STUDIES[kind]
    study = read_study(build(phantom.ct, tmp_path))
    np.testing.assert_array_equal(study.ct.array, phantom.ct.array)
    np.testing.assert_allclose(study.ct.geometry.spacing, phantom.ct.geometry.spacing, atol=1e-4)
    np.testing.assert_allclose(study.ct.geometry.origin, phantom.ct.geometry.origin, atol=1e-3)
    assert bool(study.warnings) == bool(reason) and reason in "".join(study.warnings)


def test_the_other_one_is_read_if_it_is_asked_for(phantom, tmp_path):
    folder = breath_holds_that_overlap(phantom.ct, tmp_path)
    assert read_study(folder, "1.2.826.0.1.3680043.8.498.1#2").ct.geometry.size[2] == 30
    with pytest.raises(InputError, match="has no series 1.2#3"):
        read_study(folder, "1.2#3")


STRAIGHT = np.eye(3)


def nifti(ct, path, sform=STRAIGHT, qform=None, version=1, packed=None):
    """Write NIfTI whose axes are turned or sheared by matrices, packed or not whatever its name says."""
    import gzip

    import nibabel

    g = ct.geometry
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.block([[np.diag(g.spacing), np.c_[list(g.origin)]], [0, 0, 0, 1]])
    forms = [affine.copy() if form is not None else None for form in (sform, qform)]
    for form, change in zip(forms, (sform, qform), strict=True):
        if form is not None:
            form[:3, :3] = form[:3, :3] @ change
    make = nibabel.Nifti1Image if version == 1 else nibabel.Nifti2Image
    image = make(ct.array.transpose(), affine)
    image.set_sform(forms[0], 1 if sform is not None else 0)
    image.set_qform(affine if qform is None else forms[1], 0 if qform is None else 1)
    image.header["pixdim"][1:4] = g.spacing
    content = image.to_bytes()
    packed = path.name.endswith(".gz") if packed is None else packed
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    return path


def sheared(share):
    return np.eye(3) + share * np.outer([0, 1, 0], [0, 0, 1])


def with_negative_size(ct, path):
    """The first size of voxels in the header is negative, which some programs write; sform says how the axes lie."""
    nifti(ct, path)
    content = bytearray(path.read_bytes())
    content[80:84] = struct.pack("<f", -ct.geometry.spacing[0])
    path.write_bytes(content)
    return path


def from_a_mac(ct, folder):
    """Zipped together with what macOS knows of the file."""
    with zipfile.ZipFile(folder / "ct.zip", "w") as archive:
        archive.write(write(ct, folder / "ct.nrrd"), "ct.nrrd")
        archive.writestr("__MACOSX/._ct.nrrd", bytes.fromhex("00051607") + bytes(100))
    return folder / "ct.zip"


def beside_its_masks(ct, folder):
    """A folder a case, as collections of CTs have them."""
    (folder / "s0001" / "segmentations").mkdir(parents=True)
    write(ct, folder / "s0001" / "segmentations" / "heart.nii.gz")
    write(ct, folder / "s0001" / "ct.nii.gz")
    return folder / "s0001"


FILES = {
    "a negative size of voxels": lambda ct, folder: with_negative_size(ct, folder / "ct.nii"),
    "an archive of macOS": from_a_mac,
    "an image beside its masks": beside_its_masks,
}


@pytest.mark.parametrize("kind", FILES)
def test_image_is_read(kind, phantom, tmp_path):
    study = read_study(FILES[kind](phantom.ct, tmp_path))
    found, expected = (sitk.DICOMOrient(one.to_image(), "LPS") for one in (study.ct, phantom.ct))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    np.testing.assert_allclose(found.GetOrigin(), expected.GetOrigin(), atol=1e-3)
    assert study.warnings == []


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd"])
def test_axes_that_a_header_does_not_tell_of_are_warned_of(name, phantom, tmp_path):
    if name == "ct.nrrd":
        sitk.WriteImage(phantom.ct.to_image(), str(tmp_path / name), useCompression=False)
        head, values = (tmp_path / name).read_bytes().split(b"\n\n", 1)
        kept = [line for line in head.split(b"\n") if not line.startswith(b"space")]
        spacings = " ".join(map(str, phantom.ct.geometry.spacing)).encode()
        (tmp_path / name).write_bytes(b"\n".join([*kept, b"spacings: " + spacings]) + b"\n\n" + values)
    else:
        nifti(phantom.ct, tmp_path / name, sform=None)
    study = read_study(tmp_path / name)
    assert study.warnings == [
        f"The header of {name} does not say how its axes lie: left and right may have changed sides."
    ]


NIFTI = {
    "version 2": ("ct.nii.gz", {"version": 2}),
    "not packed": ("ct.nii.gz", {"packed": False}),
    "packed": ("ct.nii", {"packed": True}),
    "a skew within tolerance": ("ct.nii.gz", {"sform": sheared(8e-4)}),
    "both forms": ("ct.nii", {"qform": np.eye(3)}),
}


@pytest.mark.parametrize("kind", NIFTI)
def test_nifti_is_read(kind, phantom, tmp_path):
    name, how = NIFTI[kind]
    read = read_study(nifti(phantom.ct, tmp_path / name, **how)).ct
    np.testing.assert_array_equal(read.array, phantom.ct.array)
    np.testing.assert_allclose(read.geometry.spacing, phantom.ct.geometry.spacing, rtol=1e-3)
    np.testing.assert_allclose(read.geometry.origin, phantom.ct.geometry.origin, atol=1e-3)
    np.testing.assert_allclose(read.geometry.axes, np.eye(3), atol=1e-3)


CONTRADICTIONS = {
    "a tilt": ({"sform": sheared(0.2)}, "not at right angles"),
    "a tilt beside a straight qform": ({"sform": sheared(0.2), "qform": np.eye(3)}, "not at right angles"),
    "left and right": ({"sform": np.diag([-1, 1, 1]), "qform": np.eye(3)}, "contradicts itself on how its axes lie"),
    "pixdim": ({"sform": np.diag([1, 1, 1.5])}, "contradicts itself on the size of voxels"),
}


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_nifti_that_contradicts_itself_is_refused(kind, phantom, tmp_path):
    how, sentence = CONTRADICTIONS[kind]
    with pytest.raises(InputError, match=sentence):
        read_study(nifti(phantom.ct, tmp_path / "ct.nii.gz", **how))


ARCHIVES = {
    "outside": (lambda archive: archive.writestr("../outside.dcm", b"x" * 1000), "names files outside it"),
    "nothing": (lambda archive: None, "holds no DICOM image"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_bad_archive(kind, tmp_path):
    fill, sentence = ARCHIVES[kind]
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        fill(archive)
    with pytest.raises(InputError, match=sentence):
        read_study(tmp_path / "study.zip")
    (tmp_path / "study.zip").write_bytes(b"PK no archive")
    with pytest.raises(InputError, match="cannot be unpacked"):
        read_study(tmp_path / "study.zip")


def test_inspect_lists_what_would_be_taken_and_why(phantom, tmp_path):
    study = localizer(phantom.ct, tmp_path)
    write_slices(resliced(phantom.ct, 2), study, "thick", series="1.2.8", SeriesDescription="Thick thorax")
    run = covid_mtl("inspect", study)
    assert run.returncode == 0, run.stderr
    assert "1.2.9: CT, Thorax, 1 slices" in run.stdout and "(it is a localizer)" in run.stdout
    assert run.stdout.splitlines()[-1].startswith("Taken is 1.2.826.0.1.3680043.8.498.1: its slices are at most 3 mm")
    found = json.loads(covid_mtl("inspect", study, "--json").stdout)
    assert found["taken"] == read_study(study).series and len(found["series"]) == 3
    assert inspect(study, "1.2.8")["taken"] == "1.2.8"
    # A tie, and a series that is not whole, are told of, too.
    write_slices(phantom.ct.with_array(phantom.ct.array + 1), study, "even", series="1.2.7")
    assert inspect(study)["taken"] is None and "would do as well; choose one with --series" in inspect(study)["reason"]
