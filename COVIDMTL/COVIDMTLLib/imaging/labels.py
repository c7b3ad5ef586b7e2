"""What the labels of a mask are called: names, SNOMED CT codes and colours."""

from __future__ import annotations

from typing import NamedTuple

AIRWAYS = 3
"""Label of the trachea and the main bronchi, in masks that have them."""


RIGHT, LEFT = 1, 2
"""Labels of the lungs in every mask that is written."""


class Code(NamedTuple):
    """A code of SNOMED CT, or of RadLex for opacities, and what it means."""

    value: str
    meaning: str


class Structure(NamedTuple):
    """What a label is: its name, what it is a part of the body as, on which side, and a colour (RGB, 0 to 255)."""

    name: str
    code: Code
    side: Code | None
    colour: tuple[int, int, int]


class Opacity(NamedTuple):
    """What a label of opacities is: its name, its RadLex code, and a colour (RGB, 0 to 255).

    The colours are apart for colour-blind readers, and bright on lung and on consolidation.
    """

    name: str
    code: Code
    colour: tuple[int, int, int]


ANATOMICAL_STRUCTURE = Code("123037004", "Anatomical Structure")
LUNG, TRACHEA = Code("39607008", "Lung"), Code("44567001", "Trachea")
RIGHT_SIDE, LEFT_SIDE = Code("24028007", "Right"), Code("7771000", "Left")
BOTH_SIDES = Code("51440002", "Right and left")

# The colours are those of Slicer's list of general anatomy.
STRUCTURES = {
    RIGHT: Structure("right lung", LUNG, RIGHT_SIDE, (197, 165, 145)),
    LEFT: Structure("left lung", LUNG, LEFT_SIDE, (197, 165, 145)),
    AIRWAYS: Structure("trachea and main bronchi", TRACHEA, None, (182, 228, 255)),
}
"""By label."""

VESSELS = {1: Structure("vessels of the lungs", Code("59820001", "Blood vessel"), None, (216, 101, 79))}
"""By label, as in a mask of vessels; the colour is that of arteries in Slicer's list of general anatomy."""

RADLEX = "RADLEX"
"""The coding scheme of opacities, as DICOM names it."""

ALTERED_STRUCTURE = Code("49755003", "Morphologically Altered Structure")

OPACITY = Code("RID28530", "Opacity")
"""Of RadLex: any of the following."""

OPACITIES = {
    1: Opacity("ground glass", Code("RID28531", "Ground-glass opacity"), (77, 210, 255)),
    2: Opacity("consolidation", Code("RID43255", "Consolidation"), (255, 79, 163)),
}
"""By label, as in ``opacities.nrrd``."""
