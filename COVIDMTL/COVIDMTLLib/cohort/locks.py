"""Claims on what several processes, of one run or several, must not work on at once.

A claim is a lock of the operating system's on a file, which a process that is killed gives back, on other machines of
a cluster, too, where the file system passes locks on (NFS from version 4 on does).
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK, PARTIAL = ".lock", ".partial"

PATIENCE = 0.2
"""Seconds between two looks at a claim that another process has."""


@contextmanager
def claim(folder: Path, name: str, wait: bool) -> Iterator[bool]:
    """Claim a name in a folder for as long as the block lasts, and leave nothing of the claim.

    Gives whether it was granted; with ``wait``, which it is in the end, it always was.
    """
    path = folder / f".{name}{LOCK}"
    descriptor = _acquire(path)
    while descriptor is None and wait:
        time.sleep(PATIENCE)
        descriptor = _acquire(path)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        # While it is locked: whoever locks it next finds that it is not there any more, and takes a new one.
        with suppress(PermissionError):  # Windows removes no file that is open
            path.unlink()
        os.close(descriptor)
        if sys.platform == "win32":
            with suppress(OSError):  # another process has it open already, and removes it
                path.unlink()


def partial_folder(folder: Path, name: str) -> Path:
    """Where what is claimed is made before it gets its name; of whoever has the claim alone."""
    return folder / f".{name}{PARTIAL}"


def sweep(folder: Path) -> None:
    """Remove what killed processes left of claims and of what they were making, and nothing that is being worked on."""
    left = [path for ending in (LOCK, PARTIAL) for path in folder.glob(f".*{ending}")]
    for name in {path.name[1:].removesuffix(path.suffix) for path in left}:
        with claim(folder, name, wait=False) as mine:
            partial = partial_folder(folder, name)
            if mine and partial.exists():
                shutil.rmtree(partial)


def _acquire(path: Path) -> int | None:
    """An open and locked file at a path; None if another process has it, or has just removed it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    mine = False
    try:
        mine = _lock(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return None
    finally:
        if not mine:
            os.close(descriptor)
    return descriptor if mine else None


def _lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
