"""Modules with no more in them than Slicer's have, and there no sooner than in Slicer."""

from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

Source = ModuleType | Path


class Finder:
    """Finds ``slicer.<name>`` for Python's import: from a file of Slicer's, or as a stand-in's public names.

    Slicer does not import them at its start. Python makes what is imported an attribute of ``slicer``; nothing does
    before.
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


class Listed(ModuleType):
    """A module that has of another only what is in a list."""

    def __init__(self, name: str, source: ModuleType, names):
        super().__init__(name)
        self._source, self._names = source, frozenset(names)

    def __dir__(self):
        return sorted(self._names)

    def __getattr__(self, name):
        if name not in self._names:
            raise AttributeError(
                f"{self.__name__} has no {name} that Slicer's or CTK's sources know of: see names.json"
            )
        return getattr(self._source, name)
