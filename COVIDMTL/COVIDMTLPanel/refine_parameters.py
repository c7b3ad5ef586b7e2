"""What the panel SegmentRefine keeps in the scene."""

import enum
from typing import Annotated

from COVIDMTLLib.segmentation.methods import DEFAULT_METHOD, PUBLISHED
from COVIDMTLLib.segmentation.parameters import RANGES
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


class Method(enum.Enum):
    """Methods of segmentation, by their names in `COVIDMTLLib.segmentation.methods.METHODS`."""

    ROBUST = "robust"
    ACTIVE_CONTOUR = "active-contour"
    CLASSICAL = "classical"

    def label(self) -> str:
        """The text that a selector shows."""
        titles = {
            "robust": _("Robust (dense lung too)"),
            "active-contour": _("Active contours (Algorithm 1)"),
            "classical": _("Classical (threshold)"),
        }
        return titles[self.value]


@parameterNodeWrapper
class SegmentRefineParameterNode:
    """What the panel keeps in the scene.

    inputVolume - The CT.
    initialSegmentation - Lungs to start from; see COVIDMTLLib.segmentation.methods.segment.
    method - How the lungs are found.
    airways - Whether the trachea and the main bronchi are segmented, too.
    threshold, alpha, beta, iterations, closing - See COVIDMTLLib.segmentation.methods.Parameters.
    outputSegmentation - Where the lungs are put.
    referenceSegmentation - Lungs to compare the result with.
    resultsTable - Volumes and agreement of the last run.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    initialSegmentation: vtkMRMLSegmentationNode
    method: Method = Method(DEFAULT_METHOD)
    airways: bool = False
    threshold: Annotated[float, WithinRange(*RANGES["threshold"][:2])] = float(PUBLISHED.threshold)
    alpha: Annotated[float, WithinRange(*RANGES["alpha"][:2])] = float(PUBLISHED.alpha)
    beta: Annotated[float, WithinRange(*RANGES["beta"][:2])] = float(PUBLISHED.beta)
    iterations: Annotated[int, WithinRange(*RANGES["iterations"][:2])] = PUBLISHED.iterations
    closing: Annotated[float, WithinRange(*RANGES["closing"][:2])] = float(PUBLISHED.closing)
    outputSegmentation: vtkMRMLSegmentationNode
    referenceSegmentation: vtkMRMLSegmentationNode
    resultsTable: vtkMRMLTableNode
