"""Offering missing packages for installation, when they are needed and not before."""

from __future__ import annotations

import importlib
import subprocess
from pathlib import Path
from types import ModuleType

import slicer
from COVIDMTLLib.utils.optional_imports import MissingPackage
from slicer.i18n import tr as _

TORCH = ">=2.2"
"""Version of PyTorch that models on volumes need."""

PYTORCH = "PyTorch"
"""The package, and the extension of Slicer that finds the build of it that suits the computer."""


class AlreadyTold(MissingPackage):
    """Something is missing, and a dialog has said so: the user declined in it, or it showed what pip said."""


def ensure_packages(requirements: Path, requester: str, torch: bool = False) -> None:
    """Make sure that what a job needs is installed, asking the user before anything is.

    Parameters
    ----------
    requirements : Path
        File of requirements in pip's format.
    requester : str
        Title of the module that needs them.
    torch : bool
        Whether the job needs PyTorch, too.

    Raises
    ------
    MissingPackage
        If something is still missing in the end; the sentence says what, why and what to do.
    AlreadyTold
        The same, where a dialog of Slicer has told the user.
    """
    packaging = _packaging()
    if torch and not packaging.pip_check(f"torch{TORCH}"):
        _install_torch(packaging)
    wanted = packaging.load_requirements(requirements)
    missing = [str(requirement) for requirement in wanted if not packaging.pip_check([requirement])]
    if not missing:
        return
    try:
        packaging.pip_ensure(missing, requester=requester)
    except subprocess.CalledProcessError as error:
        raise AlreadyTold(_failed(", ".join(missing))) from error
    except RuntimeError as error:
        raise AlreadyTold(_declined(", ".join(missing))) from error
    importlib.invalidate_caches()
    still = [requirement for requirement in missing if not packaging.pip_check([requirement])]
    if still:
        raise MissingPackage(_unfinished(", ".join(still)))


def missing_packages(requirements: Path, torch: bool = False) -> list[str]:
    """What `ensure_packages` would ask the user to install; asks nothing.

    Raises
    ------
    MissingPackage
        If Slicer is too old to tell.
    """
    packaging = _packaging()
    wanted = [*packaging.load_requirements(requirements), *([f"torch{TORCH}"] if torch else [])]
    return [str(requirement) for requirement in wanted if not packaging.pip_check([requirement])]


def _packaging() -> ModuleType:
    """``slicer.packaging``, which Slicer does not import at its start."""
    try:
        from slicer import packaging
    except ImportError as error:
        message = _("This needs Slicer 5.12 or later; this is Slicer {version}.")
        raise MissingPackage(message.format(version=slicer.app.applicationVersion)) from error
    return packaging


def _install_torch(packaging: ModuleType) -> None:
    try:
        from PyTorchUtils import PyTorchUtilsLogic
    except ModuleNotFoundError as error:
        raise _extension_offered() from error
    # Whatever the import of a library raises that was just installed comes out of this: OSError of a DLL, too.
    try:
        torch = PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=TORCH)
    except subprocess.CalledProcessError as error:
        raise AlreadyTold(_failed(PYTORCH)) from error
    except Exception as error:
        importlib.invalidate_caches()
        if packaging.pip_check(f"torch{TORCH}"):
            reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
            message = _(
                "PyTorch was installed, but Slicer cannot load it now ({reason}); restart Slicer and press Apply again."
            )
            raise MissingPackage(message.format(reason=reason)) from error
        raise MissingPackage(_failed(PYTORCH)) from error
    importlib.invalidate_caches()
    if torch is None:
        raise AlreadyTold(_declined(PYTORCH))


def _extension_offered() -> MissingPackage:
    """Offer the extension PyTorch for installation; what is still missing after it.

    No extension counts before Slicer's next start.
    """
    model = slicer.app.extensionsManagerModel()
    if model.isExtensionInstalled(PYTORCH):
        return MissingPackage(_("Slicer has to load the extension PyTorch first; restart Slicer."))
    question = _("The chosen model needs the extension PyTorch of Slicer. Install it now?")
    if not slicer.util.confirmOkCancelDisplay(question):
        return AlreadyTold(_declined(PYTORCH))
    interactive = model.interactive
    model.interactive = False  # it has been asked already
    try:
        installed = model.installExtensionFromServer(PYTORCH, False)
    finally:
        model.interactive = interactive
    if installed:
        return MissingPackage(_("The extension PyTorch was installed; restart Slicer and press Apply again."))
    return MissingPackage(
        _(
            "The extension PyTorch could not be installed; see that the computer is on the network and press Apply "
            "again, or install it in the Extensions Manager. Or choose a model that does without it."
        )
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
