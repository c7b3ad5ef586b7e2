"""Self tests of the modules as Slicer runs them."""

from __future__ import annotations

import unittest
from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
from slicer.i18n import tr as _

from .installation import missing_packages

if TYPE_CHECKING:
    from slicer.ScriptedLoadableModule import ScriptedLoadableModuleTest as Base
else:
    Base = object


class SelfTest(Base):
    """Makes a module's tests begin with an empty scene, and skips them where a package is missing that the job needs.

    Stands before `ScriptedLoadableModuleTest`; no test case itself, which a module that imports it would run, too.
    """

    @abstractmethod
    def requirements(self) -> Path:
        """File of requirements of the module, in pip's format."""

    def setUp(self):
        slicer.mrmlScene.Clear()
        missing = missing_packages(self.requirements())
        if missing:
            self.skipTest(_("{packages} not installed; press Apply in the panel.").format(packages=", ".join(missing)))

    def runTest(self):
        """What the button "Reload and Test" and the module Self Tests run, which take a skipped test for a failed."""
        try:
            super().runTest()
        except unittest.SkipTest as reason:
            self.delayDisplay(_("Skipped: {reason}").format(reason=reason))
