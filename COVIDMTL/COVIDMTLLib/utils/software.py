"""The versions that a result was made with."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from .version import __version__

PACKAGES = ("numpy", "scipy", "scikit-image", "SimpleITK", "torch")


def software() -> dict[str, str]:
    """Versions of the program, of Python and of the packages that results depend on, by name."""
    found = {"covid-mtl": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # not every job needs all of them
            continue
    return found
