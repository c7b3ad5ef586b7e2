"""Between the MRML scene of 3D Slicer and the arrays of the core: nodes in, volumes out, and back.

Geometry is that of the world: a linear transform that a node is under is taken into account, as it is
in the slice views. Whatever the core says of a CT then holds for the CT as the user sees it.
"""
