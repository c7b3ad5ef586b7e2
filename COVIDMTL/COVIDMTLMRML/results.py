"""An assessment in the scene: JSON, report, tables and a plot, saved and loaded with the CT it is of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import slicer

from . import tables

CT = "COVIDMTL.CT"
REPORT = "COVIDMTL.Report"
FEATURES = "COVIDMTL.Features"
PROBABILITIES = "COVIDMTL.Probabilities"
LUNGS = "COVIDMTL.Lungs"
PATIENT = "COVIDMTL.Patient"
CONTRIBUTIONS = "COVIDMTL.Contributions"
SERIES = "COVIDMTL.Series"
CHART = "COVIDMTL.Chart"
SEGMENTATION = "COVIDMTL.Segmentation"
OPACITIES = "COVIDMTL.Opacities"
OPACITY_TABLE = "COVIDMTL.OpacityTable"
ZONE_TABLE = "COVIDMTL.ZoneTable"
ZONE_SERIES = "COVIDMTL.ZoneSeries"
ZONE_CHART = "COVIDMTL.ZoneChart"
VESSELS = "COVIDMTL.Vessels"
"""Roles of the nodes that the text node with the assessment refers to."""


LUNGS_DIGEST = "COVIDMTL.LungsDigest"
"""Attribute of the node of an assessment: `segmentations.digest_of` of the lungs that were assessed."""

OPACITIES_DIGEST = "COVIDMTL.OpacitiesDigest"
"""The same of the opacities that were measured."""


def store_assessment(
    result: dict[str, Any],
    ct: slicer.vtkMRMLScalarVolumeNode,
    report: str,
    segmentation: slicer.vtkMRMLSegmentationNode | None = None,
    features: str | None = None,
) -> slicer.vtkMRMLTextNode:
    """Put an assessment into the scene of a CT, in place of an earlier one of it.

    Parameters
    ----------
    result : dict
        What ``assessment.json`` holds.
    ct : vtkMRMLScalarVolumeNode
    report : str
        What ``report.html`` holds.
    segmentation : vtkMRMLSegmentationNode, optional
        The lungs that were assessed.
    features : str, optional
        What ``features.csv`` holds: as text, to the last digit.

    Returns
    -------
    vtkMRMLTextNode
        Holds the assessment as JSON and refers to the CT, the report, the features, the tables, the plot chart and the
        lungs.
    """
    text = node_of(ct) or _add(ct, "vtkMRMLTextNode", "COVID-MTL assessment")
    text.SetText(json.dumps(result))
    if segmentation is not None:
        text.SetNodeReferenceID(SEGMENTATION, segmentation.GetID())
    text.SetNodeReferenceID(CT, ct.GetID())
    _part(text, REPORT, ct, "vtkMRMLTextNode", "COVID-MTL report").SetText(report)
    if features is not None:
        _part(text, FEATURES, ct, "vtkMRMLTextNode", "COVID-MTL features").SetText(features)
    else:
        _remove(text, FEATURES)
    _table(text, ct, PROBABILITIES, "probabilities", tables.PROBABILITY_COLUMNS, tables.probability_rows(result))
    _table(text, ct, LUNGS, "lungs", tables.LUNG_COLUMNS, tables.lung_rows(result))
    store_opacities(text, ct, result.get("opacities"))
    _table(text, ct, PATIENT, "patient", tables.PATIENT_COLUMNS, tables.patient_rows(result))
    _table(text, ct, CONTRIBUTIONS, "contributions", tables.CONTRIBUTION_COLUMNS, tables.contribution_rows(result))
    bars = Bars(SERIES, CHART, "probability", "Probability", "Task and class", (0, 1))
    _plot(text, ct, text.GetNodeReference(PROBABILITIES), bars)  # none of a part of a chest, which gets no verdict
    return text


def store_opacities(
    text: slicer.vtkMRMLTextNode, ct: slicer.vtkMRMLScalarVolumeNode, measures: dict[str, Any] | None
) -> None:
    """Put measures of opacities into tables and a plot of the zones, in place of earlier ones.

    Parameters
    ----------
    text : vtkMRMLTextNode
        Of the assessment.
    ct : vtkMRMLScalarVolumeNode
    measures : dict or None
        As in ``assessment.json``; None of an assessment without.
    """
    opacities, zones = tables.opacity_rows(measures), tables.zone_rows(measures)
    _table(text, ct, OPACITY_TABLE, "opacities", tables.OPACITY_COLUMNS, opacities)
    _table(text, ct, ZONE_TABLE, "zones", tables.ZONE_COLUMNS, zones)
    bars = Bars(ZONE_SERIES, ZONE_CHART, "zones", "Opacities, %", "Zone", (0, 100))
    _plot(text, ct, text.GetNodeReference(ZONE_TABLE), bars)


def assessment_of(ct: slicer.vtkMRMLScalarVolumeNode) -> dict[str, Any] | None:
    """The assessment of a CT that its scene holds, as ``assessment.json`` has it, or None."""
    text = node_of(ct)
    return json.loads(text.GetText()) if text and text.GetText() else None


def report_of(ct: slicer.vtkMRMLScalarVolumeNode) -> str | None:
    """The report of a CT that its scene holds, as HTML, or None."""
    report = part_of(ct, REPORT)
    return report.GetText() if report else None


def node_of(ct: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLTextNode | None:
    """The node that holds the assessment of a CT, or None."""
    scene, kind = ct.GetScene(), "vtkMRMLTextNode"
    nodes = (scene.GetNthNodeByClass(i, kind) for i in range(scene.GetNumberOfNodesByClass(kind)))
    return next((node for node in nodes if node.GetNodeReference(CT) is ct), None)


def part_of(ct: slicer.vtkMRMLScalarVolumeNode, role: str) -> slicer.vtkMRMLNode | None:
    """The node that has a role in the assessment of a CT, such as `PROBABILITIES`, or None."""
    text = node_of(ct)
    return text.GetNodeReference(role) if text else None


def _part(text: slicer.vtkMRMLTextNode, role: str, ct: slicer.vtkMRMLNode, kind: str, title: str) -> slicer.vtkMRMLNode:
    """The node in a role, a new one if there is none."""
    node = text.GetNodeReference(role) or _add(ct, kind, title)
    text.SetNodeReferenceID(role, node.GetID())
    return node


def _add(ct: slicer.vtkMRMLNode, kind: str, title: str) -> slicer.vtkMRMLNode:
    return ct.GetScene().AddNewNodeByClass(kind, f"{ct.GetName()} {title}")


def _table(
    text: slicer.vtkMRMLTextNode,
    ct: slicer.vtkMRMLNode,
    role: str,
    title: str,
    columns: Sequence[str],
    rows: Iterable[tuple],
) -> None:
    """Fill the table in a role; one that has nothing to say is not there, nor that of an earlier assessment."""
    rows = list(rows)
    if rows:
        tables.fill_table(_part(text, role, ct, "vtkMRMLTableNode", f"COVID-MTL {title}"), columns, rows)
    else:
        _remove(text, role)


def _remove(text: slicer.vtkMRMLTextNode, role: str) -> None:
    """Remove the node in a role, which an earlier assessment may have left."""
    if text.GetNodeReference(role) is not None:
        text.GetScene().RemoveNode(text.GetNodeReference(role))
        text.RemoveNodeReferenceIDs(role)


class Bars(NamedTuple):
    """A bar chart of a table: roles of its nodes, what its series is called, columns, range of values."""

    series: str
    chart: str
    title: str
    values: str
    labels: str
    range: tuple[float, float]


def _plot(text: slicer.vtkMRMLTextNode, ct: slicer.vtkMRMLNode, table: slicer.vtkMRMLTableNode | None, bars: Bars):
    """Draw a table as bars; without one there is no plot, nor that of an earlier assessment."""
    if table is None:
        for role in (bars.series, bars.chart):
            _remove(text, role)
        return
    series = _part(text, bars.series, ct, "vtkMRMLPlotSeriesNode", f"COVID-MTL {bars.title}")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeBar)
    series.SetYColumnName(bars.values)
    series.SetLabelColumnName(bars.labels)
    title = "COVID-MTL chart" if bars.chart == CHART else f"COVID-MTL chart of {bars.title}"
    chart = _part(text, bars.chart, ct, "vtkMRMLPlotChartNode", title)
    chart.RemoveAllPlotSeriesNodeIDs()
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle(f"{ct.GetName()}: research use only")
    chart.SetYAxisTitle(bars.values)
    chart.SetYAxisRangeAuto(False)
    chart.SetYAxisRange(*bars.range)
    chart.SetLegendVisibility(False)
