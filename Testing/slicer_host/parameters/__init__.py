"""The stand-in for ``slicer.parameterNodeWrapper``."""
