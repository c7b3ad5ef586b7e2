"""Damaging files as disks, networks and people do."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def truncate(content: bytes, rng: np.random.Generator) -> bytes:
    """Cut off at any byte, or of the last ones only."""
    most = len(content) if rng.random() < 0.7 else min(16, len(content))
    return content[: len(content) - int(rng.integers(1, most + 1))]


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    """Change bytes anywhere, or in the first 400, where headers are."""
    changed = bytearray(content)
    end = len(changed) if rng.random() < 0.5 else min(400, len(changed))
    for at in rng.integers(0, end, rng.integers(1, 40)):
        changed[at] = rng.integers(256)
    return bytes(changed)


def splice(content: bytes, rng: np.random.Generator) -> bytes:
    """Take a piece out, or put it in twice."""
    start, end = sorted(int(one) for one in rng.integers(0, len(content) + 1, 2))
    return content[:start] + content[end:] if rng.random() < 0.5 else content[:end] + content[start:]


def blank(content: bytes, rng: np.random.Generator) -> bytes:
    """Zeros in place of a block, as a disk that failed leaves them."""
    start = int(rng.integers(0, len(content)))
    return content[:start] + bytes(min(4096, len(content) - start)) + content[start + 4096 :]


def noise(content: bytes, rng: np.random.Generator) -> bytes:
    """Something else altogether, with the same beginning."""
    keep = int(rng.choice([0, 4, 16, 352]))
    return content[:keep] + rng.bytes(int(rng.choice([0, 1, 100, 5000])))


DAMAGES = (truncate, truncate, flip, flip, splice, blank, noise)


def damage(path: Path, rng: np.random.Generator) -> Path:
    """Damage a file in one of these ways."""
    path.write_bytes(rng.choice(DAMAGES)(path.read_bytes(), rng))
    return path
