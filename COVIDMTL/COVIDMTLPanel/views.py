"""Showing nodes where Slicer shows nodes of their kind."""

from __future__ import annotations

import slicer


def show_table(node: slicer.vtkMRMLTableNode) -> None:
    """Show a table in the table view, switching to a layout that has one."""
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
    slicer.app.applicationLogic().GetSelectionNode().SetActiveTableID(node.GetID())
    slicer.app.applicationLogic().PropagateTableSelection()


def show_chart(node: slicer.vtkMRMLPlotChartNode) -> None:
    """Show a plot chart in the plot view, switching to a layout that has one."""
    slicer.app.layoutManager().setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
    slicer.app.applicationLogic().GetSelectionNode().SetActivePlotChartID(node.GetID())
    slicer.app.applicationLogic().PropagatePlotChartSelection()
