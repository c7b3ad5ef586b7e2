"""Coded concepts: SNOMED CT and RadLex as the program has them, and a scheme of our own for what has no code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...imaging import labels

if TYPE_CHECKING:
    from highdicom.sr import CodedConcept

SCHEME, SCHEME_NAME = "99COVIDMTL", "COVID-MTL: tasks, classes and measurements"
LONGEST = 64
"""Letters that the standard allows in a text of a line."""


def snomed(code: labels.Code) -> CodedConcept:
    """A SNOMED CT code."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, "SCT", code.meaning)


def radlex(code: labels.Code) -> CodedConcept:
    """A RadLex code."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, labels.RADLEX, code.meaning)


def own(value: str, meaning: str) -> CodedConcept:
    """A code of our own scheme."""
    from highdicom.sr import CodedConcept

    return CodedConcept(line(value, 1000), SCHEME, line(meaning))


def line(text: str, longest: int = LONGEST) -> str:
    """A text as one line of DICOM, in which a backslash would begin another value."""
    return " ".join(text.replace("\\", "/").split())[:longest]
