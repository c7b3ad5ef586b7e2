"""Lungs of masks as other programs write them: the right voxels, or a sentence about the mask."""

import numpy as np
import pytest
import SimpleITK as sitk
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib.imaging.io.reader import read_ct
from COVIDMTLLib.imaging.masks.reader import read_lungs
from COVIDMTLLib.imaging.masks.segment_names import Segment, is_lung
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on
from COVIDMTLLib.utils.errors import InputError
from support.data.made_up_masks import (
    BY_TERM,
    HEADER,
    NAMED,
    folder_of_structures,
    label_map,
    lobes,
    segmentation,
    slicer,
    structures,
    totalsegmentator,
    with_label_table,
    without_header,
)


@pytest.fixture(scope="module")
def others(phantom):
    """What is no lung: soft tissue above 0 HU, in the front half and in the back."""
    tissue = (phantom.ct.array > 0) & (phantom.lungs.array == 0)
    front = np.indices(tissue.shape)[1] < tissue.shape[1] // 2
    return tissue & front, tissue & ~front


MASKS = {
    "both lungs": (label_map(lambda phantom, *_: phantom.lungs.array), "labels 1, 2 of"),
    "lungs of 255": (label_map(lambda phantom, *_: np.uint8(255) * (phantom.lungs.array > 0)), "label 255 of"),
    "lobes": (label_map(lambda phantom, *_: lobes(phantom)), "labels 1, 2, 3, 4, 5 of"),
    "TotalSegmentator": (totalsegmentator(10), "labels 10, 11, 12, 13, 14 of"),
    "TotalSegmentator 1": (totalsegmentator(13), "labels 13, 14, 15, 16, 17 of"),
    "TotalSegmentator, a file each": (folder_of_structures, "lung_upper_lobe_right"),
    "label table": (with_label_table, "lung_left of"),
    "layers": (slicer(lambda lungs, front, back: [front, 2 * (lungs > 0)], NAMED), "Lungs of"),
    "layers without names": (slicer(lambda lungs, *_: [lungs == 1, lungs == 2], ()), "label 1 of"),
    "layers of older versions": (
        slicer(lambda lungs, front, back: [back, lungs > 0], ({"Name": "Liver"}, {"Name": "BothLungs"})),
        "BothLungs of",
    ),
    "by terminology": (slicer(lambda lungs, front, back: [4 * (lungs > 0) + 9 * front], BY_TERM), "Segment_1 of"),
    "a segment nobody named": (
        slicer(lambda lungs, *_: [lungs > 0], ({"Name": "Segment_1", "LabelValue": 1},)),
        "Segment_1 of",
    ),
    "SEG": (
        segmentation(
            lambda lungs, front, back: {"Heart": front, "right lung": lungs == 1, "Left Lung": lungs == 2, "Rib": back}
        ),
        "right lung, Left Lung of",
    ),
    "RTSTRUCT": (structures(), "Lung_R, Lung_L of"),
    "RTSTRUCT on every other slice": (structures(each=2), "Lung_R, Lung_L of"),
    "without header": (without_header(), "labels 1, 2 of"),
}

CLOSE = {"RTSTRUCT": 0.99, "RTSTRUCT on every other slice": 0.93}
"""Least Dice of what is drawn anew from contours; the others have to be the very same."""

PLAIN = ("both lungs", "lungs of 255", "lobes", "layers without names", "a segment nobody named")
"""Which hold nothing but lungs, so that there is nothing to warn of."""


@pytest.mark.parametrize("kind", MASKS)
def test_lungs_of_a_mask(kind, phantom, others, tmp_path):
    build, taken = MASKS[kind]
    mask = read_lungs(build(phantom, others, tmp_path), phantom.ct)
    # A DICOM segmentation may be read from head to feet.
    found, wanted = labels_on(mask.volume, phantom.ct.geometry).array > 0, phantom.lungs.array > 0
    dice = 2 * np.count_nonzero(found & wanted) / (np.count_nonzero(found) + np.count_nonzero(wanted))
    assert dice >= CLOSE.get(kind, 1)
    assert taken in mask.taken and bool(mask.warnings) == (kind not in PLAIN)


def test_a_mask_of_its_own_as_dicom(phantom, others, tmp_path):
    """The second round with lungs.dcm, airways and all, on a CT whose slices are stored head first."""
    pytest.importorskip("highdicom")
    geometry = phantom.ct.geometry
    upside_down = Geometry(geometry.size, geometry.spacing, geometry.origin, (1, 0, 0, 0, -1, 0, 0, 0, -1))
    study = write_dicom(Volume(phantom.ct.array, upside_down), tmp_path / "study", **HEADER)
    for name in ("lungs.dcm", "lungs.nrrd"):
        run = covid_mtl("segment", study, "--out", tmp_path / name, "--method", "classical", "--airways")
        assert run.returncode == 0, run.stderr
    ct = read_ct(study)
    as_dicom, as_nrrd = (read_lungs(tmp_path / name, ct).volume for name in ("lungs.dcm", "lungs.nrrd"))
    inside = np.isin(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "lungs.nrrd"))), (1, 2))
    image = sitk.Resample(as_dicom.to_image(), as_nrrd.to_image(), sitk.Transform(), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image) > 0, inside)


REFUSED = {
    "other segments": (slicer(lambda _, *others: others, ({"Name": "Heart"}, {"Name": "Liver"})), "Heart, Liver"),
    "SEG without lungs": (segmentation(lambda _, front, back: {"Heart": front, "Lung mass": back}), "is called lung"),
    "RTSTRUCT without lungs": (structures(("Heart", "PTV", "Cord")), "is called lung: Heart, PTV, Cord"),
    "empty segment": (slicer(lambda lungs, front, back: [front, 0 * lungs], NAMED), "no voxel of Lungs"),
    "30 labels": (label_map(lambda *_: (np.indices(_[0].lungs.array.shape)[0] % 31).astype(np.uint8)), "30 labels"),
    "without header, upside down": (without_header(lambda labels: labels[::-1]), "does not fit the CT"),
    "a CT": (lambda phantom, _, folder: next(write_dicom(phantom.ct, folder / "ct").iterdir()), "no mask: its DICOM"),
    "a damaged SEG": (
        lambda *made: _cut(segmentation(lambda lungs, *_: {"Lung": lungs > 0})(*made)),
        "damaged",
    ),
    "a folder of something else": (
        lambda phantom, others, folder: [write(phantom.lungs, folder / f"{name}.nrrd") for name in "ab"] and folder,
        "a folder with a file for each structure",
    ),
}  # fmt: skip


def _cut(path):
    path.write_bytes(path.read_bytes()[:-3000])
    return path


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_lung_mask_gets_a_sentence(kind, phantom, others, tmp_path):
    build, sentence = REFUSED[kind]
    with pytest.raises(InputError, match=sentence) as caught:
        read_lungs(build(phantom, others, tmp_path), phantom.ct)
    assert str(caught.value).endswith(".") and "CT of the chest" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "lung"),
    [
        *((name, True) for name in ("Lung_L", "LungTotal", "RightLung", "lung-r", "Left Superior Lobe", "RUL")),
        *((name, True) for name in ("TOTAL LUNG", "Lunge rechts", "Poumon D", "lung_middle_lobe_right", "右肺")),
        *((name, False) for name in ("Lung nodule", "lung_vessels", "Lungs-GTV", "liver left lobe", "Heart")),
        *((name, False) for name in ("temporal lobe", "lung_trachea_bronchia", "Lung_Cancer", "Spinal cord", "belung")),
    ],
)  # fmt: skip
def test_names_of_lungs(name, lung):
    assert is_lung(Segment(name)) == lung


def test_what_was_taken_for_lung_is_said(phantom, others, phantom_ct, tmp_path):
    mask = totalsegmentator(10)(phantom, others, tmp_path)
    run = covid_mtl("assess", phantom_ct, "--lungs", mask, "--out", tmp_path / "out", "--model", "features")
    assert run.returncode == 0, run.stderr
    assert "Taken for lung: labels 10, 11, 12, 13, 14 of mask.nii.gz" in run.stdout
    assert "Warning: Of the mask mask.nii.gz, this was taken for lung" in run.stdout
    run = covid_mtl("compare-masks", mask, write(phantom.lungs, tmp_path / "lungs.nrrd"))
    assert run.returncode == 0 and '"dice": 1.0' in run.stdout
