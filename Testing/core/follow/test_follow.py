"""Several CTs of one patient in time: what changed is found, and said only where the measurement allows it."""

import base64
import csv
import json
import re
import shutil
from dataclasses import replace
from datetime import datetime

import matplotlib
import numpy as np
import pytest
import SimpleITK as sitk
from conftest import covid_mtl, write, write_dicom
from COVIDMTLLib.assessment.existing_files import keep_others
from COVIDMTLLib.cli.main import main
from COVIDMTLLib.follow.change import DECREASED, INCREASED, MEASURES, NO_CHANGE, changes, values_of
from COVIDMTLLib.follow.comparability import warnings
from COVIDMTLLib.follow.job import follow
from COVIDMTLLib.follow.origin import Origin, origin_of, read_date
from COVIDMTLLib.follow.registration import register
from COVIDMTLLib.follow.scans import Given, in_time, measure, sources
from COVIDMTLLib.imaging.volume import Geometry, Volume, linear_on
from COVIDMTLLib.opacities.measures import ZONES
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.utils.progress import silent
from support.data.orientations import moved

SIZE = {"spacing": (1.6, 1.6, 2.0), "size": 0.48}


@pytest.fixture(scope="module")
def patient():
    """A phantom with few opacities, and the same one later with many."""
    return [thorax(5, ground_glass=share, **SIZE) for share in (0.02, 0.25)]


@pytest.fixture(scope="module")
def files(patient, tmp_path_factory):
    """CTs and lungs: early, the same moved, and late and moved, in thicker slices."""
    folder = tmp_path_factory.mktemp("follow")
    early, late = patient
    kinds = {"early": (early, {}), "same": (early, {}), "late": (late, {"spacing": (1.6, 1.6, 4.0), "degrees": -4})}
    for name, (phantom, how) in kinds.items():
        for what, volume in (("", phantom.ct), ("_lungs", phantom.lungs)):
            write(volume if name == "early" else moved(volume, **how), folder / f"{name}{what}.nrrd")
    return folder


def compared(files, out, *names, dates=None, called=None, **options):
    out.mkdir(exist_ok=True)
    lungs = [files / f"{name}_lungs.nrrd" for name in names]
    cts = [files / f"{name}.nrrd" for name in names]
    return follow(sources(cts, lungs, None, dates, called), out, progress=silent, **options)


def scan_of(phantom, how=None):
    ct, lungs = (moved(one, **how) if how else one for one in (phantom.ct, phantom.lungs))
    return measure(Given("CT", ct, lungs, Origin(), None, None, []), lambda share: None)


def test_a_change_is_found_and_its_interval_holds_the_truth(patient, files, tmp_path):
    """By the command, of DICOM, with the later CT given first; the dates tell. No patient is named, and what somebody
    else wrote is kept."""
    of_patient = {"PatientID": "SECRET"}
    thick = moved(patient[1].ct, spacing=(1.6, 1.6, 4.0), degrees=-4)
    late = write_dicom(thick, tmp_path / "late", series="1.5", AcquisitionDate="20200220", **of_patient)
    early, out = write_dicom(patient[0].ct, tmp_path / "early", **of_patient), tmp_path / "out"
    out.mkdir()
    (out / "follow.csv").write_text("of somebody else")
    masks = [files / f"{name}_lungs.nrrd" for name in ("late", "early")]
    dates = ("-", "2020-02-03T10:30")
    run = covid_mtl("follow", late, early, "--dates", *dates, "--lungs", *masks, "--out", out, "--volumes")
    assert run.returncode == 0, run.stderr
    assert "share of opacities: increased (+2" in run.stdout and "4.0 mm in late:" in run.stderr
    result = json.loads((out / "follow.json").read_text())
    assert [ct["name"] for ct in result["cts"]] == ["early", "late"] and result["schema_version"] == 1
    (change,) = result["changes"]
    shares = [np.count_nonzero(one.opacities.array) / np.count_nonzero(one.lungs.array) for one in patient]
    found = change["measures"]["both_opacity_share"]
    assert found["verdict"] == INCREASED and found["low"] < shares[1] - shares[0] < found["high"]
    assert change["measures"]["score"]["verdict"] == INCREASED
    (registration,) = result["registrations"]
    assert registration["dice"] > max(0.95, registration["dice_before"]) and not registration["poor"]
    assert registration["surface_distance_mm"] < min(1.5, registration["surface_distance_before_mm"])
    with (out / "follow.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["made"] for row in rows] == ["2020-02-03T10:30", "2020-02-20T00:00"]
    assert rows[0]["both_opacity_share_verdict"] == "" and rows[1]["both_opacity_share_verdict"] == INCREASED
    assert float(rows[1]["both_opacity_share_change_low"]) == found["low"]
    page = (out / "follow.html").read_text()
    assert page.count("<img ") == page.count(' alt="') and "http" not in page.replace("data:image", "")
    assert "not for diagnosis" in page and "03 Feb 2020" in page and "↑ Increased" in page
    assert (out / "follow_kept.csv").read_text() == "of somebody else"
    assert not any("SECRET" in (out / f"follow.{ending}").read_text() for ending in ("csv", "html", "json"))
    again = shutil.copytree(out, tmp_path / "again")
    (again / "follow.html").write_text("another page")
    assert keep_others(out, again, record="follow.json") == {}  # what it wrote itself is replaced
    laid = Volume.from_image(sitk.ReadImage(str(out / "registered_2.nrrd")))
    first = linear_on(patient[0].ct, laid.geometry).array
    assert np.mean(np.abs(laid.array.clip(-1024) - first) < 300) > 0.9


def test_three_cts_in_the_order_given_where_a_date_is_missing(files, tmp_path):
    dates = [datetime(2020, 3, 1), None, datetime(2020, 1, 1)]
    with matplotlib.rc_context({"axes.facecolor": "#ff0123"}):  # whatever a user has set, or a program around this one
        result = compared(files, tmp_path / "out", "late", "early", "same", dates=dates, called=["a", "b <i>", "c"])
    assert [(one["from"], one["to"]) for one in result["changes"]] == [(0, 1), (1, 2), (0, 2)]
    verdicts = [one["measures"]["both_opacity_share"]["verdict"] for one in result["changes"]]
    assert verdicts == [DECREASED, NO_CHANGE, DECREASED]
    assert set(result["changes"][0]["measures"]) == {one.key for one in MEASURES}
    # The same lungs in another position have not changed.
    assert {one["verdict"] for one in result["changes"][1]["measures"].values()} == {NO_CHANGE}
    assert result["warnings"][0].startswith("There is no date of b <i>: the CTs are taken in the order")
    page = (tmp_path / "out" / "follow.html").read_text()
    assert "b &lt;i&gt;" in page and "b <i>" not in page and "01 Mar 2020" in page
    curves = re.findall(r"data:image/svg.xml;base64,([^\"]*)", page)
    assert curves and not any(b"#ff0123" in base64.b64decode(curve) for curve in curves)


def test_registration_is_the_same_each_time_and_leaves_equal_lungs_alone(patient):
    early = scan_of(patient[0])
    later = scan_of(patient[1], {"degrees": 6, "scale": 1.08})
    first, second = (register(early, later) for _ in range(2))
    parameters = [one.transform.GetParameters() for one in (first, second)]
    assert parameters[0] == parameters[1] and first.numbers == second.numbers
    assert first.dice > 0.95 > first.dice_before and first.distance_mm < first.distance_before_mm
    # The same place of the patient: where a point of the earlier CT went.
    same = register(early, early)
    assert same.dice == 1 and same.distance_mm == 0
    point = early.ct.geometry.point_at([n / 2 for n in early.ct.geometry.size])
    assert np.allclose(same.transform.TransformPoint(point.tolist()), point, atol=0.5)


def test_a_registration_of_other_lungs_is_called_poor(patient):
    early = scan_of(patient[0])
    half = np.where(np.arange(len(early.lungs.array))[:, None, None] > 60, early.lungs.array, 0).astype(np.uint8)
    squeezed = replace(early, lungs=early.lungs.with_array(half * (half == 1)))
    found = register(early, squeezed)
    assert found.poor and found.numbers["poor"]
    (text,) = warnings([early, squeezed], [found], True)
    assert "may not show the same place" in text


def test_what_a_change_is_told_of():
    def values(share, low, high):
        opacity = {"share": share, "low": low, "high": high}
        side = {"opacity": opacity, "high_opacity": None}
        zones = {zone: {"opacity": opacity} for zone in ZONES}
        lungs = np.zeros((12, 12, 12), np.uint8)
        lungs[2:-2, 2:-2, 2:6], lungs[2:-2, 2:-2, 6:-2] = 1, 2
        measures = {"both": side, "right": side, "left": side, "zones": zones}
        return values_of(Volume(lungs, Geometry((12, 12, 12))), measures)

    before, slightly, much = values(0.10, 0.09, 0.11), values(0.12, 0.11, 0.13), values(0.2, 0.19, 0.23)
    assert before["both_lung_ml"] == {"value": 0.5, "low": 0.2, "high": 0.9} and before["score"]["value"] == 6
    assert before["both_opacity_share"] == pytest.approx({"value": 0.1, "low": 0.075, "high": 0.125})
    assert changes(before, slightly)["both_opacity_share"]["verdict"] == NO_CHANGE
    grown = changes(before, much)["both_opacity_share"]
    assert grown["verdict"] == INCREASED and grown["change"] == pytest.approx(0.1)
    assert grown["low"] == pytest.approx(0.1 - np.sqrt(0.035**2 + 0.025**2 + 0.03**2), abs=1e-4)
    assert changes(much, before)["right_opacity_share"]["verdict"] == DECREASED
    assert changes(before, much)["left_high_opacity_share"] is None
    assert values(0, 0, 0)["score"] == {"value": 0, "low": 0, "high": 0}


def test_what_makes_cts_hard_to_compare_is_warned_of(patient):
    scan = scan_of(patient[0])
    made = {"kernel": ("B30f", "B70f"), "scanner": ("A 1", "B 2"), "contrast": (True, False)}
    thin, thick = (
        replace(
            scan.given,
            name=name,
            origin=Origin(**{what: both[number] for what, both in made.items()}),
            ct=replace(scan.given.ct, geometry=replace(scan.given.ct.geometry, spacing=(1.6, 1.6, slices))),
        )
        for number, (name, slices) in enumerate((("first", 1.5), ("second", 5.0)))
    )
    less = scan.values | {"both_lung_ml": {"value": 0.7 * scan.values["both_lung_ml"]["value"]}}
    scans = [replace(scan, given=thin), replace(scan, given=thick, values=less)]
    found = warnings(scans, [register(scan, scan)], True)
    said = ("1.5 mm apart in first and 5.0 mm", "one kernel: B30f (first), B70f (second)", "one scanner", "contrast")
    assert len(found) == 5 and all(part in text for part, text in zip((*said, "breath"), found, strict=True))
    assert warnings([scan, scan], [register(scan, scan)], True) == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_dates_and_scanners_of_dicom_and_of_files_made_of_it(patient, tmp_path):
    ct = patient[0].ct
    said = {"AcquisitionDate": "20200203", "AcquisitionTime": "103015.5", "ConvolutionKernel": ["B30f", "3"]}
    folder = write_dicom(ct, tmp_path / "series", Manufacturer="A", ManufacturerModelName="One", **said)
    found = origin_of(next(folder.iterdir()))
    assert found == Origin(datetime(2020, 2, 3, 10, 30, 15), "1", "B30f 3", "A One", False)
    image = ct.to_image()
    for tag, value in (("0008|0022", "20200204"), ("0010|0020", "1"), ("0018|1210", "B30f")):
        image.SetMetaData(tag, value)
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    assert origin_of(tmp_path / "ct.nrrd") == Origin(datetime(2020, 2, 4), "1", "B30f", "", False)
    assert origin_of(write(ct, tmp_path / "plain.nrrd")) == Origin()
    odd = write_dicom(ct, tmp_path / "odd", AcquisitionDate="00000000", StudyDate="20200201")
    assert origin_of(next(odd.iterdir())).made == datetime(2020, 2, 1)
    given = [Given("", ct, None, Origin(), day and datetime(2020, 1, day), None, []) for day in (3, 1, 2)]
    assert [one.made.day for one in in_time(given)] == [1, 2, 3]
    assert read_date("2020-02-29T10:30Z") == datetime(2020, 2, 29, 10, 30)


def test_what_cannot_be_compared_gets_one_sentence(patient, files, tmp_path, capsys):
    shutil.copy(files / "early.nrrd", tmp_path / "copy.nrrd")
    for number, how in (("1", {}), ("2", {"spacing": (1.6, 1.6, 4.0)})):
        write_dicom(moved(patient[0].ct, **how), tmp_path / number, series=f"1.2.{number}", PatientID=f"SECRET{number}")
    results = tmp_path / "results"
    results.mkdir()
    (results / "assessment.json").write_text("{}")
    early, late, out = files / "early.nrrd", files / "late.nrrd", tmp_path / "out"
    wrong = {
        (early,): "give two or more",
        (early, early): "given twice",
        (early, tmp_path / "copy.nrrd"): "are the same CT",
        (tmp_path / "1", tmp_path / "2"): "of different patients",
        (early, results): "holds results of an assessment",
        (early, late, "--dates", "2020-01-01"): "--dates has 1 for 2 CTs",
        (early, late, "--dates", "2020-01-01", "29.2.2020"): "'29.2.2020' is no date",
        (early, late, "--names", "a"): "--names has 1 names for 2 CTs",
    }
    for arguments, sentence in wrong.items():
        assert main(["follow", *map(str, arguments), "--out", str(out), "--progress", "none"]) == 2
        said = capsys.readouterr().err
        assert sentence in said and len(said.splitlines()) == 1 and "SECRET" not in said
        assert not (out.exists() and any(out.iterdir()))


def test_cts_that_show_nothing_are_laid_by_the_middles_of_their_lungs(patient):
    early, later = scan_of(patient[0]), scan_of(patient[0], {"degrees": 0, "mm": (8, 0, 0)})
    found = register(early, replace(later, ct=later.ct.with_array(np.full_like(later.ct.array, -800))))
    assert found.dice == found.dice_before > 0.95
    assert np.allclose(found.transform.TransformPoint((0.0, 0.0, 0.0)), (-8, 0, 0), atol=1.1)
