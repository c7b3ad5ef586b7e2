"""Words of strangers, such as names of files and cases, in what the program says."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text on one line, with a blank for all that commands a terminal or is no character: controls, line breaks,
    and the bytes of a file's name that are no UTF-8."""
    return "".join(one if one.isprintable() else " " for one in text)
