"""``PyTorchUtils``, the module of the extension PyTorch: what it installs and finds is up to ``host.packages``."""

import importlib

import slicer

from .packaging import packages, pip_check, pip_install


class PyTorchUtilsLogic:
    """Finds and installs torch."""

    @staticmethod
    def torchInstalled() -> bool:
        return pip_check("torch")

    @staticmethod
    def torchvisionInstalled() -> bool:
        return pip_check("torchvision")

    @property
    def torch(self):
        """The module ``torch``, installed where it is missing."""
        return self.importTorch()

    def importTorch(self):
        return _imported_torch() if self.torchInstalled() else self.installTorch()

    def installTorch(
        self,
        askConfirmation=False,
        forceComputationBackend=None,
        torchVersionRequirement=None,
        torchvisionVersionRequirement=None,
    ):
        """The module ``torch`` after its installation; None where the user declines.

        As in the extension, CalledProcessError tells that it failed, ModuleNotFoundError that torch is missing after
        it all the same. What its import raises is anything, such as OSError of a DLL.
        """
        wanted = [f"torch{torchVersionRequirement or ''}", f"torchvision{torchvisionVersionRequirement or ''}"]
        if askConfirmation and not slicer.app.testingEnabled():
            question = f"PyTorch will be downloaded and installed ({' '.join(wanted)}). This may take minutes."
            if not slicer.util.confirmOkCancelDisplay(question):
                return None
        pip_install(wanted)
        if packages.load_error is not None:
            raise packages.load_error
        return _imported_torch()

    def getDevice(self):
        return self.torch.device("cuda") if self.torch.cuda.is_available() else "cpu"

    @property
    def cuda(self) -> bool:
        return self.getDevice() != "cpu"


def _imported_torch():
    if not pip_check("torch"):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    return importlib.import_module("torch")
