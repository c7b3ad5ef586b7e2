"""What is known of the patient besides the CT: read, checked, refused, handed on and shown."""

import csv
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from COVIDMTLLib.assessment import in_subprocess
from COVIDMTLLib.assessment.pipeline import assess
from COVIDMTLLib.cli import main
from COVIDMTLLib.cohort.folder import assess_folder
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.model import Model
from COVIDMTLLib.models.store import load_network, save_model
from COVIDMTLLib.patient.laboratory import LABORATORY
from COVIDMTLLib.patient.patient import Patient, check_patient, read_labs
from COVIDMTLLib.prediction.ensemble import judge_all
from COVIDMTLLib.utils.errors import InputError
from support.data.laboratory_values import LABS

GOOD_FILES = {
    "pairs.csv": "name,value\nLY,0.48\nHGB,141\n\ncrea,71.5\nDD, 5e-1\nWBC,\nCD4/CD8,1.4\n",
    "units.csv": 'NAME,Value,Unit\nLY,0.48,10^9/L\nHGB,141,G / L\nCREA,71.5,µmol/l\ndd,0.5,"mg/L feu"\nCD4/CD8,1.4,\n',
    "names.csv": "LY,HGB,WBC,CREA,DD,cd4/cd8\n0.48,141.0,,71.5,.5,1.4\n",
    "numbers.json": '{"LY": 0.48, "HGB": 141, "WBC": null, "CREA": "71.5", "DD": 0.5, "CD4/CD8": 1.4}',
    "units.json": '{"LY": {"value": 0.48, "unit": "×10⁹/L"}, "HGB": {"value": 141}, "WBC": {"value": null},'
    ' "CREA": {"value": 71.5, "unit": "umol/L"}, "DD": 0.5, "CD4/CD8": {"value": 1.4, "unit": null}}',
}


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("name", GOOD_FILES)
def test_forms_of_a_file(name, mark, tmp_path):
    (tmp_path / name).write_text(mark + GOOD_FILES[name], encoding="utf-8")
    found = read_labs(tmp_path / name)
    assert found == LABS and list(found) == list(LABS)


BAD_FILES = {
    "unknown name": ("a.csv", "name,value\nLYM,1\n", "no laboratory value 'LYM' among the 81", "write LY if"),
    "title for a name": (
        "a.csv",
        "Lymphocyte,HGB\n1,100\n",
        "value 'Lymphocyte' among the 81",
        "write BC or LY or LYP if",
    ),
    "many unknown names": (
        "a.json",
        json.dumps({f"X{i}": 1 for i in range(9)}),
        "'X4' and 4 more among",
        "leave it out",
    ),
    "twice": ("a.csv", "name,value\nLY,1\nLY,2\n", "'LY' twice"),
    "twice in a row": ("a.csv", "LY,LY\n1,2\n", "'LY' twice"),
    "twice in JSON": ("a.json", '{"LY": 1, "LY": 2}', "'LY' twice"),
    "twice in two cases": ("a.json", '{"Na": 140, "NA": 141}', "Na is given twice"),
    "unit": ("a.csv", "name,value,unit\nHGB,14.1,g/dL\n", "HGB has to be in g/L, and is in 'g/dL'; convert it"),
    "another D-dimer": ("a.json", '{"DD": {"value": 1, "unit": "mg/L DDU"}}', "DD has to be in mg/L FEU"),
    "unit of a ratio": ("a.json", '{"INR": {"value": 1, "unit": "s"}}', "INR has to be without a unit"),
    "decimal point": ("a.csv", "MPV\n100.1\n", "MPV is 100.1 fl, and only 4 to 20 fl can be true"),
    "no number": ("a.csv", "name,value\nDD,<0.5\n", "DD is '<0.5', which is no number"),
    "NaN": ("a.json", '{"LY": NaN}', "LY is nan, which is no number"),
    "NaN in CSV": ("a.csv", "LY\nnan\n", "LY is 'nan', which is no number"),
    "infinite": ("a.json", '{"LY": 1e999}', "LY is inf, which is no number"),
    "no float": ("a.json", '{"LY": 1%s}' % ("0" * 400), "which is no number"),
    "true": ("a.json", '{"LY": true}', "LY is True, which is no number"),
    "a list": ("a.json", '{"LY": [1]}', "LY is [1], which is no number"),
    "no value": ("a.json", '{"LY": {"unit": "G/L"}}', 'LY has to be a number, or {"value": ..., "unit": ...}'),
    "several rows": ("a.csv", "LY,HGB\n1,100\n2,110\n", "a.csv has 2 rows of values; give one"),
    "no row": ("a.csv", "LY,HGB\n", "a.csv has 0 rows of values"),
    "cut off": ("a.csv", "LY,HGB,WBC\n1,10", "has 2 cells, and the header 3"),
    "quote": ("a.csv", 'name,value\nLY,"1\n', "a.csv is damaged or no CSV"),
    "column without a name": ("a.csv", "LY,\n1,2\n", "column without a name"),
    "semicolons": ("a.csv", "LY;HGB\n1;100\n", "are not separated by commas"),
    "empty": ("a.csv", "\n\n", "a.csv is empty"),
    "nothing in it": ("a.csv", "LY,HGB\n,\n", "a.csv has 0 rows of values"),
    "nothing known": ("a.json", '{"LY": null}', "a.json holds no laboratory value"),
    "no JSON": ("a.json", '{"LY": 1', "a.json is damaged: it is no JSON"),
    "deep": ("a.json", '{"LY":' * 100_000, "a.json is damaged: it is no JSON"),
    "no object": ("a.json", "[1, 2]", "a.json has to be one JSON object"),
    "UTF-16": ("a.csv", "LY\n1\n".encode("utf-16"), "a.csv is no text in UTF-8"),
    "spreadsheet": ("a.xlsx", b"PK\x03\x04", "are read from .csv and .json files"),
    "huge": ("a.csv", b" " * (8 * 2**20 + 1), "a.csv has more than 8 MiB"),
    "no file": (None, None, "There is no file"),
}


def refused(arguments, out, capsys, sentence):
    assert main.main(["assess", "ct that is not looked at.nrrd", "--out", str(out), *map(str, arguments)]) == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert message.startswith("covid-mtl: ") and message.endswith(".\n") and message.count("\n") == 1
    assert not out.exists()
    return message


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_file_is_refused_before_the_ct_is_read(kind, tmp_path, capsys):
    name, content, sentence, *more = BAD_FILES[kind]
    path = tmp_path / (name or "none.csv")
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    message = refused(["--labs", path], tmp_path / "out", capsys, sentence)
    assert all(one in message for one in more)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--age", "121"], "The age has to be 0 to 120 years, and '121' is not"),
        (["--age=-1"], "The age has to be 0 to 120 years"),
        (["--age", "nan"], "The age has to be 0 to 120 years"),
        (["--age", "sixty"], "and 'sixty' is not"),
        (["--sex", "x"], "The sex has to be female or male, and 'x' is neither"),
        (["--labs", "."], "are read from .csv and .json files"),
    ],
)
def test_bad_option(options, sentence, tmp_path, capsys):
    refused(options, tmp_path / "out", capsys, sentence)


def test_patient_as_models_take_it():
    patient = check_patient("64.5", " F", {"ly": 0.48, "HGB": np.float32(141), "WBC": None})
    assert patient == Patient(64.5, "female", {"HGB": 141.0, "LY": 0.48})
    assert patient.known == {"age": 64.5, "sex": 0.0, "HGB": 141.0, "LY": 0.48}
    assert check_patient(0, "MALE").known == {"age": 0.0, "sex": 1.0}
    assert check_patient().known == check_patient("", "", {}).known == {}


def test_limits_hold_what_the_cohort_has_but_its_typing_errors(cohort_folder):
    with (cohort_folder / "lab_definitions.csv").open(encoding="utf-8") as file:
        ranges = {row["Abbreviation"]: row["Normal range"] for row in csv.DictReader(file)}
    with (cohort_folder / "labs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(LABORATORY) == list(ranges) and len(LABORATORY) == 81
    beyond = {}
    for name, lab in LABORATORY.items():
        printed, _, unit = ranges[name].partition(" ")
        low, high = ("", printed[1:]) if printed[0] == "<" else printed.split("-")
        assert (lab.normal_low, lab.normal_high) == (float(low) if low else None, float(high))
        assert lab.unit.casefold() == unit.casefold()
        assert lab.lowest <= (lab.normal_low or lab.lowest) < lab.normal_high <= lab.highest
        assert lab.unit != "%" or 0 <= lab.lowest < lab.highest <= 100
        values = np.array([row[name] for row in rows if row[name]], float)
        if name == "PA":  # a fifth of it is in mg/L, all beyond the limits
            assert np.mean(values > lab.highest) > 0.15
            values = np.where(values > lab.highest, values / 1000, values)
        outside = (values < lab.lowest) | (values > lab.highest)
        assert outside.mean() < 0.01, name
        beyond[name] = values[outside]
    assert {"MPV": [100.1], "RDWSD": [0.34], "PLCT": [46.1], "GLU": [238.1]}.items() <= {
        name: values.tolist() for name, values in beyond.items()
    }.items()


def test_model_gets_what_it_can_use_of_what_is_known():
    class Runner:
        used = {}

        def probabilities(self, **case):
            self.case = case
            return [np.array([0.25, 0.75])]

    card = {"name": "m", "format_version": 2, "network": {"architecture": "features-mtl"}}
    card |= {"tasks": [{"name": "covid_ct", "title": "CT", "classes": ["negative", "positive"]}]}
    models = [Model(card | {"patient_values": ["age", "LY", "IL-6"]}, Runner()), Model(card, Runner())]
    assert [model.patient_values for model in models] == [["age", "LY", "IL-6"], []]
    judge_all(models, [{}, {}], [None, None], {"age": 64.0, "sex": 1.0, "LY": 0.48})
    judge_all(models[:1], [{}], [None])
    assert np.isnan(models[0].runner.case["patient"]).all() and models[1].runner.case == {}
    judge_all(models, [{}, {}], [None, None], {"age": 64.0, "sex": 1.0, "LY": 0.48})
    np.testing.assert_array_equal(models[0].runner.case["patient"], [64.0, 0.48, np.nan])
    assert models[1].runner.case == {}


def test_card_with_patient_values_that_its_network_has_no_use_for_is_refused(tmp_path):
    card, network = load_network("features-mtl")
    card = {key: value for key, value in card.items() if key != "weights"}
    with pytest.raises(InputError, match="has patient_values in its model.json, which its network has no use for"):
        save_model(tmp_path, card | {"patient_values": ["age"]}, network)


def test_patient_is_in_the_results_and_the_report(phantom, tmp_path):
    (tmp_path / "labs.json").write_text(json.dumps(LABS))
    options = {"age": 64.5, "sex": "f", "labs": tmp_path / "labs.json", "device": "cpu", "model": "features"}
    assess(phantom.ct, tmp_path / "out", lungs=phantom.lungs, **options)
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert result["patient"] == {"age": 64.5, "sex": "female", "labs": LABS}
    warning = "Of what is known of the patient, model features does not use HGB, LY, DD, CREA, CD4/CD8."
    assert warning in result["warnings"]
    for task in result["tasks"].values():
        # A set holds in the hospitals of the training, and this may be any.
        assert "prediction_set" not in task and task["holds_at"] == "two hospitals in Wuhan, early 2020"
        sizes = [abs(one["contribution"]) for one in task["contributions"]]
        assert sizes == sorted(sizes, reverse=True) and sizes[-1] > 0
        assert {one["name"] for one in task["contributions"]} <= {*FEATURE_NAMES, "age", "sex"}
        assert task["contribution_sums"]["age_and_sex"] != 0 == task["contribution_sums"]["laboratory_values"]
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    text = " ".join(re.sub(r"<[^>]+>", " ", page[page.index("<body>") :]).split())
    assert text.index("Both diagnoses together") < text.index("64.5 years, female.") < text.index("Right lung")
    assert (
        "As two hospitals in Wuhan, early 2020 would have it" in text
        and "What spoke for and against the verdicts" in text
    )
    for shown in (
        "Hemoglobin 141 g/L HGB 130 to 175",
        "Lymphocyte count ↓ 0.48 G/L LY 1.1 to 3.2",
        "D-Dimer ↑ 0.5 mg/L FEU DD &lt; 0.5",
        "CD4/CD8 ratio 1.4 CD4/CD8 0.41 to 2.72",
    ):
        assert shown in text
    assert page.count('class="outside"') == 2


@pytest.fixture
def commands(monkeypatch):
    """The command lines that children would have run, with the content of their file of laboratory values."""
    run = []

    def start(*arguments, python, folder):
        options = dict(word.split("=", 1) for word in arguments if str(word).startswith("--") and "=" in word)
        labs = read_labs(options.pop("--labs")) if "--labs" in options else None
        run.append((options, labs))
        return SimpleNamespace(wait=lambda progress: None)

    monkeypatch.setattr(in_subprocess, "Child", start)
    return run


def test_patient_travels_to_a_child(commands, tmp_path):
    labs = LABS | {"LY": 1 / 3}
    in_subprocess.assess_in_child("ct.nrrd", tmp_path, age=64.5, sex="female", labs=labs)
    in_subprocess.assess_in_child("ct.nrrd", tmp_path, labs={})
    out = {"--out": str(tmp_path)}
    assert commands == [(out | {"--age": "64.5", "--sex": "female"}, labs), (out, None)]
    with pytest.raises(InputError, match="^The laboratory value LY is 480 G/L"):
        in_subprocess.assess_in_child("ct.nrrd", tmp_path, labs={"LY": 480})


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / "cts" / name).mkdir(parents=True)
    return tmp_path / "cts"


def test_patients_of_a_batch(folder, tmp_path):
    given = {}

    def record(ct, out, *, name, progress, **options):
        given[name] = options
        raise InputError("Enough is known.")

    (tmp_path / "patients.csv").write_text("Case,LY,Age,sex,hgb\nc,0.48,64.5,F,\na,,,,141\n")
    rows = assess_folder(folder, tmp_path / "out", patients=tmp_path / "patients.csv", assess=record, model="m")
    assert given == {
        "a": {"model": "m", "age": None, "sex": None, "labs": {"HGB": 141.0}},
        "b": {"model": "m"},
        "c": {"model": "m", "age": 64.5, "sex": "female", "labs": {"LY": 0.48}},
    }
    assert rows == [{"case": name, "error": "Enough is known."} for name in "abc"]


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("case,age\nd,64\n", "patients.csv has the case 'd', which is not in the folder"),
        ("case,age\na,64\na,65\n", "patients.csv has 'a' twice"),
        ("age,sex\n64,F\n", "patients.csv has no column case"),
        ("case,gender\na,F\n", "patients.csv, case a: There is no laboratory value 'gender'"),
        ("case,Age,age\na,64,65\n", "patients.csv has 'age' twice"),
        ("case,LY\na,1\nb,1000\n", "patients.csv, case b: The laboratory value LY is 1000 G/L"),
        ("case,age\na,640\n", "patients.csv, case a: The age has to be 0 to 120 years"),
    ],
)
def test_bad_table_of_patients(table, sentence, folder, tmp_path):
    (tmp_path / "patients.csv").write_text(table)
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}"):
        assess_folder(folder, tmp_path / "out", patients=tmp_path / "patients.csv")
    assert not (tmp_path / "out").exists()
