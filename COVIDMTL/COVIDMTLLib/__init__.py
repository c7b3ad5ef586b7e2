"""COVID-MTL: from a chest CT to an assessment of COVID-19 pneumonia. Research use only.

The core of the COVIDMTL and SegmentRefine modules for 3D Slicer and of the command line
``covid-mtl``, after Bao et al., Pattern Recognition 124, 2022, 108499. Data flows one way:
`imaging`, `segmentation`, `features`, `models`, `prediction`, `assessment`.
"""

from .utils.version import RESEARCH_USE_ONLY, __version__

__all__ = ["RESEARCH_USE_ONLY", "__version__"]
