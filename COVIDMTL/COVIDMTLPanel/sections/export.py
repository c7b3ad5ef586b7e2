"""The section of the panel that writes the results of the CT that is selected to files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt
import slicer
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLMRML.exports import came_from_dicom, write_assessment, write_features, write_report, write_results
from COVIDMTLMRML.results import FEATURES, assessment_of, part_of
from slicer.i18n import tr as _


class ExportSection:
    """Writes tables, JSON and the report where the user wants them; DICOM is a job of the panel.

    Parameters
    ----------
    ui : namespace
        The widgets of the panel.
    parameters : callable
        Takes nothing; gives the panel's parameters that are shown now, or None.
    """

    def __init__(self, ui, parameters: Callable[[], Any]):
        self._ui, self._parameters = ui, parameters
        table, page = _("Table (*.csv)"), _("Web page (*.html)")
        kinds = {
            ui.saveReportButton: (write_report, _("Save the report"), "", ("html", "htm"), page),
            ui.exportResultsButton: (write_results, _("Save the results"), " results", ("csv",), table),
            ui.exportFeaturesButton: (write_features, _("Save the features"), " features", ("csv",), table),
            ui.exportAssessmentButton: (write_assessment, _("Save the assessment"), "", ("json",), _("JSON (*.json)")),
        }
        for button, kind in kinds.items():
            button.connect("clicked(bool)", lambda clicked=False, kind=kind: self._save(*kind))

    def show(self, running: bool) -> None:
        """Bring the section up to date with the scene; ``running`` says whether a job of the panel runs."""
        ui, parameters = self._ui, self._parameters()
        ct = parameters.inputVolume if parameters is not None else None
        there = ct is not None and assessment_of(ct) is not None
        for button in (ui.saveReportButton, ui.exportResultsButton, ui.exportAssessmentButton):
            button.enabled = there
        ui.exportFeaturesButton.enabled = there and part_of(ct, FEATURES) is not None
        from_dicom = ct is not None and came_from_dicom(ct)
        ui.exportDicomButton.enabled = there and from_dicom and not running
        ui.keepIdentityCheckBox.enabled = there and from_dicom
        ui.exportDicomButton.toolTip = (
            _("Write lungs.dcm and opacities.dcm, segmentations, and assessment.dcm, a report, into a folder")
            if from_dicom
            else _("Only of a CT that was loaded from DICOM: results refer to its series")
        )

    def choose_folder(self) -> str:
        """Let the user choose a folder for DICOM results; empty if none was."""
        return qt.QFileDialog.getExistingDirectory(
            self._ui.exportDicomButton, _("Choose a folder for the DICOM results")
        )

    def _save(self, write: Callable, title: str, suffix: str, endings: tuple[str, ...], kind: str) -> None:
        ct = self._parameters().inputVolume
        proposed = f"{ct.GetName()} COVID-MTL{suffix}.{endings[0]}"
        path = qt.QFileDialog.getSaveFileName(self._ui.saveReportButton, title, proposed, kind)
        if not path:
            return
        if not path.lower().endswith(tuple(f".{ending}" for ending in endings)):  # not every system's dialog adds it
            path += f".{endings[0]}"
        try:
            write(ct, path)
        except InputError as error:
            slicer.util.errorDisplay(str(error))
