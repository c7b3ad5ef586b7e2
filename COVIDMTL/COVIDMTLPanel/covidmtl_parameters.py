"""What the panel COVIDMTL keeps in the scene."""

import enum
from typing import Annotated

from COVIDMTLLib.models.store import DEFAULT_MODEL
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from .sections.patient import UNKNOWN_AGE, UNKNOWN_PRIOR, Sex


class Device(enum.Enum):
    """Where the network runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self) -> str:
        """The text that a selector shows."""
        titles = {"auto": _("Automatic"), "cpu": _("CPU"), "cuda": _("GPU (CUDA)"), "mps": _("GPU (Apple)")}
        return titles[self.value]


class LungMethod(enum.Enum):
    """How lungs are found where none are given, by the names of `COVIDMTLLib.assessment.pipeline.REFINEMENTS`."""

    ROBUST = "robust"
    ACTIVE_CONTOUR = "active-contour"
    CLASSICAL = "none"

    def label(self) -> str:
        """The text that a selector shows."""
        titles = {
            "robust": _("Robust (dense lung too)"),
            "active-contour": _("Active contours (Algorithm 1)"),
            "none": _("Classical (threshold)"),
        }
        return titles[self.value]


@parameterNodeWrapper
class COVIDMTLParameterNode:
    """What the panel keeps in the scene.

    inputVolume - The CT.
    lungs - The lungs to assess; found by the method if there are none.
    method - How lungs are found.
    outputSegmentation - Where the lungs that were assessed are put.
    age - Of the patient, in years; -1 if unknown.
    sex - Of the patient.
    labs - Laboratory values as JSON: numbers by their names in laboratory_values.csv; empty for none.
    prior - Probability of COVID-19 before the CT in per cent; 0 if it is not given.
    model - Name of a shipped model, or path of a model folder.
    device - Where the network runs.
    attention - Name of the task whose attention is shown over the CT; none if empty.
    attentionOpacity - How much of the CT it covers.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    lungs: vtkMRMLSegmentationNode
    method: LungMethod = LungMethod.ROBUST
    outputSegmentation: vtkMRMLSegmentationNode
    age: Annotated[int, WithinRange(UNKNOWN_AGE, 120)] = UNKNOWN_AGE
    sex: Sex = Sex.UNKNOWN
    labs: str = ""
    prior: Annotated[int, WithinRange(UNKNOWN_PRIOR, 99)] = UNKNOWN_PRIOR
    model: str = DEFAULT_MODEL
    device: Device = Device.AUTO
    attention: str = ""
    attentionOpacity: Annotated[float, WithinRange(0, 1)] = 0.5
