"""What a test does with the stand-in: open a panel, close and load scenes, wait, look."""

import sys
import time
import traceback
from pathlib import Path

import slicer
from PySide6.QtCore import QEvent

from .modules import qSlicerScriptedLoadableModule
from .services.messages import Messages
from .services.sample_data import SampleDataLogic


class Host:
    """One running stand-in. ``messages`` has what was shown to the user, ``errors`` what slots have raised."""

    def __init__(self, app, packages, slicer_python: Path | None):
        self.app, self.packages, self.slicer_python = app, packages, slicer_python
        self.messages = Messages()
        self.messages.take_over()
        self.errors: list[BaseException] = []
        sys.excepthook = self._keep_error

    def _keep_error(self, kind, error, trace) -> None:
        """Qt hands here what a slot raises, and goes on, as Slicer does."""
        self.errors.append(error)
        traceback.print_exception(kind, error, trace)

    @property
    def testing(self) -> bool:
        """What ``slicer.app.testingEnabled()`` says."""
        return self.app._testing

    @testing.setter
    def testing(self, testing: bool):
        self.app._testing = testing

    def load_module(self, path) -> qSlicerScriptedLoadableModule:
        """Load a scripted module from its .py file."""
        module = qSlicerScriptedLoadableModule(path)
        self.app.moduleManager().add(module)
        return module

    def start_up(self) -> None:
        """Tell the modules loaded since the last time that Slicer has started, as ``startupCompleted()`` does."""
        self.app._complete_startup()
        self.process_events()

    def forget_submodules(self) -> None:
        """Undo the imports of submodules that only a module's own import brings, as at the start of Slicer."""
        for name in ("packaging",):
            sys.modules.pop(f"slicer.{name}", None)
            vars(slicer).pop(name, None)

    def open(self, module):
        """Switch to a module; its Python widget, set up and entered."""
        slicer.util.selectModule(module.name)
        return module.widgetRepresentation().self()

    def leave(self) -> None:
        """Switch to no module: the one that is open is told to exit."""
        self.app._window.moduleSelector().leave()

    def reload(self, module):
        """What the button "Reload" does; the new Python widget. As in Slicer, nobody calls its ``enter``."""
        slicer.util.reloadScriptedModule(module.name)
        self.process_events()
        return module.widgetRepresentation().self()

    def unload(self, module) -> None:
        """Tell a module's panel that it goes, as at the end of Slicer."""
        self.leave()
        self.app.moduleManager().moduleAboutToBeUnloaded.emit(module.name)

    def click_sample(self, name: str):
        """Click a button of Slicer's panel Sample Data; gives what its custom downloader returns."""
        logic = SampleDataLogic()
        source = logic.sourceForSampleName(name)
        if source is None:
            raise KeyError(f"There is no sample {name} in the panel Sample Data")
        return (source.customDownloader or logic.downloadFromSource)(source)

    def import_dicom(self, files: dict[str, Path]) -> None:
        """Have the DICOM database know these files, by their SOPInstanceUIDs, and no others."""
        self.app.dicomDatabase()._files = {uid: str(path) for uid, path in files.items()}

    def close_scene(self) -> None:
        """What File / Close Scene does."""
        slicer.mrmlScene.Clear(False)
        self.process_events()

    def save_scene(self, path) -> None:
        """Save the scene as .mrb, with the data, or as .mrml, without."""
        if not slicer.util.saveScene(str(path)):
            raise OSError(f"The scene was not saved as {path}")

    def load_scene(self, path) -> None:
        """Load a scene in the place of the one there is."""
        slicer.util.loadScene(str(path), {"clear": True})
        self.process_events()

    def process_events(self) -> None:
        """Let Qt do what is waiting, deletions too."""
        self.app.processEvents()
        self.app.sendPostedEvents(None, QEvent.DeferredDelete)

    def wait_until(self, condition, timeout: float = 10) -> None:
        """Let Qt work until ``condition()`` is true; TimeoutError after so many seconds."""
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"Not so within {timeout} s")
            self.process_events()
            time.sleep(0.005)

    def screenshot(self, widget, path, width: int = 400) -> Path:
        """Save a picture of a widget, as wide as asked and as high as it wants to be."""
        widget = getattr(widget, "parent", widget) if not hasattr(widget, "grab") else widget
        widget.show()
        for _ in range(2):  # labels with rich text know how high they are only after they have been laid out once
            self.process_events()  # so that what was shown and hidden before counts in the height
            widget.resize(width, max(widget.heightForWidth(width), widget.sizeHint.height()))
        self.process_events()
        if not widget.grab().save(str(path)):
            raise OSError(f"No picture could be saved as {path}")
        return Path(path)
