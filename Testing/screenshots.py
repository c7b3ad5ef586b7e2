"""The pictures of the README: both panels in every state, beside slice views, on the real CT.

    python Testing/screenshots.py CT_FOLDER [--out FOLDER]

CT_FOLDER holds lung1_image.nrrd and lung1_reference_lung.nrrd.
"""

import argparse
import contextlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from support import panels  # whose host has the modules qt and slicer

# isort: split
import qt
import slicer
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.volume import labels_on
from COVIDMTLLib.phantom import thorax
from skimage.io import imread, imsave
from slice_views import render_3d, render_slice
from support.panels import MODULES, add_lungs, geometry_of, host, wait

WIDTH, GAP = 400, 12
THROUGH_RIGHT_LUNG = 80  # mm to the right of the origin of lung1_image
STATES = ("empty", "running", "finished", "failed")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct", type=Path, help="folder with lung1_image.nrrd and lung1_reference_lung.nrrd")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "screenshots")
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    imsave(options.out / "COVIDMTL-patient.png", patient_section())
    imsave(options.out / "COVIDMTL-follow.png", follow_section())
    imsave(options.out / "COVIDMTL-batch.png", side_by_side(batch_sections(options.ct)))
    for name in MODULES:
        states = dict(zip(STATES, panel_states(name, options.ct), strict=True))
        imsave(options.out / f"{name}-states.png", side_by_side(states.values()))
        finished = states["finished"]
        imsave(options.out / f"{name}.png", side_by_side([finished, views(finished.shape[0])]))
        if name == "COVIDMTL":
            imsave(options.out / "COVIDMTL-folded-out.png", side_by_side(folded_out()))
        host.close_scene()


def batch_sections(folder: Path) -> list[np.ndarray]:
    """Pictures of the sections Batch and Log while a batch runs, stopped, and done: the real CT and a broken file."""
    panel = host.open(MODULES["COVIDMTL"])
    ct = (folder / "lung1_image.nrrd").absolute()
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):  # which is in no picture then
        cts = Path("CTs")
        cts.mkdir()
        (cts / "broken.nrrd").write_bytes(b"NRRD0004\n")
        (cts / "lung1.nrrd").symlink_to(ct)
        sections = (panel.ui.batchCollapsibleButton, panel.ui.logCollapsibleButton)
        for section in sections:
            section.collapsed = False
        panel.ui.batchInputPath.currentPath, panel.ui.batchOutputPath.currentPath = str(cts), "results"

        def picture() -> np.ndarray:
            picture_of(panel)  # lays the sections out
            return side_by_side([picture_of(section) for section in sections], axis=0)

        panel.ui.batchButton.click()
        host.wait_until(lambda: panel.ui.batchProgressBar.value >= 60, panels.PATIENCE)
        running = picture()
        panel.ui.batchCancelButton.click()
        stopped = picture()
        panel.ui.batchButton.click()
        host.wait_until(panel.ui.batchProgressBar.isHidden, panels.PATIENCE)
        done = picture()
        panel.ui.batchInputPath.currentPath = panel.ui.batchOutputPath.currentPath = ""
    panel.ui.batchStatusLabel.text = ""
    for section in sections:
        section.collapsed = True
    return [running, stopped, done]


def follow_section() -> np.ndarray:
    """Picture of the section Follow-up when two CTs of a synthetic patient were compared."""
    panel = host.open(MODULES["COVIDMTL"])
    table, section = panel.ui.followTable, panel.ui.followCollapsibleButton
    section.collapsed = False
    for number, (name, share) in enumerate((("January", 0.02), ("February", 0.2), ("Planning CT", 0.0))):
        phantom = thorax(5, ground_glass=share, spacing=(1.6, 1.6, 2.0), size=0.6)
        panels.add_ct(phantom, name)
        table.item(number, 1).setText("" if not share else f"2026-0{number + 1}-09")
        table.item(number, 0).setCheckState(qt.Qt.Checked if share else qt.Qt.Unchecked)
    with tempfile.TemporaryDirectory() as temporary, contextlib.chdir(temporary):  # which is in no picture then
        panel.ui.followOutputPath.currentPath = "results"
        panel.ui.followButton.click()
        host.wait_until(panel.ui.followProgressBar.isHidden, panels.PATIENCE)
        picture_of(panel)  # lays the section out
        picture = picture_of(section)
        panel.ui.followOutputPath.currentPath = ""
    panel.ui.followStatusLabel.text = ""
    section.collapsed = True
    host.close_scene()
    return picture


def folded_out() -> list[np.ndarray]:
    """Pictures of what is folded away at first: the model card, what counted for the verdicts, and Export.

    What counted is that of a model which gives a verdict on slices of 5 mm, too.
    """
    panel = host.open(MODULES["COVIDMTL"])
    folded = (panel.ui.modelCardGroupBox, panel.ui.exportCollapsibleButton, panel.ui.reasonsGroupBox)
    for section in folded:
        section.collapsed = False
    picture_of(panel)  # lays the sections out
    card_and_export = [picture_of(section) for section in folded[:2]]
    panel._parameterNode.model = "features"
    panel.ui.applyButton.click()
    wait(panel)
    picture_of(panel)
    counted = picture_of(folded[2])
    for section in folded:
        section.collapsed = True
    return [side_by_side(card_and_export, axis=0), counted]


def patient_section() -> np.ndarray:
    """Picture of the section for what is known of the patient, with made-up values."""
    panel = host.open(MODULES["COVIDMTL"])
    panel.ui.patientCollapsibleButton.collapsed = False
    panel.ui.ageSpinBox.value = 64
    panel.ui.sexComboBox.currentText = "female"
    panel._parameterNode.labs = json.dumps({"HGB": 128, "LY": 0.48, "WBC": 6.1, "DD": 0.9, "CREA": 71.5, "LDH": 412})
    panel.ui.givenOnlyCheckBox.checked = True
    picture_of(panel)  # lays the section out
    picture = picture_of(panel.ui.patientCollapsibleButton)
    panel.ui.clearPatientButton.click()
    panel.ui.givenOnlyCheckBox.checked = False
    panel.ui.patientCollapsibleButton.collapsed = True
    return picture


def panel_states(name: str, folder: Path):
    """Pictures of a panel, empty, running, failed, and finished in the end, in the order of `STATES`."""
    panel = host.open(MODULES[name])
    empty = picture_of(panel)
    panel.ui.inputSelector.setCurrentNode(panels.add_empty_ct())
    panel.ui.applyButton.click()
    failed = picture_of(panel)
    slicer.mrmlScene.RemoveNode(panel.ui.inputSelector.currentNode())
    panel.ui.statusLabel.text = ""

    ct = slicer.util.loadVolume(str(folder / "lung1_image.nrrd"))
    reference = labels_on(read_mask(folder / "lung1_reference_lung.nrrd"), geometry_of(ct))
    panel.ui.inputSelector.setCurrentNode(ct)
    if name == "SegmentRefine":
        node = add_lungs(reference, ct, "Reference")
        node.GetDisplayNode().SetVisibility(False)
        panel.ui.referenceSelector.setCurrentNode(node)
    panel.ui.applyButton.click()
    wait(panel, 0.4)
    running = picture_of(panel)
    wait(panel)
    return empty, running, picture_of(panel), failed


def picture_of(panel) -> np.ndarray:
    """A panel, or a part of it, as wide as it mostly is in Slicer, uint8 (height, width, 3)."""
    with tempfile.TemporaryDirectory() as folder:
        return imread(host.screenshot(panel, Path(folder) / "panel.png", WIDTH))[..., :3]


def views(height: int) -> np.ndarray:
    """Axial, coronal and sagittal slices and the 3D view, as Slicer lays them out."""
    ct = slicer.util.getNode("lung1_image")
    size = ((height - GAP) // 2,) * 2
    axial, coronal, sagittal = (
        render_slice(slicer.mrmlScene, ct, orientation, offset, size, close_up=True)
        for orientation, offset in (("Axial", None), ("Coronal", None), ("Sagittal", THROUGH_RIGHT_LUNG))
    )
    rows = [[axial, render_3d(slicer.mrmlScene, size)], [coronal, sagittal]]
    return side_by_side([side_by_side(row) for row in rows], axis=0)


def side_by_side(pictures, axis: int = 1) -> np.ndarray:
    """Pictures in a row, or a column, on white."""
    pictures = list(pictures)
    across = 1 - axis
    longest = max(picture.shape[across] for picture in pictures)
    parts = []
    for picture in pictures:
        padding = [(0, 0)] * 3
        padding[across] = (0, longest - picture.shape[across])
        padding[axis] = (GAP if parts else 0, 0)
        parts.append(np.pad(picture, padding, constant_values=255))
    return np.concatenate(parts, axis)


if __name__ == "__main__":
    main()
