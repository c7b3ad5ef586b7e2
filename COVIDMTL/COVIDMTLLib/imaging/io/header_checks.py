"""What SimpleITK believes of the header of an image file, or does not tell of its data, seen to before it reads them.

It waits for ever for data from a pipe, dies of a MetaImage of 300 dimensions, and where data are damaged or end early
it makes up the rest.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from ...utils.errors import InputError

LONGEST = 2**20
"""Bytes beyond which a text header has no end."""

MOST_DIMENSIONS = 10

BLOCK = 2**16

GZIP = b"\x1f\x8b"


def check_header(path: Path) -> int | None:
    """Check what the header of an NRRD or MetaImage file says of its data, and any compressed data.

    Parameters
    ----------
    path : Path
        Of a regular file, of any format.

    Returns
    -------
    int or None
        Bytes that the data have when they are unpacked, with the header of the format if that is packed, too, as of
        NIfTI; None if that cannot be told.

    Raises
    ------
    InputError
        If the header names data that are in no file, or leaves their names to be made up, which may crash, or if
        there are too many dimensions or the data are damaged.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST)
    if start.startswith(GZIP):
        return _unpacked(path, 0, path.name)
    if start.startswith(b"NRRD"):
        blank = re.search(rb"\r?\n\r?\n", start)
        head = start[: blank.start()] if blank else start
        separator, data_key, packed = b":", rb"data ?file", rb"(?im)^encoding: gz(ip)?\s*$"
        as_text = re.search(rb"(?im)^encoding: raw\s*$", head) is None
        local = blank.end() if blank else len(head)
    elif re.search(rb"(?m)^(NDims|ObjectType) *=", start[:BLOCK]):
        line = re.search(rb"(?m)^ElementDataFile *=.*\n?", start)
        head = start[: line.end()] if line else start
        separator, data_key, packed = b"=", rb"ElementDataFile", rb"(?im)^CompressedData *= *T"
        as_text = re.search(rb"(?im)^BinaryData *= *F", head) is not None
        local = len(head)
        count = re.search(rb"(?m)^NDims *= *(-?\d{1,9})", head)
        if count and not 1 <= int(count[1]) <= MOST_DIMENSIONS:
            raise InputError(f"{path.name} is damaged: it has {int(count[1])} dimensions by its header; get it again.")
    else:
        return None
    named = re.search(rb"(?im)^" + data_key + rb" *" + separator + rb" *(.*?)\s*$", head)
    if named and b"%" in named[1]:
        raise InputError(f"The data of {path.name} are in files that its header does not name; convert it to one file.")
    names = _names(named[1], start[named.end() :]) if named else []
    compressed = re.search(packed, head) is not None
    files = [path.parent / name.decode("utf-8", "surrogateescape") for name in names]
    for data in files:
        if not data.is_file():
            raise InputError(f"The data of {path.name} are in {data.name}, which is no file; put it beside the header.")
    places = [(data, 0) for data in files] or [(path, local)]
    if compressed:
        return sum(_unpacked(data, offset, path.name) for data, offset in places)
    # Of what is missing, SimpleITK makes whatever was in its memory before.
    return None if as_text else sum(data.stat().st_size - offset for data, offset in places)


def _names(value: bytes, following: bytes) -> list[bytes]:
    """The files that a header names for its data; none for data in the file itself."""
    if value in (b"LOCAL", b""):
        return []
    if value.startswith(b"LIST"):
        return [line.strip() for line in following.splitlines() if line.strip()]
    return [value]


def _unpacked(path: Path, offset: int, name: str) -> int:
    """The number of bytes that data compressed by zlib or gzip have when they are unpacked."""
    count, decoder = 0, zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        with path.open("rb") as file:
            file.seek(offset)
            while block := file.read(BLOCK):
                while block:
                    if decoder.eof and not block.startswith(GZIP):  # padding
                        return count
                    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32) if decoder.eof else decoder
                    count += len(decoder.decompress(block))
                    block = decoder.unused_data
    except zlib.error as error:
        raise InputError(f"{name} is damaged: its data cannot be unpacked; get the file again.") from error
    if not decoder.eof:
        raise InputError(f"{name} is damaged: its data end early; get the file again.")
    return count
