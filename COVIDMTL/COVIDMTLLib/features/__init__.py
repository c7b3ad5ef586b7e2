"""Texture features of a lung volume: grey levels of the image and of its sub-bands, matrices of them, and formulas.

Definitions are those of the Image Biomarker Standardisation Initiative (IBSI; Zwanenburg et al., Radiology 295, 2020,
328-338, and its reference manual, arXiv:1612.07003) as PyRadiomics has them (van Griethuysen et al., Cancer Research
77, 2017, e104; https://pyradiomics.readthedocs.io/en/latest/features.html), which the paper used. PyRadiomics scans the
whole box of the lungs for each sub-band, direction and class anew; here only voxels of the lungs are kept, in an order
that makes lines of a direction, once for all sub-bands.
"""
