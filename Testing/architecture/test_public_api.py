"""The public API: its names, its examples and those of its page, and that it does what the command line does."""

import ast
import csv
import doctest
import inspect
import re
import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import COVIDMTLLib as covidmtl
import numpy as np
import pytest
from conftest import write
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.volume import labels_on

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / ".github/USING.md").read_text(encoding="utf-8")
FUNCTIONS = [name for name in covidmtl.__all__ if callable(getattr(covidmtl, name))]
PARSER = doctest.DocTestParser()
EXAMPLES = {name: PARSER.get_examples(inspect.getdoc(getattr(covidmtl, name))) for name in FUNCTIONS}
WITHOUT_EXAMPLES = {"Assessment", "InputError", "Volume"}
"""Types that other names give or raise."""


@pytest.fixture
def files(phantom, tmp_path, monkeypatch):
    """What the examples read, in the folder that they run in."""
    write(phantom.ct, tmp_path / "ct.nrrd")
    write(phantom.lungs, tmp_path / "lungs.nrrd")
    write(phantom.ct.with_array(phantom.ct.array + np.int16(1)), tmp_path / "later.nrrd")
    with (tmp_path / "cases.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("case", "ct", "lungs"), ("one", "ct.nrrd", "lungs.nrrd")])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_api_pages_have_all_names():
    pages = (ROOT / ".github/api/index.rst").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\.\. auto\w+:: COVIDMTLLib\.(\w+)$", pages, re.MULTILINE)) == sorted(covidmtl.__all__)


def _public_objects():
    """The callable names of the API, and the public methods of its classes."""
    for name in FUNCTIONS:
        yield name
        public = getattr(covidmtl, name)
        if isinstance(public, type):
            for member, value in vars(public).items():
                if not member.startswith("_") and (callable(value) or isinstance(value, (classmethod, property))):
                    yield f"{name}.{member}"


@pytest.mark.parametrize("name", list(_public_objects()))
def test_docstrings_say_what_is_given_and_what_comes_back(name):
    validate = pytest.importorskip("numpydoc.validate").validate
    unasked = {"ES01", "EX01", "RT04", "SA01", "SS05"}  # as in pyproject.toml; examples have a test of their own
    if is_dataclass(getattr(covidmtl, name, None)):
        unasked |= {"PR01"}  # they are its attributes
    assert [error for error in validate(f"COVIDMTLLib.{name}")["errors"] if error[0] not in unasked] == []


def test_importing_the_package_imports_none_of_what_it_offers():
    script = "import sys, COVIDMTLLib; print(*(name for name in sys.modules if name.startswith('COVIDMTLLib.')))"
    run = subprocess.run([sys.executable, "-c", script + "; print('numpy' in sys.modules)"], capture_output=True)
    assert run.stdout.decode().split() == ["COVIDMTLLib.utils", "COVIDMTLLib.utils.version", "False"]


def test_names_are_those_that_type_checkers_see():
    tree = ast.parse(Path(covidmtl.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name: f"{node.module}:{alias.name}" for node in block.body for alias in node.names}
    assert seen == covidmtl._PLACES
    assert set(covidmtl.__all__) == {*seen, "RESEARCH_USE_ONLY", "__version__"} <= set(dir(covidmtl))
    with pytest.raises(AttributeError, match="no attribute 'nothing_of_the_kind'"):
        _ = covidmtl.nothing_of_the_kind


def test_all_have_examples_but_plain_types():
    assert {name for name, examples in EXAMPLES.items() if not examples} == WITHOUT_EXAMPLES


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - WITHOUT_EXAMPLES))
def test_examples_give_what_they_say(files, name):
    runner = doctest.DocTestRunner(verbose=False)
    told = []
    runner.run(doctest.DocTest(EXAMPLES[name], {}, name, None, 0, None), out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)


def test_examples_of_the_page_run_and_use_public_names_alone(files, capsys):
    section = PAGE.partition("## From Python")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        imported = [node for node in ast.walk(ast.parse(block)) if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert {getattr(node, "module", None) or node.names[0].name for node in imported} <= {"COVIDMTLLib"}
        exec(compile(block, "USING.md", "exec"), names)
    assert (files / "results" / "report.html").is_file() and capsys.readouterr().out


def test_functions_agree_with_an_assessment(phantom):
    ct, mask = phantom.ct, phantom.lungs
    assessment = covidmtl.assess(ct, lungs=mask, model="features-mtl")
    opacities, measures = covidmtl.quantify_opacities(ct, mask)
    assert measures == assessment.result["opacities"] and opacities.array.any()
    assert np.array_equal(opacities.array, labels_on(assessment.opacities, ct.geometry).array)
    features = covidmtl.extract_features(ct, mask)
    assert tuple(features) == tuple(FEATURE_NAMES) and features == pytest.approx(assessment.features, rel=1e-12)
    lungs = covidmtl.segment_lungs(ct, airways=True)
    assert set(np.unique(lungs.array)) == {0, 1, 2, 3}
    assert covidmtl.compare_masks(lungs.with_array(lungs.array % 3), mask)["dice"] > 0.9


def test_patient_is_given_once(phantom):
    patient = covidmtl.Patient(age=64, sex="f", labs={"ALB": 35.0})
    with pytest.raises(covidmtl.InputError, match="given twice"):
        covidmtl.assess(phantom.ct, age=64, patient=patient)
    with pytest.raises(covidmtl.InputError, match="0 to 120 years, and 640 is not"):
        covidmtl.assess(phantom.ct, patient=covidmtl.Patient(age=640))


def test_volume_that_is_no_ct_is_refused(phantom):
    blank = phantom.ct.with_array(np.zeros_like(phantom.ct.array))
    for function in (covidmtl.segment_lungs, covidmtl.extract_features, covidmtl.quantify_opacities):
        with pytest.raises(covidmtl.InputError, match="^The volume "):
            function(blank, *([] if function is covidmtl.segment_lungs else [phantom.lungs]))


def test_follow_tells_what_is_wrong_before_it_reads(files):
    for cts, more, wrong in (
        (["ct.nrrd"], {}, "give two or more"),
        (["ct.nrrd", "ct.nrrd"], {}, "given twice"),
        (["ct.nrrd", "later.nrrd"], {"lungs": ["lungs.nrrd"]}, "There are 1 lungs for 2 CTs"),
    ):
        with pytest.raises(covidmtl.InputError, match=wrong):
            covidmtl.follow_cts(cts, "course", **more)
    assert not (files / "course").exists()
