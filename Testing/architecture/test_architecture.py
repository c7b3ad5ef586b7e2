"""The shape of the code: which layer may import which, no circles, no crowded folders, scripts that are thin."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CORE, TRAINING = "COVIDMTL/COVIDMTLLib", "Training/covidmtl_training"

LAYERS = {
    CORE: (
        {"utils"},
        {"imaging", "patient", "processes"},
        {"architectures", "features", "phantom", "segmentation"},
        {"measurements", "networks", "opacities"},
        {"models"},
        {"prediction"},
        {"results"},
        {"reports"},
        {"assessment"},
        {"cohort", "follow"},
        {""},  # the package itself: its public API
        {"cli"},
        {"__main__"},
    ),
    TRAINING: (
        {""},
        {"utils"},
        {"cohort", "recipes"},
        {"data"},
        {"evaluation"},
        {"engine", "tabular"},
        {"cohort_study", "phantoms", "profiling"},
        {"ablation"},
    ),
}
"""Packages from the bottom up: each may import those below it, and none beside it."""

PRODUCT = ("COVIDMTL", "SegmentRefine", "Training")
FOLDERS = (*PRODUCT, "Testing")

MOST_MODULES = 15
"""Of a folder, but for the scripts of the training, which nothing imports, and whose paths users know."""

MOST_LINES_OF_A_SCRIPT = 25

MOST_PARAMETERS = 7
"""Of a function, besides ``self``. More have:"""

TYPED_BY_USERS = {
    "COVIDMTL/COVIDMTLLib/assessment/pipeline.py: assess",
    "COVIDMTL/COVIDMTLLib/cohort/run.py: assess_cohort",
    "COVIDMTL/COVIDMTLLib/phantom/__init__.py: thorax",
    "COVIDMTL/COVIDMTLPanel/covidmtl_logic.py: process",
    "COVIDMTL/COVIDMTLPanel/covidmtl_logic.py: start",
    "COVIDMTL/COVIDMTLPanel/refine_logic.py: process",
    "COVIDMTL/COVIDMTLPanel/refine_logic.py: start",
}
"""Public names, of the API and of the logics, whose keywords users type."""

KEYS_OF_CARDS_AND_RECIPES = {
    "COVIDMTL/COVIDMTLLib/networks/tabular.py: __init__",
    "COVIDMTL/COVIDMTLLib/networks/layers/shift3d.py: __init__",
}
"""Modules of networks, whose keywords are keys that model cards and recipes of users have."""

KERNELS = {"COVIDMTL/COVIDMTLLib/networks/layers/shift3d.py: _roll_slices"}
"""Functions that run on a GPU, which is given arrays and numbers, and no objects."""


def module_of(path, root):
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path, name, modules):
    """The modules of the program that a file imports, at its head, within functions or for type checking alone."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base


def graph_of(folder):
    """What each module below a folder imports, by its dotted name."""
    root = (ROOT / folder).parent
    modules = {module_of(path, root): path for path in sorted((ROOT / folder).rglob("*.py"))}
    return {name: set(imports_of(path, name, modules)) - {name} for name, path in modules.items()}


def package_of(module):
    return module.partition(".")[2].partition(".")[0]


def upward(graph, layers):
    """Imports that do not go down, as text."""
    layer_of = {package: number for number, layer in enumerate(layers) for package in layer}
    top = next(iter(graph)).partition(".")[0]
    for module, imported in graph.items():
        for other in sorted(one for one in imported if one.partition(".")[0] == top):
            here, there = package_of(module), package_of(other)
            if here != there and not layer_of[there] < layer_of[here]:
                yield f"{module} -> {other}"


def circle(graph):
    """Modules that import each other in a circle; none if there is no circle."""
    done = set()

    def search(module, way):
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        found = next(filter(None, (search(other, [*way, module]) for other in sorted(graph.get(module, ())))), [])
        done.add(module)
        return found

    return next(filter(None, (search(module, []) for module in graph)), [])


@pytest.mark.parametrize("folder", LAYERS)
def test_every_package_has_a_layer(folder):
    assert {package_of(module) for module in graph_of(folder)} == set().union(*LAYERS[folder])


@pytest.mark.parametrize("folder", LAYERS)
def test_imports_go_down(folder):
    assert list(upward(graph_of(folder), LAYERS[folder])) == []


@pytest.mark.parametrize("folder", [*LAYERS, "COVIDMTL/COVIDMTLMRML", "COVIDMTL/COVIDMTLPanel"])
def test_no_modules_import_each_other_in_a_circle(folder):
    assert circle(graph_of(folder)) == []


def test_what_the_checks_would_find():
    """Up, beside, and round in a circle, so that the tests above can fail."""
    graph = {
        "COVIDMTLLib.models.store": {"COVIDMTLLib.cli.main", "COVIDMTLLib.utils.errors"},
        "COVIDMTLLib.features.names": {"COVIDMTLLib.phantom", "json"},
    }
    assert list(upward(graph, LAYERS[CORE])) == [
        "COVIDMTLLib.models.store -> COVIDMTLLib.cli.main",
        "COVIDMTLLib.features.names -> COVIDMTLLib.phantom",
    ]
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


@pytest.mark.parametrize(
    ("folder", "above"), [(CORE, {"COVIDMTLMRML", "COVIDMTLPanel"}), ("COVIDMTL/COVIDMTLMRML", {"COVIDMTLPanel"})]
)
def test_nothing_imports_what_is_built_on_it(folder, above):
    found = {one.partition(".")[0] for imported in graph_of(folder).values() for one in imported}
    assert not found & (above | {"COVIDMTL", "SegmentRefine", "covidmtl_training"})


def test_no_folder_is_crowded():
    folders = {path.parent for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")} - {ROOT / "Training"}
    counts = {folder.relative_to(ROOT).as_posix(): len(list(folder.glob("*.py"))) for folder in folders}
    assert len(counts) > 50 and {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "Training").glob("*.py")), ids=lambda path: path.stem)
def test_scripts_of_the_training_only_call_the_package(path):
    imported = set(imports_of(path, path.stem, {}))
    assert {name.partition(".")[0] for name in imported} == {"sys", "covidmtl_training"}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES_OF_A_SCRIPT


def test_functions_take_few_parameters():
    found = set()
    for path in (path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                if sum(one.arg not in ("self", "cls") for one in given) > MOST_PARAMETERS:
                    found.add(f"{path.relative_to(ROOT).as_posix()}: {node.name}")
    assert found == TYPED_BY_USERS | KEYS_OF_CARDS_AND_RECIPES | KERNELS
