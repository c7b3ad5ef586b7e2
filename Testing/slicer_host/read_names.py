"""Read from the sources of Slicer and CTK which names their Python has, into names.json.

    python Testing/slicer_host/read_names.py SLICER.git CTK.git

Both are git directories; their commit HEAD is read. PythonQt gives Python of a class of C++ that is wrapped the way
Slicer and CTK wrap theirs: properties, slots, signals and what is marked Q_INVOKABLE. Of Qt itself, whose wrapping
is in neither, the names count that Slicer's and CTK's own Python uses.
"""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

OUT = Path(__file__).with_name("names.json")
PYTHON = "Base/Python/slicer"
MODULES = {
    "slicer.packaging": f"{PYTHON}/packaging.py",
    "slicer.i18n": f"{PYTHON}/i18n.py",
    "slicer.util": f"{PYTHON}/util.py",
    "slicer.ScriptedLoadableModule": f"{PYTHON}/ScriptedLoadableModule.py",
    "slicer.parameterNodeWrapper": f"{PYTHON}/parameterNodeWrapper/",
    "SampleData": "Modules/Scripted/SampleData/SampleData.py",
}
"""A file, or a folder whose files' names are all brought by the module."""

PYTHON_CLASSES = (
    *("SampleDataLogic", "SampleDataSource", "ScriptedLoadableModule", "ScriptedLoadableModuleWidget"),
    *("ScriptedLoadableModuleLogic", "ScriptedLoadableModuleTest"),
)
CLASSES = {
    "Slicer": (
        *("qMRMLNodeComboBox", "qMRMLSortFilterProxyModel", "qMRMLWidget", "qSlicerWidget", "qMRMLLayoutManager"),
        *("qMRMLSegmentationShow3DButton", "qSlicerApplication", "qSlicerCoreApplication", "qSlicerLayoutManager"),
        *("qSlicerExtensionsManagerModel", "qSlicerAbstractModuleWidget", "qSlicerScriptedLoadableModuleWidget"),
        *("qMRMLSliceWidget", "qMRMLSliceControllerWidget", "qSlicerAbstractCoreModule", "qSlicerAbstractModule"),
    ),
    "CTK": (
        *("ctkCollapsibleButton", "ctkCollapsibleGroupBox", "ctkMenuButton", "ctkPathLineEdit", "ctkSliderWidget"),
        *("ctkComboBox", "ctkCheckBox", "ctkDoubleSpinBox", "ctkMessageBox", "ctkCheckablePushButton"),
    ),
}


def git(folder: str, *arguments: str) -> str:
    return subprocess.run(["git", f"--git-dir={folder}", *arguments], capture_output=True, text=True, check=True).stdout


def files(folder: str) -> list[str]:
    return git(folder, "ls-tree", "-r", "--name-only", "HEAD").splitlines()


def text(folder: str, path: str) -> str:
    return git(folder, "show", f"HEAD:{path}")


def public_names(source: str) -> list[str]:
    """Functions, classes and constants that a Python module defines."""
    names = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return sorted(name for name in names if not name.startswith("_"))


def decorated(header: str) -> list[tuple[str, str]]:
    """Class and member of what a header of decorators adds for Python to classes of C++."""
    static = re.findall(r"\bstatic_([A-Za-z]+)_(\w+)\s*\(", header)
    of_objects = re.findall(r"\n\s*[\w:<>* ]+?[ *](\w+)\(\s*([A-Za-z]+)\s*\*", header)
    return static + [(kind, member) for member, kind in of_objects]


def attributes_of(node: ast.ClassDef) -> list[str]:
    """Methods of a Python class, its fields, and what its methods set on self."""
    names = [one.name for one in node.body if isinstance(one, ast.FunctionDef)]
    names += [one.target.id for one in node.body if isinstance(one, ast.AnnAssign)]
    inside = (one for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Store))
    return names + [one.attr for one in inside if isinstance(one.value, ast.Name) and one.value.id == "self"]


def widgets(headers: set[str], pattern: str) -> list[str]:
    """The classes of some headers, without those for Qt Designer and behind the scenes."""
    hidden = re.compile(r".*(Plugin|Plugins|_p|Private|Test\w*|EventPlayer|EventTranslator)")
    return sorted(name for name in headers if re.fullmatch(pattern, name) and not hidden.fullmatch(name))


def members(header: str, more: list[str]) -> dict:
    """Base class and members of the first class in a header, of those that PythonQt gives."""
    header = re.sub(r"//.*", "", header)
    head = re.search(r"\nclass\s[^;{]*?:\s*public\s+(\w+)[^{;]*\{", header)
    body = header[head.end() :]
    found = re.findall(r"Q_PROPERTY\(\s*[\w:<>*]+\s+(\w+)", body)
    found += re.findall(r"Q_INVOKABLE\s[^;{]*?(\w+)\s*\(", body)
    for section, content in re.findall(
        r"\n\s*((?:public\s+)?\w+(?:\s+slots)?|Q_SIGNALS|Q_SLOTS)\s*:\s*\n(.*?)(?=\n\s*(?:public|protected|private|signals|Q_SIGNALS)\b[^;()]*:\s*\n|\Z)",
        body,
        re.DOTALL,
    ):
        if "public slots" in section or "public Q_SLOTS" in section or section in ("signals", "Q_SIGNALS"):
            found += re.findall(r"(\w+)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*(?:const|override)?\s*[;{=]", content)
    return {"base": head[1], "members": sorted({*found, *more} - {"Q_UNUSED"})}


def read(slicer: str, ctk: str) -> dict:
    paths = {"Slicer": files(slicer), "CTK": files(ctk)}
    folders = {"Slicer": slicer, "CTK": ctk}
    version = re.findall(r'set\(Slicer_VERSION_M\w+ "(\d+)"', text(slicer, "CMakeLists.txt"))
    python = [(folders[of], path) for of in paths for path in paths[of] if path.endswith((".py", ".md"))]
    sources = [text(folder, path) for folder, path in python]
    in_qt = re.compile(r"\bqt\.(Q\w+(?:\.\w+)?)")
    headers = {name: {Path(path).stem for path in paths[name] if path.endswith(".h")} for name in paths}
    extra = [
        pair
        for of in paths
        for path in paths[of]
        if path.endswith("PythonQtDecorators.h")
        for pair in decorated(text(folders[of], path))
    ]
    modules = {
        name: [text(slicer, path) for path in paths["Slicer"] if path.startswith(of) and path.endswith(".py")]
        for name, of in MODULES.items()
    }
    return {
        "read from": {
            "Slicer": f"{'.'.join(version)}, {git(slicer, 'rev-parse', 'HEAD').strip()}",
            "CTK": git(ctk, "rev-parse", "HEAD").strip(),
        },
        "submodules": sorted(
            {
                Path(path).relative_to(PYTHON).parts[0].removesuffix(".py")
                for path in paths["Slicer"]
                if path.startswith(PYTHON + "/")
                and (path.endswith("/__init__.py") or path.count("/") == 3)
                and path.endswith(".py")
            }
            - {"__init__", "tests"}
        ),
        "slicer.qt": widgets(headers["Slicer"], r"q(MRML|Slicer)\w+"),
        "ctk": widgets(headers["CTK"], r"ctk\w+"),
        "modules": {name: sorted({n for one in found for n in public_names(one)}) for name, found in modules.items()},
        "python classes": {
            node.name: sorted({thing for thing in attributes_of(node) if not thing.startswith("_")})
            for found in modules.values()
            for one in found
            for node in ast.parse(one).body
            if isinstance(node, ast.ClassDef) and node.name in PYTHON_CLASSES
        },
        "qt": sorted({name for source in sources for name in in_qt.findall(source)}),
        "classes": {
            name: members(
                text(folders[of], next(path for path in paths[of] if Path(path).name == f"{name}.h")),
                [member for kind, member in extra if kind == name],
            )
            for of, names in CLASSES.items()
            for name in names
            if any(Path(path).name == f"{name}.h" for path in paths[of])
        },
    }


def lines(names: dict) -> str:
    """JSON with a line for each list."""
    packed = json.dumps(names)
    return re.sub(r'([{,]) ?("[\w. ]+": [\[{"])', r"\1\n\2", packed) + "\n"


if __name__ == "__main__":
    OUT.write_text(lines(read(*sys.argv[1:])), encoding="utf-8")
