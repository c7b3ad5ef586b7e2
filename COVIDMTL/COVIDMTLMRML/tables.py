"""What an assessment says as tables: probabilities, lungs, what is known of the patient, and what counted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import slicer
import vtk
from COVIDMTLLib.patient.laboratory import LABORATORY
from COVIDMTLLib.patient.patient import SEXES

SIDES = {"right": "Right lung", "left": "Left lung", "both": "Both lungs"}

SEX_UNIT = ", ".join(f"{number:g} {sex}" for sex, number in SEXES.items())
"""Says which number stands for which sex, where other values have their unit."""

PROBABILITY_COLUMNS = ("Task", "Class", "Task and class", "Probability", "Verdict", "Prediction set")
LUNG_COLUMNS = ("Lung", "Volume, ml", "Mean, HU", "Share at ground-glass density", "Share at consolidation density")
OPACITY_COLUMNS = (
    "Lung",
    "Opacities, ml",
    "Ground glass, ml",
    "Consolidation, ml",
    "Opacities, % of the lung",
    "At least, %",
    "At most, %",
    "Above -200 HU, %",
)
ZONE_COLUMNS = ("Zone", "Opacities, %", "At least, %", "At most, %", "Score")
PATIENT_COLUMNS = ("Name", "Title", "Value", "Unit", "Beside the normal range")
CONTRIBUTION_COLUMNS = ("Task", "Name", "Title", "Value", "Unit", "Contribution to the verdict, log-odds")


def probability_rows(result: dict[str, Any]) -> Iterator[tuple]:
    """A row for each class of each task, or for each probability after the CT of one that gives a likelihood ratio.

    The prediction set is told with its coverage, if there is one.
    """
    for task in result["tasks"].values():
        if "evidence" in task:
            for one in task["evidence"]["after"]:
                words = f"{one['before']:.0%} before the CT, {task['classes'][1]} after it"
                yield task["title"], words, f"{task['title']}: {words}", one["probability"], task["verdict"], ""
            continue
        chosen = task.get("prediction_set")
        for name, probability in zip(task["classes"], task["probabilities"], strict=True):
            verdict = (f"yes, in {task['holds_at']}" if "holds_at" in task else "yes") * (name == task["verdict"])
            inside = ""
            if chosen:
                inside = f"{'inside' if name in chosen['classes'] else 'outside'}, {chosen['coverage']:.0%} coverage"
            yield task["title"], name, f"{task['title']}: {name}", probability, verdict, inside


def lung_rows(result: dict[str, Any]) -> Iterator[tuple]:
    """A row for each lung and one for both."""
    keys = ("volume_ml", "mean_hu", "ground_glass_share", "consolidation_share")
    for side, title in SIDES.items():
        lung = result["lungs"][side]
        yield title, *(float("nan") if lung[key] is None else lung[key] for key in keys)


def opacity_rows(measures: dict[str, Any] | None) -> Iterator[tuple]:
    """A row for each lung that is there and one for both; none of an assessment without opacities."""
    if not measures:
        return
    for side, title in SIDES.items():
        lung = measures[side]
        if lung["opacity"] is not None:
            shares = [round(100 * lung["opacity"][key], 2) for key in ("share", "low", "high")]
            volumes = (lung[f"{kind}_ml"] for kind in ("opacity", "ground_glass", "consolidation"))
            yield title, *volumes, *shares, round(100 * lung["high_opacity"]["share"], 2)


def zone_rows(measures: dict[str, Any] | None) -> Iterator[tuple]:
    """A row for each zone that is there, with its score from 0 to 4."""
    for name, zone in measures["zones"].items() if measures else ():
        if zone["opacity"] is not None:
            yield name, *(round(100 * zone["opacity"][key], 2) for key in ("share", "low", "high")), zone["score"]


def patient_rows(result: dict[str, Any]) -> Iterator[tuple]:
    """A row for each thing that is known of the patient; none of an assessment older than that."""
    patient = result.get("patient")
    if not patient:
        return
    if patient["age"] is not None:
        yield "age", "Age", float(patient["age"]), "years", ""
    if patient["sex"] is not None:
        yield "sex", "Sex", SEXES[patient["sex"]], SEX_UNIT, ""
    for name, value in patient["labs"].items():
        lab = LABORATORY[name]
        yield name, lab.title, value, lab.unit, lab.side(value)


def contribution_rows(result: dict[str, Any]) -> Iterator[tuple]:
    """A row for each contribution to each verdict, in the order of the assessment."""
    for task in result["tasks"].values():
        for one in task.get("contributions", ()):
            unit = SEX_UNIT if one["name"] == "sex" else one["unit"]
            yield task["title"], one["name"], one["title"], float(one["value"]), unit, float(one["contribution"])


def fill_table(node: slicer.vtkMRMLTableNode, names: Sequence[str], rows: Sequence[tuple]) -> None:
    """Fill a table; a column is of text or of numbers as its first cell is."""
    node.RemoveAllColumns()
    for name, cells in zip(names, zip(*rows, strict=True), strict=True):
        column = vtk.vtkStringArray() if isinstance(cells[0], str) else vtk.vtkDoubleArray()
        column.SetName(name)
        for cell in cells:
            column.InsertNextValue(cell)
        node.AddColumn(column)
    node.SetLocked(True)
