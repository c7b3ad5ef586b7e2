"""The two files of a model, in a folder or in a zip of one. Nothing is unpacked to disk."""

from __future__ import annotations

import lzma
import stat
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path

from ..utils.errors import InputError

CARD = "model.json"
WEIGHTS = "model.safetensors"

LARGEST = {CARD: 64 * 2**20, WEIGHTS: 2**30}
"""Bytes beyond which a file is a mistake, or meant to use up the memory."""

LARGEST_ZIP = sum(LARGEST.values())
"""Bytes that all files of a zip may have together when unpacked, those that nobody needs too."""

MOST_MEMBERS = 1000
"""Files and folders in a zip."""


# RuntimeError is of an encrypted file, NotImplementedError of an unknown compression.
DAMAGE = (OSError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class ModelFiles:
    """Where the files of a model are.

    Attributes
    ----------
    path : Path
        The folder or the zip.
    members : dict
        What the files are called in the zip; empty for a folder.
    """

    path: Path
    members: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What messages call the model: the name of its folder or zip."""
        return self.path.absolute().name

    def read(self, file: str) -> bytes:
        """The content of ``CARD`` or ``WEIGHTS``.

        Raises
        ------
        InputError
            If it is missing, damaged or absurdly large.
        """
        damaged = f"The {file} of model {self.name} is missing or damaged; get the model again."
        try:
            if not self.members:
                if not (self.path / file).is_file():  # nor a pipe, which nobody may ever write to
                    raise InputError(damaged)
                self._check_size(file, (self.path / file).stat().st_size)
                return (self.path / file).read_bytes()
            if file not in self.members:
                raise InputError(damaged)
            with zipfile.ZipFile(self.path) as archive:
                self._check_size(file, archive.getinfo(self.members[file]).file_size)
                return archive.read(self.members[file])
        except DAMAGE as error:
            raise InputError(damaged) from error

    def _check_size(self, file: str, size: int) -> None:
        if size > LARGEST[file]:
            raise InputError(
                f"The {file} of model {self.name} has {size / 2**20:.0f} MiB, and no model has more than "
                f"{LARGEST[file] / 2**20:.0f}; get the model again."
            )


def find_files(path: Path) -> ModelFiles | None:
    """The files of the model at a path, or None if there is neither a folder with a card nor a file.

    Raises
    ------
    InputError
        If it is a file but no zip of a model folder, or a zip that no honest program writes.
    """
    try:
        if path.is_dir():
            return ModelFiles(path) if (path / CARD).is_file() else None
        if not path.is_file():
            return None
    except OSError:  # such as a name that is too long, or a folder that may not be looked into
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path.name} is no model: it is neither a folder that holds {CARD} nor a zip of one; a checkpoint "
            "becomes a model with covid-mtl model import."
        ) from error
    _check_members(members, path.name)
    files = [member.filename for member in members if not member.is_dir()]
    cards = [file for file in files if file.split("/")[-1] == CARD and file.count("/") <= 1]
    if len(cards) != 1:
        raise InputError(
            f"The zip {path.name} has to hold one {CARD}, at its top or in the one folder there, and it holds "
            f"{len(cards) or 'none'}; zip the folder of one model, or make one of a checkpoint with covid-mtl model "
            "import."
        )
    top = cards[0].removesuffix(CARD)
    return ModelFiles(path, {file: top + file for file in (CARD, WEIGHTS) if top + file in files})


def _check_members(members: list[zipfile.ZipInfo], name: str) -> None:
    again = "it is not a model that was zipped in good faith, and is not read."
    if len(members) > MOST_MEMBERS:
        raise InputError(f"The zip {name} holds {len(members)} files, where a model has two: {again}")
    for member in members:
        # As any system would read the name, since zips made on one are opened on others.
        parts = member.filename.replace("\\", "/").split("/")
        if parts[0] == "" or ":" in parts[0] or ".." in parts:
            raise InputError(
                f"The zip {name} has a file that leads out of its folder ({member.filename[:80]!r}): {again}"
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise InputError(f"The zip {name} has a link in place of a file ({member.filename[:80]!r}): {again}")
    if len({member.filename for member in members}) < len(members):
        raise InputError(f"The zip {name} holds two files of the same name: {again}")
    total = sum(member.file_size for member in members)
    if total > LARGEST_ZIP:
        raise InputError(
            f"The zip {name} unpacks to {total / 2**20:.0f} MiB, more than the {LARGEST_ZIP / 2**20:.0f} that a "
            f"model may have: {again}"
        )
