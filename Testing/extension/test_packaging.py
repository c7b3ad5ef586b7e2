"""The Slicer extension as it is packaged: built and installed by CMake on a stand-in for Slicer's build system."""

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from COVIDMTLLib.features.names import FEATURE_NAMES
from matplotlib.image import imread

cmake = pytest.importorskip("cmake")
ninja = pytest.importorskip("ninja")
if shutil.which("c++") is None:
    pytest.skip("project() of an extension needs a C++ compiler", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
STAND_IN = ROOT / "Testing/slicer_cmake"
MODULES = ("COVIDMTL", "SegmentRefine")
MODULES_FOLDER = "lib/Slicer-5.13/qt-scripted-modules"
CATALOG_ENTRY = ROOT / ".github/ExtensionsIndex/COVIDMTL.json"


def _tool(name, *arguments):
    command = [Path(cmake.CMAKE_BIN_DIR) / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def _copy_of_the_sources(folder: Path) -> Path:
    for module in MODULES:
        shutil.copytree(ROOT / module, folder / module, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("CMakeLists.txt", "README.md", "LICENSE.txt"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _configure(source: Path, build: Path):
    options = {
        "CMAKE_MAKE_PROGRAM": Path(ninja.BIN_DIR) / "ninja",
        "Slicer_DIR": STAND_IN,
        "Python3_EXECUTABLE": sys.executable,
    }
    return _tool("cmake", "-S", source, "-B", build, "-G", "Ninja", *(f"-D{k}={v}" for k, v in options.items()))


def _install(source: Path, build: Path, prefix: Path) -> Path:
    """Configure, build and install; the folder of the installed modules."""
    for step in (
        _configure(source, build),
        _tool("cmake", "--build", build),
        _tool("cmake", "--install", build, "--prefix", prefix),
    ):
        assert step.returncode == 0, step.stdout + step.stderr
    return prefix / MODULES_FOLDER


def _files(folder: Path) -> dict[str, Path]:
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.name != "CMakeLists.txt"
    }


def _differences(source: Path, installed: Path) -> set[str]:
    """Files of the modules that are missing, too many or not the same where they are installed."""
    wanted = {name: path for module in MODULES for name, path in _files(source / module).items()}
    found = _files(installed)
    both = wanted.keys() & found.keys()
    changed = {name for name in both if not filecmp.cmp(wanted[name], found[name], shallow=False)}
    return (wanted.keys() ^ found.keys()) | changed


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """A folder with the build tree ``build`` and what it installs, ``Slicer``; the sources are gone."""
    folder = tmp_path_factory.mktemp("folder with blanks") / "in its name"
    source = _copy_of_the_sources(folder / "source")
    _install(source, folder / "build", folder / "Slicer")
    shutil.rmtree(source)
    return folder


@pytest.fixture(scope="module")
def installed(package):
    """The folder of the installed modules."""
    return package / "Slicer" / MODULES_FOLDER


@pytest.fixture
def run_installed(installed, tmp_path):
    """Run Python in another folder, with the installed modules before all else."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"PYTHONPATH": str(installed), "QT_QPA_PLATFORM": "offscreen"}

    def run(*arguments):
        command = [sys.executable, *map(str, arguments)]
        result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    return run


def test_installs_exactly_what_the_modules_hold(installed):
    assert _differences(ROOT, installed) == set()


def test_a_file_that_no_list_names_is_noticed(tmp_path):
    source = _copy_of_the_sources(tmp_path / "source")
    forgotten = {"COVIDMTLLib/phantom/rasterise.py", "COVIDMTLLib/reports/report.html.jinja"}
    lists = source / "COVIDMTL/CMakeLists.txt"
    lines = lists.read_text().splitlines()
    lists.write_text("\n".join(line for line in lines if line.strip() not in forgotten))
    assert _differences(source, _install(source, tmp_path / "build", tmp_path / "Slicer")) == forgotten


@pytest.mark.parametrize("name", ["COVIDMTLLib/segmentation/left_right.py", "Resources/Models/features-mtl/model.json"])
def test_a_listed_file_that_is_not_there_stops_the_build(name, tmp_path):
    source = _copy_of_the_sources(tmp_path / "source")
    (source / "COVIDMTL" / name).unlink()
    result = _configure(source, tmp_path / "build")
    assert result.returncode != 0
    assert name in result.stderr


def test_registers_the_tests_of_both_modules(package):
    result = _tool("ctest", "--test-dir", package / "build", "--show-only=json-v1")
    names = {test["name"] for test in json.loads(result.stdout)["tests"]}
    assert names == {f"py_{name}" for name in MODULES} | {
        f"py_nomainwindow_qSlicer{name}ModuleGenericTest" for name in MODULES
    }


def test_command_line_of_the_installed_modules(run_installed, installed, phantom_ct, tmp_path):
    found = run_installed("-c", "import COVIDMTLLib; print(COVIDMTLLib.__file__)")
    assert Path(found.strip()).is_relative_to(installed)

    run_installed("-m", "COVIDMTLLib", "segment", phantom_ct, "--method", "classical", "--out", "lungs.nrrd")
    run_installed(
        "-m", "COVIDMTLLib", "assess", phantom_ct, "--lungs", "lungs.nrrd", "--refine", "none", "--out", "results",
        "--model", "features+labs",
    )  # fmt: skip
    tasks = json.loads((tmp_path / "results/assessment.json").read_text())["tasks"]
    assert tasks.keys() == {"covid_ct", "covid_nat", "severity"}
    assert all(sum(task["probabilities"]) == pytest.approx(1) for task in tasks.values())
    assert "Research use only" in (tmp_path / "results/report.html").read_text()
    header = (tmp_path / "results/features.csv").read_text().splitlines()[0]
    assert tuple(header.split(",")) == FEATURE_NAMES


@pytest.mark.parametrize("what", ["--open", "--unittest"])
@pytest.mark.parametrize("module", MODULES)
def test_panels_of_the_installed_modules(module, what, run_installed, installed):
    pytest.importorskip("slicer")
    pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)
    run_installed(STAND_IN / "run_in_host.py", what, installed / f"{module}.py")


def test_catalog_entry_agrees_with_the_extension(package):
    description = package / "Slicer/share/Slicer-5.13/COVIDMTL.s4ext"
    extension = dict(line.split(" ", 1) for line in description.read_text().splitlines())
    entry = json.loads(CATALOG_ENTRY.read_text())

    assert CATALOG_ENTRY.stem == description.stem
    assert entry["build_dependencies"] == extension["depends"].split()
    assert entry["scm_url"] == extension["homepage"] + ".git"
    raw = extension["homepage"].replace("github.com", "raw.githubusercontent.com")
    for url in (extension["iconurl"], *extension["screenshoturls"].split()):
        file = url.removeprefix(f"{raw}/{entry['scm_revision']}/")
        assert (ROOT / file).is_file(), url
    assert extension["contributors"] and "Research use only" in extension["description"]


def test_catalog_entry_has_the_keys_of_its_schema():
    entry = json.loads(CATALOG_ENTRY.read_text())
    kinds = {
        "$schema": str,
        "build_dependencies": list,
        "build_subdirectory": str,
        "category": str,
        "scm_revision": str,
        "scm_url": str,
        "tier": int,
    }
    assert {name: type(value) for name, value in entry.items()} == kinds
    assert 1 <= entry["tier"] <= 5


def test_icons():
    icons = [ROOT / "COVIDMTL.png", *(ROOT / name / f"Resources/Icons/{name}.png" for name in MODULES)]
    assert [imread(icon).shape for icon in icons] == [(128, 128, 4)] * 3
    assert filecmp.cmp(icons[0], icons[1], shallow=False)
