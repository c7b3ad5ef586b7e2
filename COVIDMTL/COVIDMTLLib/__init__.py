"""COVID-MTL: from a chest CT to an assessment of COVID-19 pneumonia. Research use only.

The core of the COVIDMTL and SegmentRefine modules for 3D Slicer and of the command line
``covid-mtl``, after Bao et al., Pattern Recognition 124, 2022, 108499. Data flows one way:
`reading`, `segmentation`, `features`, `networks`, `assessment`, `report`.
"""

__version__ = "0.1.0"

RESEARCH_USE_ONLY = "Research use only. Not a medical device; not for diagnosis or treatment."
