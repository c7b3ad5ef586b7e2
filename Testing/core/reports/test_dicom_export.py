"""DICOM results: lungs as a segmentation and an assessment as a structured report, read back with pydicom alone."""

import json
import shutil
import subprocess
import sys
from datetime import datetime

import highdicom
import numpy as np
import pydicom
import pytest
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib import RESEARCH_USE_ONLY
from COVIDMTLLib.assessment import jobs
from COVIDMTLLib.assessment.in_subprocess import assess_in_child
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.cli import export_dicom
from COVIDMTLLib.imaging.io.reader import read_ct_and_files, read_mask
from COVIDMTLLib.imaging.volume import labels_on
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.reports.dicom import read_source, write_opacities, write_report, write_segmentation
from COVIDMTLLib.segmentation.methods import SegmentationOptions
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLLib.utils.progress import silent
from pydicom.datadict import DicomDictionary
from support.data.dicom_studies import write_frames
from support.data.orientations import flipped, turned
from support.models.bright_model import write_bright_model

MADE = datetime(2021, 3, 4, 5, 6, 7)
DATE = "18991231"
FRAME_OF_REFERENCE = "1.2.826.0.1.3680043.8.498.77"

SAMPLES = {"AS": "042Y", "DA": DATE, "DT": f"{DATE}010203", "TM": "010203", "UR": "http://SECRET.example"}
TEXTS = ("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT")


def telling_headers():
    """A value for all attributes of text and time in which a CT may tell of its patient, SECRET in those of text."""
    found = {}
    groups = (0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040)
    for tag, (vr, _, _, retired, keyword) in DicomDictionary.items():
        if tag >> 16 in groups and keyword and not retired and (vr in TEXTS or vr in SAMPLES):
            found[keyword] = SAMPLES.get(vr, f"SECRET {len(found)}")
    for keyword in ("Modality", "SpecificCharacterSet", "PhotometricInterpretation", "ValueType"):
        found.pop(keyword, None)
    return found | {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Müller-SECRET^Zoë",
        "PatientSex": "F",
        "PatientAge": "042Y",
        "FrameOfReferenceUID": FRAME_OF_REFERENCE,
    }


@pytest.fixture(scope="module")
def small():
    """A small chest in thick slices."""
    return thorax(3, ground_glass=0.1, consolidation=0.05, spacing=(2.0, 1.7, 4.0), size=0.48)


@pytest.fixture(scope="module")
def study(small, tmp_path_factory):
    """A series that tells of its patient wherever it can."""
    folder = write_dicom(small.ct, tmp_path_factory.mktemp("study") / "SECRET Zoë", **telling_headers())
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.private_block(0x0009, "SECRET MAKER", create=True).add_new(1, "LO", "SECRET private")
        data.OtherPatientIDsSequence = [pydicom.Dataset()]
        data.OtherPatientIDsSequence[0].PatientID = "SECRET Ä"
        data.save_as(path)
    return folder


@pytest.fixture(scope="module")
def results(small, study, tmp_path_factory):
    """What an assessment in a process of its own wrote, named after the patient and with given lungs."""
    folder = tmp_path_factory.mktemp("results")
    mask, model = write(small.lungs, folder / "lungs.nrrd"), write_bright_model(folder / "model", "Größe")
    assess_in_child(
        study, folder / "out", lungs=mask, name="SECRET", model=model, dicom=True, keep_identity=False, age=0
    )
    return folder / "out"


def export(folder, labels, out, keep_identity=False, made=MADE, origin="robust", result=None):
    """Write both files without an assessment; their paths."""
    ct, files = read_ct_and_files(folder)
    source = read_source(files, "CT", ct.geometry.spacing[2], keep_identity)
    out.mkdir(exist_ok=True)
    seg = write_segmentation(labels_on(labels, ct.geometry).array, source, origin, out / "lungs.dcm", made)
    if result is not None:
        write_report(result, seg, source, out / "assessment.dcm", made)
    return sorted(out.glob("*.dcm"))


def placed(path, geometry):
    """The labels of a segmentation on a grid, each voxel by where the file says that it lies in the patient."""
    data = pydicom.dcmread(path)
    shared = data.SharedFunctionalGroupsSequence[0]
    row, column = np.reshape(shared.PlaneOrientationSequence[0].ImageOrientationPatient, (2, 3)).astype(float)
    down, along = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    found = np.zeros(geometry.shape, np.uint8)
    for frame, groups in zip(data.pixel_array, data.PerFrameFunctionalGroupsSequence, strict=True):
        assert frame.any()
        y, x = np.nonzero(frame)
        position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, float)
        points = position + np.outer(x * along, row) + np.outer(y * down, column)
        exact = np.linalg.solve(geometry.axes * geometry.spacing, (points - geometry.origin).T)
        index = tuple(np.rint(exact).astype(int)[::-1])
        assert np.abs(exact[::-1] - index).max() < 0.01
        assert not found[index].any()
        found[index] = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
    return found


GEOMETRIES = {
    "axial": lambda volume: volume,
    "oblique": lambda volume: turned(volume, 17),
    "slices from head to feet": lambda volume: flipped(volume, (False, False, True)),
    "prone": lambda volume: flipped(volume, (True, True, False)),
    "feet first": lambda volume: flipped(volume, (True, False, True)),
    "oblique, all axes reversed": lambda volume: flipped(turned(volume, 11), (True, True, True)),
}


@pytest.mark.parametrize("lay", GEOMETRIES.values(), ids=GEOMETRIES)
def test_segmentation_lies_where_the_lungs_are(lay, small, tmp_path):
    ct, lungs = lay(small.ct), lay(small.lungs)
    folder = write_dicom(ct, tmp_path / "ct", FrameOfReferenceUID=FRAME_OF_REFERENCE)
    (path,) = export(folder, lungs, tmp_path / "out")
    np.testing.assert_array_equal(placed(path, lungs.geometry), lungs.array)
    data = pydicom.dcmread(path)
    assert data.FrameOfReferenceUID == FRAME_OF_REFERENCE and data.StudyInstanceUID == "1.2.3"
    # Each frame refers to the slice of the CT that it lies on, and there is one for each lung in each slice it is in.
    slices = {one.SOPInstanceUID: one.ImagePositionPatient for one in map(pydicom.dcmread, folder.iterdir())}
    for groups in data.PerFrameFunctionalGroupsSequence:
        (of,) = groups.DerivationImageSequence[0].SourceImageSequence
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(slices[of.ReferencedSOPInstanceUID], position, atol=1e-6)
    assert data.NumberOfFrames == sum((lungs.array == label).any(axis=(1, 2)).sum() for label in (1, 2))
    assert data.NumberOfFrames < 2 * len(slices)


def test_archive(small, tmp_path, results):
    folder = write_dicom(small.ct, tmp_path / "ct", FrameOfReferenceUID=FRAME_OF_REFERENCE)
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in folder.iterdir()}
    archive = shutil.make_archive(str(tmp_path / "study"), "zip", folder)
    shutil.rmtree(folder)
    mask = write(small.lungs, tmp_path / "mask.nrrd")
    assess(archive, tmp_path / "out", lungs=mask, model=results.parent / "model", dicom=True)
    np.testing.assert_array_equal(placed(tmp_path / "out" / "lungs.dcm", small.lungs.geometry), small.lungs.array)
    assert referred_to(tmp_path / "out" / "assessment.dcm") > uids


def test_file_of_many_frames(small, tmp_path, results):
    """Its frames are in no order; each of the segmentation's refers to the one that it lies on."""
    order = np.random.default_rng(0).permutation(small.ct.geometry.size[2])
    study = write_frames(small.ct, tmp_path / "study.dcm", order)
    content = pydicom.dcmread(study)
    content.PatientName, content.FrameOfReferenceUID = "SECRET", FRAME_OF_REFERENCE
    content.PerFrameFunctionalGroupsSequence[3].FrameContentSequence = [pydicom.Dataset()]
    content.PerFrameFunctionalGroupsSequence[3].FrameContentSequence[0].FrameComments = "SECRET"
    content.save_as(study)
    mask = write(small.lungs, tmp_path / "mask.nrrd")
    assess(study, tmp_path / "out", lungs=mask, model=results.parent / "model", dicom=True, name="SECRET")
    path = tmp_path / "out" / "lungs.dcm"
    np.testing.assert_array_equal(placed(path, small.lungs.geometry), small.lungs.array)
    for groups in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
        (of,) = groups.DerivationImageSequence[0].SourceImageSequence
        there = content.PerFrameFunctionalGroupsSequence[of.ReferencedFrameNumber - 1].PlanePositionSequence[0]
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(there.ImagePositionPatient, position, atol=1e-6)
    assert content.SOPInstanceUID in referred_to(tmp_path / "out" / "assessment.dcm")
    assert not any(b"SECRET" in file.read_bytes() for file in (tmp_path / "out").glob("*.dcm"))
    both = tmp_path / "both"
    both.mkdir()
    for half in (order[: len(order) // 2], order[len(order) // 2 :]):
        write_frames(small.ct, both / f"{half[0]}.dcm", half)
    with pytest.raises(InputError, match="several files of many slices each"):
        assess(both, tmp_path / "no", lungs=mask, model=results.parent / "model", dicom=True)


def test_headers_may_be_odd(small, tmp_path):
    odd = {"SliceThickness": None, "SpacingBetweenSlices": -99, "PatientID": None, "PatientSex": "X"}
    japanese = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"}
    folder = write_dicom(small.ct, tmp_path / "ct", **odd, **japanese)
    (path,) = export(folder, small.lungs, tmp_path / "out", keep_identity=True)
    np.testing.assert_array_equal(placed(path, small.lungs.geometry), small.lungs.array)
    data = pydicom.dcmread(path)
    (measures,) = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert measures.SliceThickness == pytest.approx(4) and measures.SpacingBetweenSlices == pytest.approx(4)
    assert (data.PatientName, data.PatientID, data.PatientSex) == ("Yamada^Tarou=山田^太郎", "", "X")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SOPInstanceUID": None}, "lack SOPInstanceUID in their headers"),
        ({"StudyInstanceUID": lambda z: f"1.2.{z % 2}"}, "differ in StudyInstanceUID"),
        ({"NumberOfFrames": 42}, "is one file of many slices"),
    ],
)
def test_series_that_cannot_be_referred_to_is_refused(changes, sentence, small, tmp_path):
    files = sorted(write_dicom(small.ct, tmp_path / "ct", **changes).iterdir())
    with pytest.raises(InputError, match=sentence):
        read_source(files, "CT", 4.0)


def items(container, path=()):
    """All content items of a structured report, each with the meanings of what it is in."""
    for item in container.get("ContentSequence", []):
        name = (*path, item.ConceptNameCodeSequence[0].CodeMeaning)
        yield name, item
        yield from items(item, name)


def referred_to(path):
    """The instances that a structured report rests on."""
    (study,) = pydicom.dcmread(path).CurrentRequestedProcedureEvidenceSequence
    return {
        one.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for one in series.ReferencedSOPSequence
    }


def meaning(item):
    return item.ConceptCodeSequence[0].CodeMeaning


def numbers(group):
    """The measurements of a group by name, which are of one unit each."""
    found = {}
    for (name, *more), item in items(group):
        if item.ValueType == "NUM" and not more:
            (value,) = item.MeasuredValueSequence
            found[name] = float(value.NumericValue), value.MeasurementUnitsCodeSequence[0].CodeValue
    return found


def groups_of(path):
    """The measurement groups of a report by what they track."""
    groups = {}
    for name, item in items(pydicom.dcmread(path)):
        if name[-1] == "Measurement Group":
            inside = {name[0]: one for name, one in items(item) if not name[1:]}
            groups[inside["Tracking Identifier"].TextValue] = item, inside
    return groups


def test_report_says_what_the_assessment_says(results, study):
    result = json.loads((results / "assessment.json").read_text(encoding="utf-8"))
    report, lungs = pydicom.dcmread(results / "assessment.dcm"), pydicom.dcmread(results / "lungs.dcm")
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert report.ContinuityOfContent == "SEPARATE"  # or viewers leave out what the numbers are
    found = list(items(report))
    texts = [(name[-1], item.TextValue) for name, item in found if name[0] == "Qualitative Evaluations" and name[1:]]
    assert texts == [("Intended use", RESEARCH_USE_ONLY), *(("Warning", text) for text in result["warnings"])]
    assert result["warnings"]

    groups = groups_of(results / "assessment.dcm")
    for side, label in (("right lung", 1), ("left lung", 2), ("both lungs", None)):
        group, inside = groups[side]
        values = result["lungs"][side.split()[0]]
        percent = {name.partition("(")[2][:-1]: value for name, value in numbers(group).items() if "(" in name}
        assert numbers(group)["Volume"] == (values["volume_ml"], "mL")
        assert numbers(group)["Attenuation Coefficient"] == (values["mean_hu"], "[hnsf'U]")
        assert percent == {
            "ground glass": (pytest.approx(100 * values["ground_glass_share"]), "%"),
            "consolidation": (pytest.approx(100 * values["consolidation_share"]), "%"),
        }
        assert meaning(inside["Finding Site"]) == "Lung"
        if label is not None:
            (segment,) = inside["Referenced Segment"].ReferencedSOPSequence
            assert (segment.ReferencedSOPInstanceUID, segment.ReferencedSegmentNumber) == (lungs.SOPInstanceUID, label)
            described = lungs.SegmentSequence[label - 1]
            assert described.SegmentLabel == side
            assert described.TrackingUID == inside["Tracking Unique Identifier"].UID

    assert result["models"][0]["name"] == "Größe"
    for name, task in result["tasks"].items():
        group, inside = groups[f"{name} by Größe"]
        assert meaning(inside["Finding"]) == task["title"]
        assert meaning(inside["Verdict: the most probable class"]) == task["verdict"]
        assert (inside["Algorithm Name"].TextValue, inside["Algorithm Version"].TextValue) == ("Größe", "1.0")
        assert numbers(group) == {
            f"Probability of {class_}": (pytest.approx(100 * probability, abs=0.005), "%")
            for class_, probability in zip(task["classes"], task["probabilities"], strict=True)
        }

    uids = {pydicom.dcmread(path).SOPInstanceUID for path in study.iterdir()}
    opacities = pydicom.dcmread(results / "opacities.dcm")
    assert referred_to(results / "assessment.dcm") == {lungs.SOPInstanceUID, opacities.SOPInstanceUID} | uids


def uncertain(group):
    """The intervals of the measurements of a group by name, in the unit of the measurement."""
    found = {}
    for (name, *_more), item in items(group):
        if item.ValueType == "NUM" and "ContentSequence" in item:
            (value,) = item.MeasuredValueSequence
            middle, units = float(value.NumericValue), {value.MeasurementUnitsCodeSequence[0].CodeValue}
            ends = {}
            for one in item.ContentSequence:
                (reach,) = one.MeasuredValueSequence
                units.add(reach.MeasurementUnitsCodeSequence[0].CodeValue)
                ends[one.ConceptNameCodeSequence[0].CodeMeaning[0]] = float(reach.NumericValue)
            assert len(units) == 1
            found[name] = middle - ends["-"], middle + ends["+"]
    return found


def check_opacities(folder, result, corrected=False):
    """Compare the report and the segmentation of opacities with what the assessment says."""
    measures, groups = result["opacities"], groups_of(folder / "assessment.dcm")
    for side, title in (("right", "in the right lung"), ("left", "in the left lung"), ("both", "in both lungs")):
        group, inside = groups[f"opacities {title}"]
        found, reach, of = numbers(group), uncertain(group), measures[side]
        assert found["Volume"] == (of["opacity_ml"], "mL")
        for name, key in (
            ("Share of the lung with opacities", "opacity"),
            ("Share of the lung, opacities above -200 HU", "high_opacity"),
        ):
            assert found[name] == (pytest.approx(100 * of[key]["share"]), "%")
            assert reach[name] == pytest.approx([100 * of[key]["low"], 100 * of[key]["high"]])
        (finding,) = inside["Finding"].ConceptCodeSequence
        assert (finding.CodeValue, finding.CodingSchemeDesignator) == ("RID28530", "RADLEX")
        assert meaning(inside["Finding Site"]) == "Lung"
        zones = {name: value for name, value in found.items() if name.startswith("Score of the zone")}
        assert zones == {
            f"Score of the zone {name}, 0 to 4": (zone["score"], "1")
            for name, zone in measures["zones"].items()
            if name.endswith(side)
        }
    total = "Sum of the scores of the zones, 0 to 24"
    assert found[total] == (measures["score"]["sum"], "1")
    assert reach[total] == (measures["score"]["low"], measures["score"]["high"])
    assert found["Share of the opacities that is peripheral"][0] == pytest.approx(100 * measures["peripheral"])

    opacities = pydicom.dcmread(folder / "opacities.dcm")
    for label, (name, code) in enumerate((("ground glass", "RID28531"), ("consolidation", "RID43255")), 1):
        segment, (group, inside) = opacities.SegmentSequence[label - 1], groups[name]
        (category,), (kind,) = (
            segment.SegmentedPropertyCategoryCodeSequence,
            segment.SegmentedPropertyTypeCodeSequence,
        )
        assert (segment.SegmentLabel, segment.SegmentNumber) == (name, label)
        assert (category.CodeValue, category.CodingSchemeDesignator) == ("49755003", "SCT")
        assert (kind.CodeValue, kind.CodingSchemeDesignator) == (code, "RADLEX")
        assert segment.SegmentAlgorithmType == ("SEMIAUTOMATIC" if corrected else "AUTOMATIC")
        assert ("corrected by hand" in inside["Algorithm Name"].TextValue) == corrected
        assert numbers(group) == {"Volume": (measures["both"][f"{name.replace(' ', '_')}_ml"], "mL")}
        (referred,) = inside["Referenced Segment"].ReferencedSOPSequence
        assert (referred.ReferencedSOPInstanceUID, referred.ReferencedSegmentNumber) == (
            opacities.SOPInstanceUID,
            label,
        )
        assert segment.TrackingUID == inside["Tracking Unique Identifier"].UID


def test_opacities_are_a_segmentation_and_measurements(results):
    result = json.loads((results / "assessment.json").read_text(encoding="utf-8"))
    check_opacities(results, result)
    mask = read_mask(results / "opacities.nrrd")
    assert set(np.unique(mask.array)) == {0, 1, 2}
    np.testing.assert_array_equal(placed(results / "opacities.dcm", mask.geometry), mask.array)
    segmentation = highdicom.seg.segread(results / "opacities.dcm")
    assert segmentation.number_of_segments == 2
    assert highdicom.sr.srread(results / "assessment.dcm").content is not None


def export_later(results, study, out):
    """What `covid-mtl export-dicom` writes of results."""
    out.mkdir()
    export_dicom.write(results, list(study.iterdir()), out, False, progress=silent)
    return {path.name for path in out.iterdir()}


def test_later_export_has_opacities_as_they_are_now(results, study, tmp_path):
    """As they were found; corrected by hand; with none left; and of results from before they were measured."""
    result = json.loads((results / "assessment.json").read_text(encoding="utf-8"))
    shutil.copytree(results, tmp_path / "results", ignore=shutil.ignore_patterns("*.dcm"))
    names = {"lungs.dcm", "opacities.dcm", "assessment.dcm"}
    assert export_later(tmp_path / "results", study, tmp_path / "as found") == names
    check_opacities(tmp_path / "as found", result)
    mask = read_mask(results / "opacities.nrrd")
    np.testing.assert_array_equal(placed(tmp_path / "as found" / "opacities.dcm", mask.geometry), mask.array)

    def corrected(array):
        """Results whose opacities were corrected and measured again."""
        write(mask.with_array(array), tmp_path / "drawn.nrrd")
        files = tmp_path / "results" / "lungs.nrrd", tmp_path / "drawn.nrrd"
        options = jobs.OpacityOptions(*files, name="drawn")
        result["opacities"] = jobs.opacities(study, tmp_path / "results" / "opacities.nrrd", options, progress=silent)
        (tmp_path / "results" / "assessment.json").write_text(json.dumps(result), encoding="utf-8")

    found = result["opacities"]["both"]["opacity_ml"]
    corrected(np.where(np.arange(len(mask.array))[:, None, None] < len(mask.array) // 2, 0, mask.array))
    assert 0 < result["opacities"]["both"]["opacity_ml"] < found
    assert export_later(tmp_path / "results", study, tmp_path / "corrected") == names
    check_opacities(tmp_path / "corrected", result, corrected=True)
    corrected(np.zeros_like(mask.array))
    assert export_later(tmp_path / "results", study, tmp_path / "none") == {"lungs.dcm", "assessment.dcm"}
    group, _inside = groups_of(tmp_path / "none" / "assessment.dcm")["opacities in both lungs"]
    assert numbers(group)["Share of the lung with opacities"] == (0, "%")

    (tmp_path / "results" / "opacities.nrrd").unlink()
    del result["opacities"]
    (tmp_path / "results" / "assessment.json").write_text(json.dumps(result), encoding="utf-8")
    assert export_later(tmp_path / "results", study, tmp_path / "old") == {"lungs.dcm", "assessment.dcm"}
    assert not any("opacities" in name for name in groups_of(tmp_path / "old" / "assessment.dcm"))


def test_no_opacities_are_no_segmentation(study, small, tmp_path):
    ct, files = read_ct_and_files(study)
    source = read_source(files, "CT", ct.geometry.spacing[2])
    labels = np.zeros(small.lungs.array.shape, np.uint8)
    assert write_opacities(labels, source, False, tmp_path / "opacities.dcm", MADE) is None
    assert not list(tmp_path.iterdir())
    labels[3:5, 4, 5] = 2  # the first of the two segments is empty
    write_opacities(labels, source, False, tmp_path / "opacities.dcm", MADE)
    np.testing.assert_array_equal(placed(tmp_path / "opacities.dcm", ct.geometry), labels)


def test_files_lie_beside_the_others_and_agree_with_them(results):
    mask = read_mask(results / "lungs.nrrd")
    np.testing.assert_array_equal(placed(results / "lungs.dcm", mask.geometry), mask.array)
    assert {one.SegmentAlgorithmType for one in pydicom.dcmread(results / "lungs.dcm").SegmentSequence} == {"MANUAL"}
    assert json.loads((results / "assessment.json").read_text(encoding="utf-8"))["patient"]["age"] == 0


def test_nothing_of_the_patient_is_in_the_files_unless_asked_for(results, study, small, tmp_path):
    source = pydicom.dcmread(next(study.iterdir()))
    told = [element for element in source.iterall() if "SECRET" in str(element.value) and element.VR != "SQ"]
    assert len(told) > 300 and source.PatientName.family_name == "Müller-SECRET"
    for path in sorted(results.glob("*.dcm")):
        content, data = path.read_bytes(), pydicom.dcmread(path)
        for telling in ("SECRET", "Müller", "Zoë"):
            assert not any(telling.encode(encoding) in content for encoding in ("utf-8", "latin-1"))
        for element in data.iterall():
            assert element.VR in ("UI", "OB", "SQ") or DATE not in str(element.value), element
        assert data.PatientIdentityRemoved == "YES" and data.PatientID.startswith("ANON-")
        assert (data.StudyDate, data.StudyTime, data.AccessionNumber, data.PatientSex) == ("", "", "", "")

    result = json.loads((results / "assessment.json").read_text(encoding="utf-8"))
    for path in export(study, small.lungs, tmp_path, keep_identity=True, result=result):
        data = pydicom.dcmread(path)
        for keyword in ("PatientName", "PatientID", "PatientBirthDate", "StudyDate", "PatientIdentityRemoved"):
            assert data[keyword].value == source[keyword].value != "", keyword
        assert data.OtherPatientIDsSequence[0].PatientID == "SECRET Ä"
        assert "InstitutionName" not in data and not any(element.tag.is_private for element in data.iterall())


def test_same_input_at_the_same_time_gives_the_same_files(results, study, small, tmp_path):
    result = json.loads((results / "assessment.json").read_text(encoding="utf-8"))
    first, again = (export(study, small.lungs, tmp_path / out, result=result) for out in ("first", "again"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    later = export(study, small.lungs, tmp_path / "later", made=MADE.replace(year=2022), result=result)
    assert len({pydicom.dcmread(path).SOPInstanceUID for path in (*first, *later)}) == 4


@pytest.mark.parametrize("tool", ["dciodvfy", "dsrdump"])
def test_validators_find_no_error(tool, results, small, tmp_path):
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")
    result = json.loads((results / "assessment.json").read_text(encoding="utf-8"))
    known = {"PatientName": "Müller^Zoë", "PatientBirthDate": DATE, "PatientSex": "F", "StudyDate": "20200101"}
    folder = write_dicom(small.ct, tmp_path / "ct", SpecificCharacterSet="ISO_IR 100", **known)
    export(folder, small.lungs, tmp_path / "known", keep_identity=True, result=result)
    for folder in (results, tmp_path / "known"):
        for path in sorted(folder.glob("assessment.dcm" if tool == "dsrdump" else "*.dcm")):
            run = subprocess.run([tool, path], capture_output=True, text=True, errors="replace")
            assert run.returncode == 0 and "Error" not in run.stderr, run.stderr


def test_airways_are_a_segment_of_their_own(small, study, tmp_path):
    how = SegmentationOptions("classical", airways=True)

    def segment(out, keep_identity=False):
        jobs.segment(study, out, jobs.LungOptions(how, keep_identity=keep_identity), progress=silent)
        return out

    mask = read_mask(segment(tmp_path / "lungs.nrrd"))
    assert set(np.unique(mask.array)) == {0, 1, 2, 3}
    path = segment(tmp_path / "lungs.dcm", True)
    np.testing.assert_array_equal(placed(path, mask.geometry), mask.array)
    data = pydicom.dcmread(path)
    described = [(one.SegmentLabel, one.SegmentedPropertyTypeCodeSequence[0].CodeValue) for one in data.SegmentSequence]
    assert described == [
        ("right lung", "39607008"),
        ("left lung", "39607008"),
        ("trachea and main bronchi", "44567001"),
    ]
    assert {one.SegmentAlgorithmType for one in data.SegmentSequence} == {"AUTOMATIC"}
    assert data.PatientName == "Müller-SECRET^Zoë"
    with pytest.raises(InputError, match="leave out --grid"):
        jobs.segment(study, path, jobs.LungOptions(how, grid="working"), progress=silent)


def test_what_cannot_be_exported_is_refused_before_the_work_begins(small, phantom_ct, tmp_path, monkeypatch):
    def refused(ct, **options):
        with pytest.raises(InputError) as caught:
            assess(ct, tmp_path / "out", lungs=small.lungs, progress=silent, **options)
        assert not (tmp_path / "out").is_dir() or not list((tmp_path / "out").iterdir())
        return str(caught.value)

    assert "is no DICOM, which DICOM results need" in refused(phantom_ct, dicom=True)
    assert "is no DICOM, which DICOM results need" in refused(small.ct, dicom=True)
    assert "leave out --keep-identity" in refused(phantom_ct, keep_identity=True)
    folder = write_dicom(small.ct, tmp_path / "ct", SOPInstanceUID=None)
    assert "lack SOPInstanceUID" in refused(folder, dicom=True)
    monkeypatch.setitem(sys.modules, "highdicom", None)
    assert refused(folder, dicom=True) == "The package highdicom is not installed; install it: pip install highdicom."
    run = covid_mtl("assess", phantom_ct, "--out", tmp_path / "out", "--dicom")
    assert run.returncode == 2 and run.stderr.startswith("covid-mtl: ct.nrrd is no DICOM, which DICOM results need")
