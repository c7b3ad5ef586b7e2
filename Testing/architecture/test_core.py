"""The shape of the core: what it imports, and that what is public is described."""

import ast
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import COVIDMTLLib
import pytest
from conftest import covid_mtl, write
from COVIDMTLLib.utils.optional_imports import MissingPackage, require

FILES = sorted(Path(COVIDMTLLib.__file__).parent.rglob("*.py"))
HEAVY = {"torch", "radiomics", "matplotlib"}
FOREIGN = {"slicer", "qt", "ctk", "vtk"}
NEED_MORE = {
    "COVIDMTLLib.features.pyradiomics_engine",
    "COVIDMTLLib.models.inference",
    "COVIDMTLLib.models.release_checkpoint",
    "COVIDMTLLib.models.torch_weights",
    "COVIDMTLLib.networks",
    "COVIDMTLLib.prediction.attention_maps",
    "COVIDMTLLib.prediction.case_attention",
}
"""Modules and packages that import PyTorch or PyRadiomics at once, since they are of use only with it."""


def light_modules():
    """All modules of the core but those that need more, and those that run when they are imported."""
    root = Path(COVIDMTLLib.__file__).parents[1]
    for path in FILES:
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts).removesuffix(".__init__")
        within = {".".join(parts[: count + 1]) for count in range(len(parts))}
        if parts[-1] != "__main__" and not within & NEED_MORE:
            yield name


def test_importing_the_core_loads_nothing_heavy():
    script = f"import json, sys\nimport {', '.join(light_modules())}\nprint(json.dumps(list(sys.modules)))"
    loaded = set(json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout))
    assert "COVIDMTLLib.assessment.pipeline" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_core_never_imports_slicer_and_describes_what_is_public(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    assert not names & FOREIGN
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


@pytest.mark.parametrize(
    ("module", "hint"),
    [
        ("skimage", "pip install scikit-image"),
        ("safetensors", "pip install safetensors"),
    ],
)
def test_missing_package_is_named_before_any_work(phantom_ct, tmp_path, module, hint):
    hidden = f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {module!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
from COVIDMTLLib.assessment.pipeline import assess
assess({str(phantom_ct)!r}, progress=lambda *news: print("working"))
"""
    run = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True)
    assert run.stdout == ""
    assert f"MissingPackage: The package {module} is not installed" in run.stderr and hint in run.stderr


LIBRARY = "raise OSError('libpart.so.1: cannot open shared object file')"
HALF = "import half_that_is_missing"
OTHER_VERSION = "import sys; sys.api_of_another_version"

DAMAGED = {
    "radiomics": (
        ["features", "lungs.nrrd", "--engine", "pyradiomics", "--out", "features.csv"],
        HALF,
        "No module named 'half_that_is_missing'",
        "--force-reinstall pyradiomics-bhklab",
    ),
    "safetensors": (["assess"], LIBRARY, "libpart.so.1: cannot open shared object file", "safetensors"),
    "jinja2": (["assess"], OTHER_VERSION, "module 'sys' has no attribute", "--force-reinstall jinja2"),
    "sklearn": (
        ["calibrate", "labels.csv", "--out", "model"],
        "",
        "No module named 'sklearn.metrics'",
        "--force-reinstall scikit-learn",
    ),
    "skimage": (["segment"], "", "No module named 'skimage.draw'", "--force-reinstall scikit-image"),
    "scipy": (["segment"], LIBRARY, "libpart.so.1", "--force-reinstall scipy"),
    "SimpleITK": (["compare-masks", "ct.nrrd"], LIBRARY, "libpart.so.1", "--force-reinstall SimpleITK"),
    "nibabel": (["segment"], OTHER_VERSION, "module 'sys' has no attribute", "--force-reinstall nibabel"),
}


@pytest.mark.parametrize("package", DAMAGED)
def test_damaged_package_is_named(phantom, tmp_path, monkeypatch, package):
    (command, *more), content, reason, hint = DAMAGED[package]
    (tmp_path / "site" / package).mkdir(parents=True)
    (tmp_path / "site" / package / "__init__.py").write_text(content)
    ct = write(phantom.ct, tmp_path / "ct.nii.gz")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    run = covid_mtl(command, ct, *(more or ["--out", tmp_path / "lungs.nrrd"]))
    assert run.returncode == 2, run.stderr
    sentence = run.stderr.splitlines()[-1]
    assert sentence.startswith(f"covid-mtl: The package {package} is damaged or incomplete ({reason}")
    assert "); install it again: pip install --force-reinstall" in sentence and hint in sentence
    assert "Traceback" not in run.stderr


def test_folder_that_an_uninstalled_package_left_is_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
    with pytest.raises(MissingPackage, match=r"^The package tqdm is damaged or incomplete \(its folder is empty\)"):
        require("tqdm")


def test_command_that_is_installed_is_there():
    project = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    module, function = re.search(r'^covid-mtl = "([\w.]+):(\w+)"$', project, re.MULTILINE).groups()
    assert callable(getattr(importlib.import_module(module), function))
