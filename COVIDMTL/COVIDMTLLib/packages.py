"""Packages that are loaded only when they are used, and may be missing until then."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import InputError

HOW_TO_INSTALL = {
    "jinja2": "pip install jinja2",
    "matplotlib": "pip install matplotlib",
    "radiomics": "pip install pyradiomics-bhklab; in Slicer, the extension SlicerRadiomics",
    "safetensors": "pip install safetensors",
    "torch": "pip install torch; in Slicer, the extension PyTorch",
}


class MissingPackage(InputError):
    """A package that the job needs is not installed; its message says how to install it."""


def require(*modules: str) -> None:
    """Raise `MissingPackage` for the first of some modules, by import name, that is not installed."""
    for module in modules:
        if find_spec(module) is None:
            raise MissingPackage(f"The package {module} is not installed; install it: {HOW_TO_INSTALL[module]}.")
