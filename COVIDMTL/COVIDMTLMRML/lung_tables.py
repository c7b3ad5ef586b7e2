"""What a lung segmentation measures, and how well it agrees with a reference, as a table node."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
from COVIDMTLLib.imaging.labels import AIRWAYS, LEFT, RIGHT
from COVIDMTLLib.imaging.volume import Volume
from COVIDMTLLib.measurements.overlap import overlap
from COVIDMTLLib.segmentation.airways import without_airways

from .tables import fill_table

AGREEMENT = {"dice": "Dice", "jaccard": "Jaccard", "mcc": "MCC", "precision": "Precision"}
"""Titles of the measures of `COVIDMTLLib.measurements.overlap.overlap` (section 4.1 of the paper)."""

SHOWN = "Boundary that the CT shows, %"
"""Title of the share of the boundary of both lungs that was not inferred."""

WARNINGS = "COVIDMTL.Warnings"
"""Attribute of a table node: sentences that warn of the lungs, a line each."""


def measure_lungs(lungs: Volume, shown: float, reference: Volume | None = None) -> dict[str, float]:
    """Volumes of the lungs in ml, how much of their boundary the CT shows, and their agreement with a reference.

    Parameters
    ----------
    lungs : Volume
        1 right lung, 2 left lung; 3 trachea and main bronchi, which are no lung.
    shown : float
        Share of their boundary, 0 to 1 (see `COVIDMTLLib.measurements.boundary_visibility`).
    reference : Volume, optional
        Mask on the same grid; every value but 0 is lung.

    Returns
    -------
    dict
        Values by their titles, in as many digits as a scene keeps.
    """
    millilitres = lungs.geometry.voxel_volume
    airways = np.count_nonzero(lungs.array == AIRWAYS) * millilitres
    lungs = without_airways(lungs)
    measures = {
        "Right lung, ml": round(np.count_nonzero(lungs.array == RIGHT) * millilitres, 1),
        "Left lung, ml": round(np.count_nonzero(lungs.array == LEFT) * millilitres, 1),
        "Both lungs, ml": round(np.count_nonzero(lungs.array) * millilitres, 1),
        SHOWN: round(100 * shown, 2),
    }
    if airways:
        measures["Trachea and main bronchi, ml"] = round(airways, 1)
    if reference is not None:
        agreement = overlap(lungs.array, reference.array)
        measures |= {title: round(agreement[key], 4) for key, title in AGREEMENT.items()}
    return measures


def add_lung_table(ct: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLTableNode:
    """Add an empty table node, named after a CT, to its scene."""
    scene = ct.GetScene()
    return scene.AddNewNodeByClass("vtkMRMLTableNode", scene.GenerateUniqueName(f"{ct.GetName()} lung volumes"))


def fill_lung_table(node: slicer.vtkMRMLTableNode, measures: dict[str, float], warnings: Sequence[str] = ()) -> None:
    """Put what `measure_lungs` gives, and warnings, into a table node, in place of what it held."""
    node.SetAttribute(WARNINGS, "\n".join(warnings))
    fill_table(node, ("Measure", "Value"), list(measures.items()))


def read_warnings(node: slicer.vtkMRMLTableNode) -> list[str]:
    """The warnings that `fill_lung_table` put into a table node."""
    return (node.GetAttribute(WARNINGS) or "").splitlines()


def read_lung_table(node: slicer.vtkMRMLTableNode) -> dict[str, float]:
    """What `fill_lung_table` put into a table node; empty if the node holds something else."""
    table = node.GetTable()
    names, values = (table.GetColumnByName(name) for name in ("Measure", "Value"))
    if names is None or values is None:
        return {}
    return {
        names.GetValue(row): float(values.GetVariantValue(row).ToDouble()) for row in range(table.GetNumberOfRows())
    }
