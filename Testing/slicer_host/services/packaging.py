"""``slicer.packaging``: what a panel asks to have installed, and an answer that a test sets. It installs nothing."""

import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import slicer
from packaging.requirements import Requirement

__all__ = ["load_requirements", "pip_check", "pip_ensure", "pip_install"]


PIP_FAILED = "pip install failed"
"""What the dialog of the stand-in says in the place of Slicer's, which shows pip's log."""


class Packages:
    """What a test sets and reads."""

    MODULES = {"PyTorch": ("PyTorchUtils", "pytorch_utils")}  # by extension: its module, and the stand-in for it

    def __init__(self):
        self.answer = "installed"  # or "declined", "fails", or "half": it ends well, and nothing is there
        self.missing: set[str] | None = None  # names to take for missing; None: look at this Python's packages
        self.asked: list[list[str]] = []  # one list of requirements for each time that some were missing
        self.extensions_on_server = {"PyTorch"}  # what the Extensions Manager can install, for the next start
        self.load_error: Exception | None = None  # what the import of a package raises that was just installed
        self._extensions: frozenset[str] = frozenset()

    @property
    def extensions(self) -> frozenset[str]:
        """The names of the extensions that are there; without PyTorch, ``import PyTorchUtils`` fails."""
        return self._extensions

    @extensions.setter
    def extensions(self, names):
        self._extensions = frozenset(names)
        for extension, (module, stand_in) in self.MODULES.items():
            sys.modules.pop(module, None)
            if extension in self._extensions:
                sys.modules[module] = importlib.import_module(f".{stand_in}", __package__)


packages = Packages()


def load_requirements(path) -> list:
    """The requirements of a file in pip's format; options and lines with ``-r`` are left out.

    As in Slicer, a comment has to have a line of its own.
    """
    lines = (line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def _list_of(requirements) -> list:
    if isinstance(requirements, str):
        requirements = requirements.split()
    elif isinstance(requirements, Requirement):
        requirements = [requirements]
    return [Requirement(str(requirement)) for requirement in requirements]


def pip_check(requirements) -> bool:
    """Whether all of them are there, in a version that fits."""
    return all(map(_is_there, _list_of(requirements)))


def _is_there(requirement) -> bool:
    if requirement.marker and not requirement.marker.evaluate():
        return True
    if packages.missing is not None:
        return requirement.name not in packages.missing
    try:
        return metadata.version(requirement.name) in requirement.specifier
    except metadata.PackageNotFoundError:
        return False


def pip_ensure(
    requirements,
    constraints=None,
    skip_packages=None,
    prompt_install=True,
    prompt_restart=True,
    requester=None,
    skip_in_testing=True,
    show_progress=True,
):
    """Ask for what is missing; RuntimeError where the user declines. While Slicer tests, nothing happens."""
    missing = [requirement for requirement in _list_of(requirements) if not _is_there(requirement)]
    if missing and skip_in_testing and slicer.app.testingEnabled():
        return
    if missing and prompt_install:
        accepted = slicer.util.confirmOkCancelDisplay(f"Install {len(missing)} Python packages?", requester)
        if packages.answer == "declined" or not accepted:
            packages.asked.append([str(requirement) for requirement in missing])
            raise RuntimeError("User declined package installation")
    if missing:
        pip_install(missing, constraints, show_progress=show_progress)


def pip_install(
    requirements,
    constraints=None,
    no_deps_requirements=None,
    skip_packages=None,
    blocking=True,
    show_progress=True,
    requester=None,
    logCallback=None,
    completedCallback=None,
):
    """Take them for installed; where the installation is to fail, CalledProcessError after a dialog that shows why."""
    wanted = _list_of(requirements)
    packages.asked.append([str(requirement) for requirement in wanted])
    if packages.answer == "fails":
        if show_progress and not slicer.app.testingEnabled():
            slicer.util.errorDisplay(PIP_FAILED)
        raise subprocess.CalledProcessError(1, "pip install")
    if packages.missing is not None and packages.answer != "half":
        packages.missing -= {requirement.name for requirement in wanted}
