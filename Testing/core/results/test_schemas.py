"""The JSON Schemas of ``assessment.json`` and ``model.json``, on real results and on every shipped model."""

import json
from importlib.resources import files

import pytest
from COVIDMTLLib import Patient, assess
from COVIDMTLLib.cohort.outcome import read_outcome
from COVIDMTLLib.models.store import read_card, shipped_models
from COVIDMTLLib.results.assessment import SCHEMA_VERSION
from jsonschema import Draft202012Validator
from support.models.bright_model import write_bright_model


def validator(path):
    schema = json.loads((files("COVIDMTLLib") / path).read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


ASSESSMENT, MODEL = validator("results/assessment.schema.json"), validator("models/model.schema.json")


def faults(schema, content):
    return [f"{one.json_path}: {one.message[:200]}" for one in schema.iter_errors(content)]


def assessed(phantom, out, **options):
    assess(phantom.ct, out, lungs=phantom.lungs, **options)
    return json.loads((out / "assessment.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def results(phantom, larger_phantom, tmp_path_factory):
    """Assessments with evidence, with probabilities of two models and all that is known of a patient, and without any
    verdict."""
    folder = tmp_path_factory.mktemp("results")
    patient = Patient(age=64, sex="female", labs={"ALB": 35.0})
    volumes = write_bright_model(folder / "model")
    return {
        "evidence": assessed(larger_phantom, folder / "evidence", prior=0.2),
        "several": assessed(phantom, folder / "several", model=["features-mtl", "features+labs"], patient=patient),
        "volumes": assessed(phantom, folder / "volumes", model=volumes),
        "no verdict": assessed(phantom, folder / "none"),
    }


@pytest.mark.parametrize("kind", ["evidence", "several", "volumes", "no verdict"])
def test_results_are_as_their_schema_has_it(results, kind):
    assert faults(ASSESSMENT, results[kind]) == []
    assert results[kind]["schema_version"] == SCHEMA_VERSION


def test_results_have_all_that_the_schema_can_tell(results):
    assert "likelihood_ratio" in results["evidence"]["tasks"]["covid_ct"]["evidence"]
    assert results["several"]["models"][1]["tasks"]["severity"]["contributions"]
    assert results["volumes"]["tasks"] and results["no verdict"]["no_verdict"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda one: one.pop("opacities"), "$"),
        (lambda one: one.update(verdict="positive"), "$"),
        (lambda one: one.update(schema_version=2), "$.schema_version"),
        (lambda one: one["lungs"]["left"].update(volume_ml="1 l"), "$.lungs.left.volume_ml"),
        (lambda one: one["tasks"]["covid_ct"].pop("evidence"), "$.tasks.covid_ct"),
        (lambda one: one["opacities"]["both"]["opacity"].update(share=1.5), "$.opacities.both.opacity"),
    ],
)
def test_what_is_no_assessment_is_told(results, change, path):
    other = json.loads(json.dumps(results["evidence"]))
    change(other)
    assert [fault.split(":")[0] for fault in faults(ASSESSMENT, other)] == [path]


def test_results_from_before_the_schema_are_read(results, tmp_path):
    outcomes = []
    for without in ((), ("schema_version",)):
        kept = {key: value for key, value in results["evidence"].items() if key not in without}
        (tmp_path / "assessment.json").write_text(json.dumps(kept), encoding="utf-8")
        outcomes.append(read_outcome(tmp_path))
    assert outcomes[0] == outcomes[1] and outcomes[0].row["covid_ct"]


@pytest.mark.parametrize("name", shipped_models())
def test_shipped_models_are_as_their_schema_has_it(name):
    assert faults(MODEL, read_card(name)) == []


def test_model_on_volumes_is_as_its_schema_has_it(tmp_path):
    card = read_card(write_bright_model(tmp_path / "model"))
    assert faults(MODEL, card) == []
    assert faults(MODEL, card | {"format_version": 3}) and faults(MODEL, card | {"lungs": "by hand"})
    assert faults(MODEL, {key: value for key, value in card.items() if key != "network"})
