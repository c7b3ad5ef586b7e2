"""Words of strangers, such as names of files and cases, in what the program says and asks of libraries."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from .errors import InputError


def printable(text: str) -> str:
    """A text on one line, with a blank for all that commands a terminal or is no character.

    Those are controls, line breaks, and the bytes of a file's name that are no UTF-8.
    """
    # Python has the bytes of names as surrogates where it does not know that they are UTF-8.
    with suppress(UnicodeEncodeError):  # surrogates that stand for no byte
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(one if one.isprintable() else " " for one in text)


def shortened(text: Any) -> str:
    """What somebody wrote, as a message may hold it."""
    return repr(text if len(str(text)) <= 40 else f"{str(text)[:40]}...")


def name_for_libraries(path: Path | str) -> str:
    """A path as libraries in C++ take it, UTF-8 in any locale; they may die of one that is no text.

    Raises
    ------
    InputError
        If it holds bytes that are no UTF-8, as names from old systems do.
    """
    try:
        return os.fsencode(path).decode("utf-8")
    except UnicodeError as error:
        raise InputError(f"The path {printable(str(path))} holds characters that are no UTF-8; rename it.") from error
