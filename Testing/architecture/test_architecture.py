"""The shape of the code: which layer may import which, no circles, no crowded folders."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "COVIDMTL"
CORE = "COVIDMTLLib"

LAYERS = (
    {"utils"},
    {""},  # the package itself: its version and what it is for
    {"imaging", "patient", "processes"},
    {"architectures", "features", "phantom", "segmentation"},
    {"measurements", "networks", "opacities"},
    {"models"},
    {"prediction"},
    {"results"},
    {"reports"},
    {"assessment"},
    {"cohort", "follow"},
    {"cli"},
    {"__main__"},
)
"""Packages of the core from the bottom up: each may import those below it, and none beside it."""

MOST_MODULES = 15
"""Of a folder."""


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
    modules = {module_of(path, ROOT): path for path in sorted((ROOT / folder).rglob("*.py"))}
    return {name: set(imports_of(path, name, modules)) - {name} for name, path in modules.items()}


def layer_of(module):
    package = module.removeprefix(CORE).strip(".").partition(".")[0]
    return package, next((number for number, layer in enumerate(LAYERS) if package in layer), None)


def upward(graph):
    """Imports of the core that do not go down, as text."""
    for module, imported in graph.items():
        package, layer = layer_of(module)
        for other in (one for one in imported if one.partition(".")[0] == CORE):
            other_package, other_layer = layer_of(other)
            if package != other_package and not other_layer < layer:
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


def test_every_package_of_the_core_has_a_layer():
    assert {layer_of(module)[0] for module in graph_of(CORE)} == set().union(*LAYERS)


def test_imports_of_the_core_go_down():
    assert list(upward(graph_of(CORE))) == []


@pytest.mark.parametrize("folder", [CORE, "COVIDMTLMRML", "COVIDMTLPanel"])
def test_no_modules_import_each_other_in_a_circle(folder):
    assert circle(graph_of(folder)) == []


def test_what_the_checks_would_find():
    """Up, beside, and round in a circle, so that the tests above can fail."""
    graph = {
        "COVIDMTLLib.models.store": {"COVIDMTLLib.cli.main", "COVIDMTLLib.utils.errors"},
        "COVIDMTLLib.features.names": {"COVIDMTLLib.phantom", "json"},
    }
    assert list(upward(graph)) == [
        "COVIDMTLLib.models.store -> COVIDMTLLib.cli.main",
        "COVIDMTLLib.features.names -> COVIDMTLLib.phantom",
    ]
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


@pytest.mark.parametrize(
    ("folder", "above"), [(CORE, {"COVIDMTLMRML", "COVIDMTLPanel"}), ("COVIDMTLMRML", {"COVIDMTLPanel"})]
)
def test_nothing_imports_what_is_built_on_it(folder, above):
    found = {one.partition(".")[0] for imported in graph_of(folder).values() for one in imported}
    assert not found & (above | {"COVIDMTL", "SegmentRefine", "covidmtl_training"})


def test_no_folder_of_the_core_is_crowded():
    folders = {path.parent for path in (ROOT / CORE).rglob("*.py")}
    counts = {folder.relative_to(ROOT).as_posix(): len(list(folder.glob("*.py"))) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > MOST_MODULES} == {}
