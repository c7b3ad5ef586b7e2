"""Writing results so that a file or folder is either there and whole, or not there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import InputError

LEFT = (".covid-mtl-", ".partial")
"""How names of temporary folders begin and end."""


@contextmanager
def staged_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed to it when the block ends without an error.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written to, or the path is a folder, a device or a pipe.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to write.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a device or a pipe, and no file; give the name of a file to write.")
    with _temporary_folder(path.absolute().parent) as folder:
        yield folder / path.name
        _rename(folder / path.name, path)


@contextmanager
def staged_folder(path: str | Path, before: Callable[[Path], object] = lambda folder: None) -> Iterator[Path]:
    """A temporary folder, whose files move into ``path`` when the block ends without an error.

    The folder ``path`` is made if need be; other files in it stay. ``before`` is called with the temporary folder
    before the first file moves.

    Raises
    ------
    InputError
        If the folder cannot be made or written to.
    """
    path = Path(path).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {path} cannot be made: {error.strerror}; choose another one.") from error
    with _temporary_folder(path) as folder:
        yield folder
        before(folder)
        # In the order in which they were made: where the last one is, such as assessment.json, the others are.
        for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns):
            _rename(file, path / file.name)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left of files that they were writing to a folder."""
    for left in folder.glob(f"{LEFT[0]}*{LEFT[1]}"):
        shutil.rmtree(left)


def check_apart(out: Path, *others: Path | None) -> None:
    """Raise `InputError` if a file to be written is one of the others, which would be lost."""
    for other in others:
        if other is not None and os.path.realpath(other) == os.path.realpath(out):
            raise InputError(f"{out} would be written over {other.name}; give another name for the result.")


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=LEFT[0], suffix=LEFT[1], dir=parent))
    except FileNotFoundError as error:
        raise InputError(f"There is no folder {parent} to write to; make it first.") from error
    except OSError as error:
        raise InputError(f"The folder {parent} cannot be written to: {error.strerror}; choose another one.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    try:
        source.replace(target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}; choose another name.") from error
