"""``slicer.packaging``: what a panel asks to have installed, and an answer that a test sets. It installs nothing."""

import subprocess
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


class Packages:
    """What a test sets and reads."""

    def __init__(self):
        self.answer = "installed"  # or "declined", or "fails"
        self.missing: set[str] | None = None  # names to take for missing; None: look at this Python's packages
        self.asked: list[list[str]] = []  # one list of requirements for each time that some were missing


packages = Packages()


def load_requirements(path) -> list:
    """The requirements of a file in pip's format; options and lines with ``-r`` are left out."""
    lines = (line.partition(" #")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
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
        return requirement.specifier.contains(metadata.version(requirement.name), prereleases=True)
    except metadata.PackageNotFoundError:
        return False


def pip_ensure(requirements, constraints=None, skip_packages=None, prompt_install=True, **_):
    """Ask for what is missing; RuntimeError where the user declines."""
    missing = [requirement for requirement in _list_of(requirements) if not _is_there(requirement)]
    if missing and prompt_install and packages.answer == "declined":
        packages.asked.append([str(requirement) for requirement in missing])
        raise RuntimeError("User declined package installation")
    if missing:
        pip_install(missing, constraints)


def pip_install(requirements, constraints=None, **_):
    """Take them for installed; CalledProcessError where the installation is to fail."""
    wanted = _list_of(requirements)
    packages.asked.append([str(requirement) for requirement in wanted])
    if packages.answer == "fails":
        raise subprocess.CalledProcessError(1, ["pip", "install"])
    if packages.missing is not None:
        packages.missing -= {requirement.name for requirement in wanted}
