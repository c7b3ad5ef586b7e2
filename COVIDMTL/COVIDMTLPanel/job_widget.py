"""The panel of a module that runs one job at a time: inputs, Apply, progress, Cancel, results."""

from __future__ import annotations

import logging
import traceback
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer
import vtk
from COVIDMTLLib.processes.command_process import ChildFailed
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLMRML.attention import attention_in
from COVIDMTLMRML.volumes import ct_nodes
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic, ScriptedLoadableModuleWidget
from slicer.util import VTKObservationMixin

from .background import Background
from .installation import AlreadyTold
from .sections.log import LogSection
from .settings import recall, remember


@dataclass(frozen=True)
class JobView:
    """Where a panel shows how far a job is, and the button that ends it.

    Attributes
    ----------
    bar : QProgressBar
    cancel : QPushButton
    status : QLabel
    cancelled : str
        What is said when the job was cancelled.
    """

    bar: Any
    cancel: Any
    status: Any
    cancelled: str

    def say(self, text: str) -> None:
        """Show a line of text."""
        self.status.text = text
        self.status.visible = bool(text)

    def show_running(self, running: bool) -> None:
        """Show the bar and the button while a job runs."""
        self.bar.value = 0
        for widget in (self.bar, self.cancel):
            widget.visible = running
        if running:
            self.say(_("Starting ..."))


class JobWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """Base class of both panels.

    The .ui file is named like the module and has ``applyButton``, ``cancelButton``, ``progressBar``,
    ``statusLabel`` and the widgets of `LogSection`; its other widgets are tied to parameters by
    ``SlicerParameterName``.
    """

    REMEMBERED: tuple[str, ...] = ()
    """Parameters that a new scene begins with as they were at the last run."""

    def __init__(self, parent=None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: ScriptedLoadableModuleLogic = None
        self._parameterNode: Any = None  # as parameterNodeWrapper makes it
        self._parameterNodeGuiTag = None
        self._job: Background | None = None

    @abstractmethod
    def makeLogic(self):
        """The logic of the module."""

    @abstractmethod
    def ensurePackages(self) -> None:
        """Make sure that what the job needs is installed, see `ensure_packages`."""

    @abstractmethod
    def startJob(self) -> Background:
        """Start what Apply is for, with `jobCallbacks`; its packages are there."""

    @abstractmethod
    def showResults(self) -> None:
        """Show the results that the scene holds for what is selected, or that there are none."""

    def setup(self) -> None:
        """Called when the user opens the module the first time, and on reload."""
        ScriptedLoadableModuleWidget.setup(self)
        panel = slicer.util.loadUI(self.resourcePath(f"UI/{self.moduleName}.ui"))
        self.layout.addWidget(panel)
        self.ui = slicer.util.childWidgetVariables(panel)
        panel.setMRMLScene(slicer.mrmlScene)
        self.logic = self.makeLogic()
        self._log = LogSection(self.ui)
        self._main_view = JobView(
            self.ui.progressBar, self.ui.cancelButton, self.ui.statusLabel, _("Cancelled; the scene is as it was.")
        )
        self._view: JobView = self._main_view  # of the job that runs, or ran last

        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        # Node references are told of before their nodes are there while a scene is loaded, and not again.
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndClose)
        self.ui.applyButton.connect("clicked(bool)", self.onApply)
        self.ui.cancelButton.connect("clicked(bool)", self.onCancel)
        self._view.show_running(False)
        self._view.say("")
        self.initializeParameterNode()

    def cleanup(self) -> None:
        """Called before the panel goes: at the end of Slicer, and on reload."""
        self._stopJob()
        self.setParameterNode(None)
        self.removeObservers()

    def enter(self) -> None:
        """Called each time the user opens this module."""
        self.initializeParameterNode()

    def exit(self) -> None:
        """Called each time the user opens a different module; a job that runs goes on."""
        self.setParameterNode(None)

    def onSceneStartClose(self, caller=None, event=None) -> None:
        """Called just before the scene is closed."""
        # A job on files goes on.
        if self._view is self._main_view and self._stopJob():
            self._view.say(_("Cancelled: the scene was closed."))
        self.setParameterNode(None)

    def onSceneEndClose(self, caller=None, event=None) -> None:
        """Called just after the scene was closed, or another one loaded."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def initializeParameterNode(self) -> None:
        """Make sure that the parameter node exists and is observed; choose the only possible CT for the user."""
        new = not ScriptedLoadableModuleLogic.getParameterNode(self.logic).GetParameterNames()
        parameters = self.logic.getParameterNode()
        if new:
            recall(self.moduleName, parameters, self.REMEMBERED, self.canRecall)
        self.setParameterNode(parameters)
        if not self._parameterNode.inputVolume:
            cts = ct_nodes(slicer.mrmlScene)
            if len(cts) == 1:
                self._parameterNode.inputVolume = cts[0]

    def canRecall(self, name: str, value: Any) -> bool:
        """Whether what a parameter was at the last run is still there to be chosen."""
        return True

    def setParameterNode(self, parameterNode) -> None:
        """Tie the widgets to a parameter node, or to none."""
        if self._parameterNode:
            self._parameterNode.disconnectGui(self._parameterNodeGuiTag)
            self._parameterNodeGuiTag = None
            self.removeObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
        self._parameterNode = parameterNode
        if self._parameterNode:
            self._parameterNodeGuiTag = self._parameterNode.connectGui(self.ui)
            self.addObserver(self._parameterNode, vtk.vtkCommand.ModifiedEvent, self.onParametersModified)
            self.onParametersModified()

    def onParametersModified(self, caller=None, event=None) -> None:
        """Called when the user or a script changed a parameter."""
        self._hideAttention()
        self._checkCanApply()
        self.showResults()

    def onApply(self) -> None:
        """Run the job."""
        self._start(self.startJob)

    def onCancel(self) -> None:
        """End the job at once."""
        if self._stopJob():
            self._view.say(self._view.cancelled)

    def jobCallbacks(self, finished) -> dict:
        """Callbacks of a job; ``finished`` is told its result when the panel is ready for the next one."""

        def onFinished(result) -> None:
            self._job = None
            self._hideAttention()
            self._showRunning(False)
            self._view.say(_("Done."))
            with slicer.util.tryWithErrorDisplay(_("The results could not be shown.")):
                finished(result)

        return {
            "progress": self._onProgress,
            "finished": onFinished,
            "failed": self._onFailed,
            "log": self._onLog,
        }

    def _start(
        self,
        start: Callable[[], Background],
        view: JobView | None = None,
        ensure_packages: Callable[[], None] | None = None,
    ) -> None:
        """Start a job and show it in a view, when the packages that it needs are there.

        View and packages are those of Apply by default.
        """
        self._view = view or self._main_view
        with slicer.util.tryWithErrorDisplay(_("The job could not be started.")):
            try:
                # May ask the user, who is not to see an hourglass over the question.
                (ensure_packages or self.ensurePackages)()
                remember(self.moduleName, self._parameterNode, self.REMEMBERED)
                self._log.clear()
                with slicer.util.WaitCursor():
                    self._job = start()
            except InputError as error:
                refused = error
            else:
                self._showRunning(True)
                return
        self._onFailed(refused)

    def _stopJob(self) -> bool:
        """End the job, if one runs; whether one did."""
        job, self._job = self._job, None
        if job is None:
            return False
        job.cancel()
        self._showRunning(False)
        return True

    def _onProgress(self, step: str, fraction: float, text: str) -> None:
        self._view.bar.value = round(100 * fraction)
        if step != "done":
            self._view.say(_("{text} ...").format(text=text))

    def _onLog(self, line: str) -> None:
        """Put a line of the job's log into the panel's, and into Slicer's, which takes Python's."""
        self._log.add(line)
        logging.getLogger(self.moduleName).info(line)

    def _onFailed(self, error: Exception) -> None:
        self._job = None
        self._showRunning(False)
        self._view.say(_("Failed: {reason}").format(reason=error))
        if isinstance(error, AlreadyTold):
            return
        # What is wrong with the input is a sentence; only what should not have happened gets its traceback.
        if isinstance(error, InputError | ChildFailed):
            slicer.util.errorDisplay(str(error))
        else:
            slicer.util.errorDisplay(str(error), detailedText="".join(traceback.format_exception(error)))

    def _hideAttention(self) -> None:
        """Offer no attention of a network as a CT; label maps are left out by the selector's types."""
        hidden = tuple(node.GetID() for node in attention_in(slicer.mrmlScene))
        model = self.ui.inputSelector.sortFilterProxyModel()
        if tuple(model.hiddenNodeIDs) != hidden:
            model.hiddenNodeIDs = hidden

    def _showRunning(self, running: bool) -> None:
        self._view.show_running(running)
        self._checkCanApply()

    def _checkCanApply(self) -> None:
        ready = self._parameterNode is not None and self._parameterNode.inputVolume is not None
        self.ui.applyButton.enabled = ready and self._job is None
        if self._job is not None:
            self.ui.applyButton.toolTip = _("Wait for the end of the run, or cancel it")
        else:
            self.ui.applyButton.toolTip = self.applyToolTip() if ready else _("Select a CT volume")

    @abstractmethod
    def applyToolTip(self) -> str:
        """What Apply does."""
