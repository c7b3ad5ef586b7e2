"""Offering missing packages for installation, when they are needed and not before."""

from __future__ import annotations

import importlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

import slicer
from COVIDMTLLib.packages import MissingPackage
from slicer.i18n import tr as _

TORCH = ">=2.2"
"""Version of PyTorch that the models need."""


def ensure_packages(requirements: Path, requester: str, extensions: Sequence[str] = ()) -> None:
    """Make sure that what a job needs is installed, asking the user before anything is.

    Parameters
    ----------
    requirements : Path
        File of requirements in pip's format.
    requester : str
        Title of the module that needs them.
    extensions : sequence of {"PyTorch"}
        Extensions of Slicer whose packages the job needs, too.

    Raises
    ------
    MissingPackage
        If something is still missing in the end; the sentence says what, why and what to do.
    """
    if "PyTorch" in extensions and not slicer.packaging.pip_check(f"torch{TORCH}"):
        _install_torch()
    wanted = slicer.packaging.load_requirements(requirements)
    missing = [str(requirement) for requirement in wanted if not slicer.packaging.pip_check([requirement])]
    if not missing:
        return
    try:
        slicer.packaging.pip_ensure(missing, requester=requester)
    except subprocess.CalledProcessError as error:
        raise MissingPackage(_failed(", ".join(missing))) from error
    except RuntimeError as error:
        raise MissingPackage(_declined(", ".join(missing))) from error
    importlib.invalidate_caches()
    still = [requirement for requirement in missing if not slicer.packaging.pip_check([requirement])]
    if still:
        raise MissingPackage(_unfinished(", ".join(still)))


def _install_torch() -> None:
    """Through the PyTorch extension, which finds the build that suits the computer."""
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ModuleNotFoundError as error:
        raise MissingPackage(_without_extension("PyTorch", "PyTorch")) from error
    try:
        torch = PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=TORCH)
    except (subprocess.CalledProcessError, ImportError, ValueError) as error:
        raise MissingPackage(_failed("PyTorch")) from error
    importlib.invalidate_caches()
    if torch is None:
        raise MissingPackage(_declined("PyTorch"))


def _without_extension(package: str, extension: str) -> str:
    return _("{package} is not installed; install the extension {extension} in the Extensions Manager.").format(
        package=package, extension=extension
    )


def _declined(packages: str) -> str:
    return _("Without {packages} this cannot be done; press Apply again to install what is missing.").format(
        packages=packages
    )


def _failed(packages: str) -> str:
    return _(
        "{packages} could not be installed; see that the computer is on the network and press Apply again. "
        "The Python console shows what pip said."
    ).format(packages=packages)


def _unfinished(packages: str) -> str:
    return _("The installation was not finished, {packages} is still missing; press Apply again.").format(
        packages=packages
    )
