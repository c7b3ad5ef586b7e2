"""Whether the elements of a DICOM file end within it.

GDCM takes memory for whatever length an element claims to have, up to 4 GB of a file of a few kilobytes, and never
gives it back.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ...utils.errors import InputError

LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
"""Value representations whose length has 32 bits."""

IMPLICIT = b"1.2.840.10008.1.2"
OTHERWISE = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99")
"""Transfer syntaxes without value representations, and those whose bytes lie in another order or are deflated."""

META, SYNTAX, PIXELS = 0x0002, (0x0002, 0x0010), (0x7FE0, 0x0010)

UNDEFINED = 0xFFFFFFFF


def check_elements(path: Path) -> None:
    """Raise `InputError` if an element of a DICOM file, the pixels included, claims to end beyond it.

    Nothing is said of other files, nor of what follows an element of undefined length.
    """
    if not _elements_fit(path):
        raise InputError(f"{path.name} is damaged: an element of it is longer than the file; export it again.")


def _elements_fit(path: Path) -> bool:
    size, syntax = path.stat().st_size, b""
    with path.open("rb") as file:
        if file.read(132)[128:] != b"DICM":
            return True
        while len(head := file.read(8)) == 8:
            group, element, kind, length = struct.unpack("<HH2sH", head)
            if group != META and syntax in OTHERWISE:
                return True
            if group != META and syntax == IMPLICIT:
                length = struct.unpack("<I", head[4:])[0]
            elif kind in LONG:
                length = int.from_bytes(file.read(4), "little")
            if length == UNDEFINED:
                return True
            if file.tell() + length > size:
                return False
            if (group, element) == PIXELS:
                return True
            if (group, element) == SYNTAX:
                syntax = file.read(length).rstrip(b"\0 ")
            else:
                file.seek(length, 1)
    return True
