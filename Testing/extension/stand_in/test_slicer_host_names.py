"""The stand-in for Slicer has no name that Slicer's sources do not have, and the panels use none.

The names are in slicer_host/names.json, with the commits that they were read from.
"""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
slicer = pytest.importorskip("slicer")
# Qt needs system libraries, such as libEGL, that a bare machine may lack.
pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6 import QtWidgets  # noqa: E402
from slicer_host import start  # noqa: E402

host = start()

from slicer_host import app, module_base, modules  # noqa: E402
from slicer_host.parameters import parameter_nodes  # noqa: E402
from slicer_host.services import layout, packaging, sample_data, translation  # noqa: E402
from slicer_host.widgets import ctk, mrml_widgets, segmentation_widgets  # noqa: E402

ROOT = Path(__file__).parents[3]
NAMES = json.loads((ROOT / "Testing/slicer_host/names.json").read_text(encoding="utf-8"))
AT_START = {"app", "mrmlScene", "moduleNames", "modules", "util"}
"""Of ``slicer``, besides what is wrapped of C++: Slicer's __init__.py and slicerqt.py import no other part of it that
panels use."""
QT_BESIDES = {
    *("QFileDialog.getOpenFileName", "QFileDialog.getSaveFileName", "QUrl.fromLocalFile", "Qt.ItemIsEnabled"),
    *("QHeaderView.ResizeToContents", "QHeaderView.Stretch"),
}
"""Static functions and enumerators, by Qt's documentation, of classes that Slicer's own Python uses: PythonQt wraps
all of a class that it wraps, and file dialogs give the path alone."""
SOURCES = [
    ROOT / "COVIDMTL/COVIDMTL.py",
    ROOT / "SegmentRefine/SegmentRefine.py",
    *(
        path
        for folder in ("COVIDMTLPanel", "COVIDMTLMRML")
        for path in sorted((ROOT / "COVIDMTL" / folder).rglob("*.py"))
    ),
]
PER_SOURCE = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def chain(node) -> list[str]:
    """``slicer.app.settings`` as a list; empty for what does not begin with a name."""
    parts = []
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Attribute):
            parts.insert(0, node.attr)
        node = node.func if isinstance(node, ast.Call) else node.value
    return [node.id, *parts] if isinstance(node, ast.Name) else []


def members(name: str) -> set[str]:
    """Of a class of Slicer, CTK or Qt, with what it inherits."""
    of_qt = getattr(QtWidgets, name, None)
    if of_qt is not None:
        # PySide6 knows properties by their methods; with PythonQt they are attributes: visible, enabled, toolTip.
        prefixed = [(name, prefix) for name in dir(of_qt) for prefix in ("is", "set") if name.startswith(prefix)]
        named = [name.removeprefix(prefix) for name, prefix in prefixed]
        return {*dir(of_qt), *(name[:1].lower() + name[1:] for name in named), "connect", "className"}
    known = NAMES["classes"].get(name)
    if known is None:
        return set(dir(QtWidgets.QWidget))
    return {*known["members"], *members(known["base"])}


def unknown(parts: list[str]) -> bool:
    """Whether a chain of attributes leads to something that is not in the lists."""
    module, first, second = (*parts, "", "")[:3]
    if module in ("qt", "ctk"):
        known = NAMES[module]
        if module == "ctk" or not second:
            return first not in {name.partition(".")[0] for name in known}
        return f"{first}.{second}" not in {*known, *QT_BESIDES}
    if first in ("", "mrmlScene") or (first in vars(slicer) and first.startswith("vtk")):
        return False
    if first == "app":
        return bool(second) and second not in members("qSlicerApplication")
    if first.startswith("q"):
        return first not in NAMES["slicer.qt"]
    if first in NAMES["submodules"]:
        return bool(second) and second not in NAMES["modules"][f"slicer.{first}"]
    return first not in AT_START


@PER_SOURCE
def test_panels_use_no_other_names_than_slicer_has(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    chains = [chain(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("slicer", "qt", "ctk"):
            chains += [[*node.module.split("."), name.name] for name in node.names]
    used = [parts for parts in chains if parts and parts[0] in ("slicer", "qt", "ctk")]
    assert [parts for parts in used if unknown(parts)] == []
    # What Slicer does not import at its start, is imported where it is used, not taken for an attribute.
    attributes = [chain(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    taken = {parts[1] for parts in attributes if parts[:1] == ["slicer"]}
    assert taken & set(NAMES["submodules"]) <= AT_START


@PER_SOURCE
def test_panels_use_no_other_members_of_their_widgets(path):
    classes = {
        widget.get("name"): widget.get("class")
        for form in ROOT.glob("*/Resources/UI/*.ui")
        for widget in ElementTree.parse(form).getroot().iter("widget")
    }
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        parts = chain(node) if isinstance(node, ast.Attribute) else []
        for ui in ("ui", "_ui"):
            if ui in parts[:-2]:
                widget, member = parts[parts.index(ui) + 1 :][:2]
                assert member in members(classes[widget]), f"{classes[widget]} has no {member}"


def test_importing_slicer_brings_what_it_brings_in_slicer():
    """In a process in which nobody has imported anything yet."""
    code = (
        "import sys, slicer; before = set(vars(slicer)); from slicer_host import start; start();"
        "print(sorted(set(vars(slicer)) - before), hasattr(slicer, 'packaging'), 'slicer.packaging' in sys.modules);"
        "import slicer.packaging; print(slicer.packaging.pip_check('numpy'))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "Testing"), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    brought, after_import = done.stdout.splitlines()
    names, there, imported = brought.rpartition("]")[0] + "]", *brought.split()[-2:]
    for name in ast.literal_eval(names):
        assert name in AT_START | set(NAMES["slicer.qt"]), f"slicer.{name} is not there when Slicer has started"
    assert (there, imported, after_import) == ("False", "False", "True")


STAND_INS = [
    *(thing for source in (ctk, mrml_widgets, segmentation_widgets) for thing in vars(source).values()),
    *(modules.qSlicerScriptedLoadableModuleWidget, sample_data.SampleDataLogic, sample_data.SampleDataSource),
    *(getattr(module_base, name) for name in module_base.__all__),
]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *((kind, kind.__name__) for kind in STAND_INS if getattr(kind, "__name__", "") in NAMES["classes"]),
        *((kind, kind.__name__) for kind in STAND_INS if getattr(kind, "__name__", "") in NAMES["python classes"]),
        (app.Application, "qSlicerApplication"),
        (app.ExtensionsModel, "qSlicerExtensionsManagerModel"),
        (layout.LayoutManager, "qSlicerLayoutManager"),
        (layout.SliceWidget, "qMRMLSliceWidget"),
    ],
)
def test_stand_in_has_no_member_that_slicer_lacks(kind, name):
    known = NAMES["python classes"].get(name) or members(name)
    assert {member for member in vars(kind) if not member.startswith("_")} - set(known) == set()


def test_stand_in_has_no_function_that_slicer_lacks():
    stand_ins = {
        "slicer.packaging": packaging,
        "slicer.i18n": translation,
        "slicer.ScriptedLoadableModule": module_base,
    }
    stand_ins |= {"slicer.parameterNodeWrapper": parameter_nodes, "SampleData": sample_data}
    for name, module in stand_ins.items():
        offered = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
        assert set(offered) - set(NAMES["modules"][name]) == set(), name
    defined = {n for n, one in vars(slicer.util).items() if getattr(one, "__module__", "").startswith("slicer")}
    assert {one for one in defined if not one.startswith("_")} - set(NAMES["modules"]["slicer.util"]) == set()


def test_signals_with_other_arguments_are_errors():
    """Which Slicer would print in its console, and go on without the connection."""
    button = QtWidgets.QPushButton()
    assert button.connect("clicked(bool)", lambda: None)
    for signature in ("clicked(int)", "clicked", "clicks()"):
        with pytest.raises(ValueError, match="has no signal"):
            button.connect(signature, lambda: None)


def test_names_that_nobody_knows_are_errors():
    import ctk
    import qt

    for module, name in ((qt, "Signal"), (qt, "Slot"), (qt, "QLable"), (ctk, "math"), (ctk, "ctkNothing")):
        with pytest.raises(AttributeError, match=name):
            getattr(module, name)
    assert not hasattr(slicer, "qMRMLNothing") and not hasattr(slicer.app, "complete_startup")
