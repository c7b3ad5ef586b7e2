"""What is known of the patient in the panel COVIDMTL: typed, read, refused, kept, used and shown."""

import json
import re

import pytest
from COVIDMTLLib.patient.laboratory import LABORATORY
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLMRML.results import assessment_of, part_of, store_assessment
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit
from support import panels
from support.data.laboratory_values import LABS
from support.panels import MODULES, add_ct, add_lungs, host, nodes, slicer, table, wait

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")

UNKNOWN = {"age": None, "sex": None, "labs": {}}


@pytest.fixture
def panel(clean_host):
    host.open(MODULES["COVIDMTL"])
    panel = host.reload(MODULES["COVIDMTL"])  # without what an earlier test has searched for
    assert panel.ui.patientCollapsibleButton.collapsed
    panel.ui.patientCollapsibleButton.collapsed = False
    panel.parent.show()
    return panel


def type_in(panel, name, text):
    """Type a value into the cell of a laboratory value, as a user does."""
    cells = panel.ui.labsTable
    cells.editItem(cells.item(list(LABORATORY).index(name), 2))
    editor = cells.viewport().findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClick(editor, Qt.Key_Delete)
    QTest.keyClicks(editor, text)
    QTest.keyClick(editor, Qt.Key_Return)
    host.process_events()


def rows(panel, given=True):
    """What the rows of the table that are not hidden say: mark, value, unit by name; by default of those given."""
    cells = panel.ui.labsTable
    shown = {}
    for row, name in enumerate(LABORATORY):
        title, *texts = (cells.item(row, column).text() for column in range(4))
        assert title == f"{name}  {LABORATORY[name].title}"
        if not cells.isRowHidden(row) and (texts[1] or not given):
            shown[name] = texts
    return shown


def known(panel):
    parameters = panel._parameterNode
    age = None if parameters.age == -1 else parameters.age
    return {"age": age, "sex": parameters.sex.value or None, "labs": json.loads(parameters.labs or "{}")}


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).replace("&nbsp;", " ").split())


def test_values_are_typed_in_checked_and_kept_with_the_scene(panel, tmp_path):
    panel.ui.inputSelector.setCurrentNode(panels.add_empty_ct())
    header = panel.ui.patientCollapsibleButton
    assert header.text == "Patient (optional)"
    assert panel.ui.ageSpinBox.text == panel.ui.sexComboBox.currentText == "unknown"
    assert len(rows(panel, given=False)) == 81 and known(panel) == UNKNOWN
    panel.ui.ageSpinBox.value = 64
    panel.ui.sexComboBox.currentText = "female"
    type_in(panel, "LY", "0.480")
    type_in(panel, "DD", " .5")
    type_in(panel, "HGB", "141")
    assert known(panel) == {"age": 64, "sex": "female", "labs": {"HGB": 141.0, "LY": 0.48, "DD": 0.5}}
    assert header.text == "Patient: 64 years, female, 3 laboratory values"
    given = {"HGB": ["", "141", "g/L"], "LY": ["↓", "0.48", "G/L"], "DD": ["↑", "0.5", "mg/L FEU"]}
    assert rows(panel) == given
    assert panel.ui.labsTable.item(13, 2).font().bold() and not panel.ui.labsTable.item(4, 2).font().bold()

    for text, sentence in (("480", "LY is 480 G/L, and only 0 to 100 G/L can be true"), ("many", "which is no number")):
        type_in(panel, "LY", text)
        assert sentence in words(panel.ui.labsLabel.text) and rows(panel) == given
    type_in(panel, "HGB", "")
    assert "HGB" not in known(panel)["labs"] and "only" not in panel.ui.labsLabel.text
    type_in(panel, "HGB", "141.0")
    assert rows(panel) == given and host.messages == []

    panel.ui.labsFilterEdit.text = "lymph"
    assert list(rows(panel, given=False)) == ["LY", "LYP", "BC"]
    panel.ui.givenOnlyCheckBox.checked = True
    assert list(rows(panel, given=False)) == ["LY"]
    panel.ui.labsFilterEdit.text = ""
    assert rows(panel, given=False) == given

    before = known(panel)
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert known(panel) == UNKNOWN and rows(panel) == {} and header.text == "Patient (optional)"
    host.load_scene(tmp_path / "scene.mrb")
    assert known(panel) == before and rows(panel) == given and panel.ui.ageSpinBox.value == 64
    slicer.mrmlScene.RemoveNode(slicer.util.getNode("Empty"))
    fresh = host.reload(MODULES["COVIDMTL"])
    assert known(fresh) == before and rows(fresh) == given  # they stay until they are changed
    fresh.ui.clearPatientButton.click()
    assert known(fresh) == UNKNOWN and rows(fresh) == {} and fresh.ui.sexComboBox.currentText == "unknown"


def test_values_are_read_from_a_file(panel, tmp_path):
    type_in(panel, "WBC", "7")
    panel.ui.readLabsButton.click()
    assert host.messages.of("file") and known(panel)["labs"] == {"WBC": 7.0}  # the dialog was cancelled
    host.messages.clear()
    (tmp_path / "labs.csv").write_text("name,value,unit\n" + "".join(f"{n},{v!r},\n" for n, v in LABS.items()))
    host.messages.file = str(tmp_path / "labs.csv")
    panel.ui.readLabsButton.click()
    assert known(panel)["labs"] == LABS and list(rows(panel)) == list(LABS)
    (tmp_path / "labs.csv").write_text("LY,HGB\n480,141\n")
    panel.ui.readLabsButton.click()
    (message,) = host.messages.of("error")
    assert message.startswith("labs.csv: The laboratory value LY is 480 G/L") and known(panel)["labs"] == LABS


def test_values_that_a_script_has_spoilt_are_refused_with_a_sentence(panel, phantom):
    ct = add_ct(phantom)
    panel.ui.inputSelector.setCurrentNode(ct)
    for number, (text, sentence) in enumerate(
        {"[1]": "are damaged; clear them", '{"LY"': "are damaged; clear them", '{"LYM": 1}': "write LY"}.items()
    ):
        panel._parameterNode.labs = text
        assert sentence in panel.ui.labsLabel.text and rows(panel) == {}
        panel.ui.applyButton.click()
        assert len(host.messages) == number + 1 and sentence in host.messages.of("error")[-1]
        assert not panels.running(panel)
    panel.ui.clearPatientButton.click()
    assert panel.ui.labsLabel.isHidden()
    with pytest.raises(InputError, match="^The age has to be 0 to 120 years"):
        panel.logic.process(ct, age=640)


def test_run_uses_what_is_given_and_the_results_say_so(panel, phantom):
    ct = add_ct(phantom, "Phantom")
    panel.ui.inputSelector.setCurrentNode(ct)
    panel.ui.lungsSelector.setCurrentNode(add_lungs(phantom.lungs, ct))
    labs = LABS | {"LY": 1 / 3}
    panel.ui.ageSpinBox.value = 64
    panel.ui.sexComboBox.currentText = "male"
    panel._parameterNode.labs = json.dumps(labs)
    panel.ui.applyButton.click()
    wait(panel)
    assert host.messages == []
    result = assessment_of(ct)
    assert result["patient"] == {"age": 64.0, "sex": "male", "labs": labs}
    panel.ui.clearPatientButton.click()
    text = words(panel.ui.patientLabel.text)
    assert "64 years, male, 5 laboratory values Outside normal: ↓ LY 0.333333 G/L , ↑ DD 0.5 mg/L FEU" in text
    patient = table(slicer.util.getNode("Phantom COVID-MTL patient"))
    assert patient["Name"] == ["age", "sex", *labs]
    assert list(map(float, patient["Value"])) == pytest.approx([64, 1, *labs.values()], rel=1e-5)
    assert patient["Unit"][:2] == ["years", "0 female, 1 male"]
    assert patient["Beside the normal range"] == ["", "", "", "below", "above", "", ""]


def contribution(name, title, value, unit, amount):
    return {"name": name, "title": title, "value": value, "unit": unit, "contribution": amount}


CONTRIBUTIONS = [
    contribution("LDH", "Lactate dehydrogenase", 400.0, "U/L", 0.8421),
    contribution("age", "Age", 64.0, "years", 0.42),
    contribution("sex", "Sex", 1, "", -0.4),
    contribution("CREA", "Creatinine", 171.5, "μmol/L", 0.3),
    contribution("LLH_glcm_Idmn", "inverse difference moment, co-occurrence, wavelet LLH", 0.981234, "", -0.2),
    contribution("LY", "Lymphocyte count", 0.48, "G/L", 0.1),
]

SETS = {
    "covid_ct": (["positive"], "90 % set: positive"),
    "covid_nat": (["negative", "positive"], "90 % set: negative or positive"),
    "severity": ([], "90 % set: none fits, this case is unlike all"),
}


def explained_result():
    """What assessment.json holds of a model that says what its verdicts rest on."""
    lung = {"volume_ml": 2500.0, "mean_hu": None, "ground_glass_share": None, "consolidation_share": None}
    tasks = {}
    for task, (classes, _words) in SETS.items():
        verdict = {"title": f"Task {task}", "classes": ["negative", "positive"], "probabilities": [0.3, 0.7]}
        chosen = {"coverage": 0.9, "classes": classes}
        why = {"contributions": CONTRIBUTIONS, "contribution_sums": {"ct_features": -1.234, "not_measured": 0.5}}
        tasks[task] = verdict | {"verdict": "positive", "prediction_set": chosen} | why
    return {
        "case": "Empty",
        "warnings": [],
        "tasks": tasks,
        "aggregate": None,
        "patient": {"age": 64.5, "sex": "male", "labs": {name: lab.highest for name, lab in LABORATORY.items()}},
        "lungs": dict.fromkeys(("right", "left", "both"), lung),
    }


def test_sets_and_contributions_are_shown_and_come_back_with_the_scene(panel, tmp_path):
    ct, result = panels.add_empty_ct(), explained_result()
    panel.ui.inputSelector.setCurrentNode(ct)
    assert panel.ui.patientLabel.isHidden() and panel.ui.contributionsButton.isHidden()
    store_assessment(result, ct, "<p>The report")
    panel.showResults()
    texts = [getattr(panel.ui, f"{name}Label").text for name in ("verdicts", "patient", "reasons")]
    by_task, reasons = (re.split(r"Task \w+: positive", words(texts[n]))[1:] for n in (0, 2))
    assert "counted" not in texts[0] and panel.ui.reasonsGroupBox.collapsed  # what counted is to be folded out
    for (_classes, said), verdict, text in zip(SETS.values(), by_task, reasons, strict=True):
        assert said in verdict
        assert "Lactate dehydrogenase: 400 U/L +0.84 Age: 64 years +0.42 Sex: male -0.40" in text
        assert "Creatinine: 171.5 μmol/L +0.30 Inverse difference moment" in text and "LLH: 0.9812 -0.20" in text
        assert "Lymphocyte" not in text  # five are enough
        assert "In sum: CT -1.23, what was not measured +0.50" in text
    assert "64.5 years, male, 81 laboratory values" in texts[1] and words(texts[1]).endswith("73 more")
    panel.ui.contributionsButton.click()
    stored = part_of(ct, "COVIDMTL.Contributions")
    assert slicer.app.applicationLogic().GetSelectionNode().GetActiveTableID() == stored.GetID()
    tables = {name: table(slicer.util.getNode(name)) for kind, name in nodes() if kind == "vtkMRMLTableNode"}
    assert list(tables) == [
        f"Empty COVID-MTL {name}" for name in ("contributions", "lungs", "patient", "probabilities")
    ]
    contributions, _lungs, patient, probabilities = tables.values()
    assert contributions["Name"] == 3 * [one["name"] for one in CONTRIBUTIONS]
    amounts = list(map(float, contributions["Contribution to the verdict, log-odds"]))
    assert amounts == 3 * [one["contribution"] for one in CONTRIBUTIONS]
    inside, outside = "inside, 90% coverage", "outside, 90% coverage"
    assert probabilities["Prediction set"] == [outside, inside, inside, inside, outside, outside]
    assert len(patient["Name"]) == 83

    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert panel.ui.patientLabel.isHidden() and panel.ui.contributionsButton.isHidden()
    host.load_scene(tmp_path / "scene.mrb")
    assert [getattr(panel.ui, f"{name}Label").text for name in ("verdicts", "patient", "reasons")] == texts
    assert {name: table(slicer.util.getNode(name)) for name in tables} == tables
    ct = slicer.util.getNode("Empty")
    assert assessment_of(ct) == result

    # An assessment that was given nothing and explains nothing, of before there was either, takes the tables away.
    for task in result["tasks"].values():
        del task["prediction_set"], task["contributions"], task["contribution_sums"]
    del result["patient"]
    store_assessment(result, ct, "<p>The report")
    panel.showResults()
    assert panel.ui.patientLabel.isHidden() and panel.ui.contributionsButton.isHidden()
    assert "set:" not in panel.ui.verdictsLabel.text and panel.ui.reasonsGroupBox.isHidden()
    assert [name for kind, name in nodes() if kind == "vtkMRMLTableNode"] == [
        "Empty COVID-MTL lungs",
        "Empty COVID-MTL probabilities",
    ]
    assert table(slicer.util.getNode("Empty COVID-MTL probabilities"))["Prediction set"] == 6 * [""]
