"""Opacities in the panel COVIDMTL: a segmentation, tables, a plot and 3D, and corrections that are measured again."""

import numpy as np
import pytest
from COVIDMTLMRML.results import (
    OPACITIES,
    OPACITY_TABLE,
    SEGMENTATION,
    VESSELS,
    ZONE_CHART,
    ZONE_TABLE,
    assessment_of,
    part_of,
)
from COVIDMTLMRML.segmentations import opacities_of, show_opacities
from support import panels
from support.panels import MODULES, add_ct, add_lungs, host, slicer, table, turn, wait

clean_host = panels.clean_host
pytestmark = pytest.mark.usefixtures("clean_host")


def test_opacities_are_shown_and_measured_again_after_corrections(phantom):
    panel = host.open(MODULES["COVIDMTL"])
    assert panel.ui.opacitiesWidget.isHidden()
    ct = add_ct(phantom, matrix=turn(10, 5))
    lungs = add_lungs(phantom.lungs, ct)
    measures = panels.assessed(panel, ct, lungs)["opacities"]
    node = part_of(ct, OPACITIES)
    assert node.GetName() == "Phantom opacities" and node.GetTransformNodeID() == ct.GetTransformNodeID()
    segments = [node.GetSegmentation().GetNthSegment(n) for n in range(2)]
    assert [segment.GetName() for segment in segments] == ["ground glass", "consolidation"]
    for segment, code in zip(segments, ("RADLEX^RID28531", "RADLEX^RID43255"), strict=True):
        tag = panels.vtk.reference("")
        assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag) and code in str(tag)
    found = opacities_of(node, ct)
    millilitres = np.count_nonzero(found.array) * found.geometry.voxel_volume
    assert millilitres == pytest.approx(measures["both"]["opacity_ml"], rel=0.05)
    assert f"{measures['both']['opacity_ml']:.0f} ml" in panel.ui.lungsLabel.text

    panel.ui.opacityTableButton.click()
    selection = slicer.app.applicationLogic().GetSelectionNode()
    assert selection.GetActiveTableID() == part_of(ct, OPACITY_TABLE).GetID()
    shares = table(part_of(ct, OPACITY_TABLE))["Opacities, % of the lung"]
    assert float(shares[-1]) == pytest.approx(100 * measures["both"]["opacity"]["share"], abs=0.01)
    panel.ui.zonePlotButton.click()
    assert selection.GetActivePlotChartID() == part_of(ct, ZONE_CHART).GetID()
    scores = table(part_of(ct, ZONE_TABLE))["Score"]
    assert sum(map(float, scores)) == measures["score"]["sum"]
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    panel.ui.show3DOpacitiesButton.click()
    assert node.GetSegmentation().ContainsRepresentation(surface)

    # What lies in the right half of the image is erased by hand.
    half = found.array.copy()
    half[:, :, half.shape[2] // 2 :] = 0
    show_opacities(found.with_array(half), node, ct)
    panel.ui.measureOpacitiesButton.click()
    wait(panel)
    assert host.messages == [] and panel.ui.statusLabel.text == "Done."
    again = assessment_of(ct)["opacities"]
    assert again["corrected"] and again["left"]["opacity_ml"] == 0
    assert again["right"]["opacity_ml"] == pytest.approx(measures["right"]["opacity_ml"], rel=0.03)
    assert float(table(part_of(ct, OPACITY_TABLE))["Opacities, ml"][-1]) == again["both"]["opacity_ml"]
    assert "corrected by hand" in panel.ui.lungsLabel.text
    np.testing.assert_array_equal(opacities_of(node, ct).array, half)

    for _ in range(2):  # into the same node
        panel.ui.vesselsButton.click()
        wait(panel)
        assert host.messages == [] and panel.ui.statusLabel.text == "Done."
    vessels = part_of(ct, VESSELS)
    assert vessels.GetName() == "Phantom vessels" and vessels.GetTransformNodeID() == ct.GetTransformNodeID()
    segment, tag = vessels.GetSegmentation().GetNthSegment(0), panels.vtk.reference("")
    assert segment.GetTag(segment.GetTerminologyEntryTagName(), tag) and "SCT^59820001^Blood vessel" in str(tag)
    mask = slicer.util.arrayFromSegmentBinaryLabelmap(vessels, segment.GetName(), ct)
    assert mask.any() and not mask[half > 0].any() and assessment_of(ct)["opacities"] == again

    # Nothing to measure: a sentence.
    slicer.mrmlScene.RemoveNode(part_of(ct, SEGMENTATION))
    panel.ui.measureOpacitiesButton.click()
    (said,) = host.messages.of("error")
    assert said == "The lungs or the opacities of Phantom are not in the scene; press Apply first."
    assert assessment_of(ct)["opacities"] == again
