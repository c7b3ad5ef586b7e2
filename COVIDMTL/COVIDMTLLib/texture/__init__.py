"""What the features count in a lung volume: grey levels of the image and of its sub-bands, and matrices of them.

PyRadiomics makes these by scanning the whole box of the lungs for each sub-band, direction and class anew. Here only
voxels of the lungs are kept, in an order that makes lines of a direction, once for all sub-bands; the features are
then PyRadiomics' own formulas.
"""
