"""A synthetic chest CT, drawn when it is asked for, among Slicer's sample data."""

from __future__ import annotations

from pathlib import Path

import slicer
from COVIDMTLMRML.volumes import add_volume
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _


def registerSampleData() -> None:
    """Offer a synthetic CT in the module Sample Data; it is drawn when asked for, not downloaded."""
    import SampleData

    icon = Path(__file__).parent.parent / "Resources" / "Icons" / "SyntheticChestCT.png"
    # Before 5.12 a category had no title but its name. The module is listed there, too, and says what it needs.
    if hasattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory"):
        SampleData.SampleDataLogic.registerCustomSampleDataCategory("COVIDMTL", title=_("COVID-MTL"))
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="COVIDMTL",
        sampleName="SyntheticChestCT",
        nodeNames="SyntheticChestCT",
        # Slicer wants an address and a file name of every sample, of one that is drawn too.
        uris="synthetic:SyntheticChestCT",
        fileNames="SyntheticChestCT.nrrd",
        thumbnailFileName=str(icon),
        customDownloader=lambda source: [addSyntheticCT()],
    )


def addSyntheticCT(seed: int = 0, **options) -> vtkMRMLScalarVolumeNode:
    """Draw a synthetic chest CT with opacities, add it to the scene and show it; options as of `thorax`."""
    from COVIDMTLLib.phantom import thorax  # imports SciPy, which would slow down the start of Slicer

    options = {"ground_glass": 0.12, "consolidation": 0.03} | options
    ct = add_volume(thorax(seed, **options).ct, "SyntheticChestCT")
    ct.GetDisplayNode().SetAutoWindowLevel(False)
    ct.GetDisplayNode().SetWindowLevel(1400, -500)
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    return ct
