"""The section Follow-up of the panel: CTs of the scene are compared, in time, with the lungs that they have."""

import json

import pytest
from COVIDMTLLib.phantom import thorax
from COVIDMTLMRML.exports import INSTANCES
from COVIDMTLMRML.results import CT, SEGMENTATION
from support import panels
from support.panels import MODULES, add_ct, add_lungs, host, slicer

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")


@pytest.fixture(scope="module")
def patient():
    """A phantom with few opacities, and the same one later with many."""
    return [thorax(5, ground_glass=share, spacing=(1.6, 1.6, 2.0), size=0.48) for share in (0.02, 0.25)]


@pytest.fixture
def panel():
    return host.open(MODULES["COVIDMTL"])


def with_lungs(phantom, name):
    """A CT in the scene, and its lungs as an assessment leaves them."""
    ct = add_ct(phantom, name)
    text = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", f"{name} assessment")
    text.SetNodeReferenceID(CT, ct.GetID())
    text.SetNodeReferenceID(SEGMENTATION, add_lungs(phantom.lungs, ct, f"{name} lungs").GetID())
    return ct


def tick(panel, *names):
    import qt

    table = panel.ui.followTable
    items = [table.item(row, 0) for row in range(table.rowCount)]
    for item in items:
        if item.text() in names:
            item.setCheckState(qt.Qt.Checked)
    return [item.text() for item in items]


def compare(panel, out):
    panel.ui.followOutputPath.currentPath = str(out)
    panel.ui.followButton.click()
    host.wait_until(panel.ui.followProgressBar.isHidden, panels.PATIENCE)


def test_cts_of_the_scene_are_compared_and_the_page_is_shown(panel, patient, tmp_path):
    """The later one is from DICOM, and first in the scene; the date of the other one is typed in."""
    late = with_lungs(patient[1], "Late")
    with_lungs(patient[0], "-Early")
    said = {"AcquisitionDate": "20200220", "ConvolutionKernel": "B30f"}
    host.import_dicom(panels.by_uid(panels.as_from_dicom(late, patient[1].ct, tmp_path / "1", **said)))
    panel.ui.followCollapsibleButton.collapsed = False
    assert tick(panel, "Late") == ["Late", "-Early"] and not panel.ui.followButton.enabled
    table, out = panel.ui.followTable, tmp_path / "out"
    assert [table.item(row, 1).text() for row in range(2)] == ["2020-02-20", ""]
    tick(panel, "-Early")
    panel.ui.followOutputPath.currentPath = str(out)
    assert panel.ui.followButton.enabled and not panel.ui.followPageButton.enabled
    table.item(1, 1).setText("3.2.2020")
    panel.ui.followButton.click()
    assert host.messages.of("error") == ["'3.2.2020' is no date; write it as year-month-day, such as 2020-02-29."]
    assert not out.exists() and panel.ui.followStatusLabel.text.startswith("Failed")
    host.messages.clear()
    table.item(1, 1).setText("2020-02-03")
    compare(panel, out)
    assert host.messages.of("error") == [] and host.messages.of("open") == [str(out / "follow.html")]
    assert "increased (+" in panel.ui.followStatusLabel.text and panel.ui.followPageButton.enabled
    result = json.loads((out / "follow.json").read_text())
    assert [ct["name"].strip() for ct in result["cts"]] == ["-Early", "Late"]
    assert [ct["made"][:10] for ct in result["cts"]] == ["2020-02-03", "2020-02-20"]
    assert {ct["lungs"] for ct in result["cts"]} == {"given mask"} and result["cts"][1]["kernel"] == "B30f"
    host.close_scene()
    assert panel.ui.followTable.rowCount == 0 and not panel.ui.followButton.enabled


def test_cts_of_different_patients_are_refused(panel, patient, tmp_path):
    files = {}
    for number, phantom in enumerate(patient, 1):
        ct = with_lungs(phantom, f"CT {number}")
        said = {"series": f"1.2.{number}", "PatientID": f"SECRET{number}"}
        files |= panels.by_uid(panels.as_from_dicom(ct, phantom.ct, tmp_path / str(number), **said))
    host.import_dicom(files)
    tick(panel, "CT 1", "CT 2")
    compare(panel, tmp_path / "out")
    (told,) = host.messages.of("error")
    assert "of different patients" in told and "SECRET" not in told and not (tmp_path / "out" / "follow.json").exists()


def test_a_comparison_is_cancelled_and_nothing_is_left(panel, patient, tmp_path):
    for number, phantom in enumerate(patient, 1):
        with_lungs(phantom, f"CT {number}")
    tick(panel, "CT 1", "CT 2")
    panel.ui.followOutputPath.currentPath = str(tmp_path / "out")
    panel.ui.followButton.click()
    assert not panel.ui.applyButton.enabled and not panel.ui.followButton.enabled  # one job at a time
    host.wait_until(lambda: panel.ui.followProgressBar.value > 0, panels.PATIENCE)
    panel.ui.followCancelButton.click()
    assert panels.jobs() == [] and panel.ui.followStatusLabel.text == "Cancelled; nothing was written."
    assert panel.ui.followButton.enabled and not any((tmp_path / "out").iterdir())


def test_a_file_is_read_once_however_often_the_scene_changes(panel, patient, tmp_path, monkeypatch):
    from COVIDMTLPanel.sections import follow as follow_section

    read = []

    def date_of(node):
        read.append((node.GetID(), node.GetAttribute(INSTANCES)))
        return "2020-02-03"

    monkeypatch.setattr(follow_section, "date_of", date_of)
    ct = add_ct(patient[0], "CT")
    panels.as_from_dicom(ct, patient[0].ct, tmp_path / "series")
    for number in range(3):
        add_ct(patient[1], f"Another {number}")
    panel.ui.followCollapsibleButton.collapsed = False
    assert (ct.GetID(), ct.GetAttribute(INSTANCES)) in read and len(read) == len(set(read))
