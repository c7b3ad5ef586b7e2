"""Packages that are loaded only when they are used, and may be missing until then."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec

from .errors import InputError

HOW_TO_INSTALL = {
    "distributed": "pip install distributed",
    "highdicom": "pip install highdicom",
    "jinja2": "pip install jinja2",
    "matplotlib": "pip install matplotlib",
    "nibabel": "pip install nibabel",
    "pyarrow": "pip install pyarrow",
    "pydicom": "pip install pydicom",
    "radiomics": "pip install pyradiomics-bhklab",
    "safetensors": "pip install safetensors",
    "scipy": "pip install scipy",
    "SimpleITK": "pip install SimpleITK",
    "skimage": "pip install scikit-image",
    "sklearn": "pip install scikit-learn",
    "threadpoolctl": "pip install threadpoolctl",
    "torch": "pip install torch; in Slicer, the extension PyTorch",
    "tqdm": "pip install tqdm",
}
"""By the name that a package is imported by."""


class MissingPackage(InputError):
    """A package that the job needs is not installed or damaged; its message says how to install it."""


def check_installed(*modules: str) -> None:
    """Raise `MissingPackage` for the first of some modules whose package is not installed; imports none of them."""
    for package in dict.fromkeys(module.partition(".")[0] for module in modules):
        try:
            found = package in sys.modules or find_spec(package) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            raise MissingPackage(f"The package {package} is not installed; install it: {HOW_TO_INSTALL[package]}.")


def require(*modules: str) -> None:
    """Import some modules, by name, of packages or within them.

    Raises
    ------
    MissingPackage
        For the first whose package is not installed, or is but cannot be imported.
    """
    for module in modules:
        package = module.partition(".")[0]
        how = HOW_TO_INSTALL[package]
        try:
            import_module(module)
            # A folder that is all that is left of a package is imported, too, but comes from no file.
            if getattr(sys.modules[package], "__file__", None) is None:
                raise ImportError("its folder is empty")
        # What half a package raises is anything: ImportError, OSError of a library, AttributeError, ValueError.
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and error.name == package:
                raise MissingPackage(f"The package {package} is not installed; install it: {how}.") from error
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            again = how.replace("pip install", "pip install --force-reinstall")
            raise MissingPackage(
                f"The package {package} is damaged or incomplete ({reason}); install it again: {again}."
            ) from error
