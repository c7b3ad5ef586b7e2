"""Which segments of a mask are lung, by their names and codes in the words of different programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from ...utils.errors import InputError
from ..labels import LUNG


class Segment(NamedTuple):
    """What a file says of a segment: its name, and the code of what it is (SNOMED CT), which may be empty."""

    name: str
    code: str = ""


CODES = {
    LUNG.value,
    *("3341006", "44029006", "74101002"),  # right, left, both lungs
    *("42400003", "72481006", "266005", "44714003", "41224006"),  # lobes
    *("45653009", "90572001", "31094006"),  # upper lobe, lower lobe, lobe
    *("T-28000", "T-28100", "T-28500"),  # lung, right, left, in the codes of before
}
"""Of lungs and their lobes."""

WORDS = re.compile(
    r"\b(lungs?|lungen?|poumons?|pulm[oó]n(es)?|pulm[aã]o|pulm[oõ]es|polmon[ei]|pulmo(nes)?|longen)\b|肺"
    r"|\b(upper|superior|middle|lower|inferior)( (left|right))? lobes?\b|\b(lul|lll|rul|rml|rll)\b"
)
OTHERS = re.compile(
    r"\b(liver|thyroid|brain|prostate|frontal|temporal|parietal|occipital|vessels?|arter\w+|veins?|airways?|trachea\w*"
    r"|bronch\w*|nodules?|mass(es)?|tumou?rs?|cancers?|carcinoma|lesions?|infect\w*|opacit\w*|consolidation|ggo|covid\w*"
    r"|ground glass|pneumonia|effusions?|fibrosis|emphysema|fissures?|[gcip]tvs?|prv|ring|minus|not|outside|without"
    r"|wall|background|embol\w*|trunk|valves?)\b|-\s*[gcip]tv|\bneg"
)
"""Words that make something else of a lung than the whole of it."""

UNTOLD = re.compile(r"(segment|label|mask|roi|structure|contour|region|object|class)?[ \d]*")
"""Names that tell nothing, as programs give them where nobody does."""


def is_lung(segment: Segment) -> bool:
    """Whether a segment is lung, or a lobe of it."""
    name = _words(segment.name)
    if OTHERS.search(name):
        return False
    return bool(WORDS.search(name)) or segment.code in CODES


def lungs_among(segments: Sequence[Segment], name: str) -> list[int]:
    """Which segments of a mask are lung: their places in the sequence.

    Where the name of none tells anything, as of a single one that nobody has named, all of them are.

    Parameters
    ----------
    segments : sequence of Segment
    name : str
        What to call the mask in a sentence.

    Raises
    ------
    InputError
        If the names are of other things.
    """
    found = [place for place, segment in enumerate(segments) if is_lung(segment)]
    if found:
        return found
    if segments and all(UNTOLD.fullmatch(_words(segment.name)) for segment in segments):
        return list(range(len(segments)))
    raise InputError(
        f"None of the {len(segments)} segments of {name} is called lung: {listed([one.name for one in segments])}; "
        "name those of the lungs so, such as right lung and left lung."
    )


def listed(names: Sequence[str], most: int = 6) -> str:
    """Some names as a list for a sentence, without what is too much."""
    shown = [one.strip()[:60] or "one without a name" for one in names[:most]]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(shown) + more


def _words(name: str) -> str:
    """A name in lower case with blanks between its words: of lung_upper_lobe_left, LeftLung and Lung-L alike."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.sub(r"[_.,:;/()\s]+", " ", spaced).strip().casefold()
