"""The section of the panel for the results: what has to be seen first, what can be folded out, and what shows more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from COVIDMTLLib import RESEARCH_USE_ONLY
from COVIDMTLMRML.attention import attention_nodes
from COVIDMTLMRML.exports import write_report
from COVIDMTLMRML.results import (
    CHART,
    CONTRIBUTIONS,
    OPACITIES,
    OPACITY_TABLE,
    PROBABILITIES,
    SEGMENTATION,
    ZONE_CHART,
    assessment_of,
    node_of,
    part_of,
)
from slicer.i18n import tr as _

from ..texts.summaries import results_html
from ..views import show_chart, show_table


class ResultsSection:
    """Shows the assessment of the CT that is selected.

    Parameters
    ----------
    ui : namespace
        The widgets of the panel.
    parameters : callable
        Takes nothing; gives the panel's parameters that are shown now, or None.
    """

    def __init__(self, ui, parameters: Callable[[], Any]):
        self._ui, self._parameters = ui, parameters
        self._overlay = None
        ui.attentionComboBox.connect("currentIndexChanged(int)", self.onAttentionSelected)
        ui.openReportButton.connect("clicked(bool)", self.onOpenReport)
        ui.tableButton.connect("clicked(bool)", lambda: show_table(self._part(PROBABILITIES)))
        ui.plotButton.connect("clicked(bool)", lambda: show_chart(self._part(CHART)))
        ui.opacityTableButton.connect("clicked(bool)", lambda: show_table(self._part(OPACITY_TABLE)))
        ui.zonePlotButton.connect("clicked(bool)", lambda: show_chart(self._part(ZONE_CHART)))
        ui.contributionsButton.connect("clicked(bool)", lambda: show_table(self._part(CONTRIBUTIONS)))

    def show(self) -> None:
        """Bring the section up to date with the scene."""
        ui, parameters = self._ui, self._parameters()
        ct = parameters.inputVolume if parameters is not None else None
        result = assessment_of(ct) if ct is not None else None
        texts = results_html(result)
        labels = (ui.warningsLabel, ui.verdictsLabel, ui.lungsLabel, ui.patientLabel)
        for label, text in zip(labels, (texts.warnings, texts.verdicts, texts.lungs, texts.patient), strict=True):
            label.text = text
            label.visible = bool(text)
        ui.reasonsLabel.text = texts.reasons
        ui.reasonsGroupBox.visible = bool(texts.reasons)
        ui.resultsCaptionLabel.text = (
            f"<b>{result['case']}</b><br/>{RESEARCH_USE_ONLY}" if result else _("Nothing assessed yet.")
        )
        ui.openReportButton.enabled = result is not None
        for button in (ui.tableButton, ui.plotButton):
            button.enabled = bool(result and result["tasks"])  # a part of a chest gets no verdict
        ui.contributionsButton.visible = result is not None and self._part(CONTRIBUTIONS) is not None
        ui.show3DButton.setSegmentationNode(self._part(SEGMENTATION) if result else None)
        opacities = self._part(OPACITIES) if result else None
        ui.opacitiesWidget.visible = opacities is not None  # which assessments in older scenes do not have
        ui.show3DOpacitiesButton.setSegmentationNode(opacities)
        for button, role in ((ui.opacityTableButton, OPACITY_TABLE), (ui.zonePlotButton, ZONE_CHART)):
            button.enabled = opacities is not None and self._part(role) is not None
        self._show_attention(ct, result)

    def onAttentionSelected(self, index: int) -> None:
        """Called when another task's attention was chosen."""
        task, parameters = self._ui.attentionComboBox.itemData(index) or "", self._parameters()
        if parameters is not None and task != parameters.attention:
            parameters.attention = task

    def onOpenReport(self) -> None:
        """Show the report in the web browser."""
        with slicer.util.tryWithErrorDisplay(_("The report could not be opened.")):
            path = Path(slicer.app.temporaryPath) / "COVID-MTL-report.html"
            write_report(self._parameters().inputVolume, path)
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))

    def _show_attention(self, ct, result) -> None:
        """Offer the attention maps of the assessment, and lay the chosen one over the CT."""
        maps = attention_nodes(node_of(ct)) if result else {}
        self._ui.attentionWidget.visible = bool(maps)
        combo = self._ui.attentionComboBox
        combo.blockSignals(True)
        combo.clear()
        combo.addItem(_("None"), "")
        for task in maps:
            combo.addItem(result["tasks"][task]["title"], task)
        chosen = self._parameters().attention if maps else ""
        combo.currentIndex = max(0, combo.findData(chosen))
        combo.blockSignals(False)
        overlay = maps.get(chosen)
        if overlay is None and self._overlay is None:
            return
        opacity = self._parameters().attentionOpacity if overlay is not None else 0
        slicer.util.setSliceViewerLayers(foreground=overlay, foregroundOpacity=opacity)
        self._overlay = overlay

    def _part(self, role: str):
        return part_of(self._parameters().inputVolume, role)
