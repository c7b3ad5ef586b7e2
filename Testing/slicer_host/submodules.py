"""Submodules of ``slicer`` that Slicer does not import at its start: here, too, only an import brings them."""

from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

Source = ModuleType | Path


class Finder:
    """Finds ``slicer.<name>`` for Python's import: from a file of Slicer's, or as a stand-in's public names.

    Python then makes it an attribute of ``slicer``, and nothing does before.
    """

    def __init__(self, sources: dict[str, Source]):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        package, _, submodule = name.partition(".")
        source = self.sources.get(submodule) if package == "slicer" else None
        if isinstance(source, Path):
            return spec_from_file_location(name, source)
        return ModuleSpec(name, _StandIn(source)) if source is not None else None


class _StandIn:
    def __init__(self, source: ModuleType):
        self._source = source

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        names = getattr(self._source, "__all__", None) or [n for n in vars(self._source) if not n.startswith("_")]
        vars(module).update({name: getattr(self._source, name) for name in names})
