"""The lung volume of one case as a file: HDF5, chunked, compressed, every chunk with a checksum."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from COVIDMTLLib.utils.atomic_files import staged_file

CHUNK = (10, 64, 64)
"""About how many voxels (z, y, x) a chunk has. In training crops start at multiples of 10; in y and x, smaller chunks
cost more to find than they save."""

FORMAT = ("v110", "v110")
"""The version of HDF5 whose files have checksums of everything that is not data, too."""

DAMAGED = (OSError, KeyError, ValueError)
"""What h5py raises for a file that is not there, is no HDF5, lacks the volume, or fails a checksum."""


class Kept(NamedTuple):
    """What is in a file.

    Attributes
    ----------
    volume : ndarray of int16, shape (z, y, x)
    features : ndarray of shape (375,), or None
        Those that were computed of it.
    """

    volume: np.ndarray
    features: np.ndarray | None


def write_volume(path: Path, volume: np.ndarray, source: str = "", features: np.ndarray | None = None) -> None:
    """Write a volume (int16, (z, y, x)) so that it is either there and whole, or not there.

    ``source`` says what it is made of, for `read_kept`; ``features`` are what was computed of it.
    """
    # As many chunks as fit about evenly, so that those at the end are not mostly padding.
    chunks = tuple(-(-n // max(1, round(n / target))) for n, target in zip(volume.shape, CHUNK, strict=True))
    with staged_file(path) as staged, h5py.File(staged, "w", libver=FORMAT) as file:
        file.attrs["source"] = source
        file.attrs["moments"] = _moments(volume)
        if features is not None:
            file.attrs["features"] = features
        dataset = file.create_dataset(
            "volume", volume.shape, np.int16, chunks=chunks, shuffle=True, compression=1, fletcher32=True
        )
        for where in dataset.iter_chunks():
            if volume[where].any():  # a chunk that was never written is 0, takes no space and no time
                dataset[where] = volume[where]


def read_crop(path: Path, start: Sequence[int], size: Sequence[int] | None, box: Sequence[int]) -> np.ndarray:
    """A crop of a volume, int16 of shape ``size`` (all from ``start`` on if None); raises one of `DAMAGED`.

    Only the chunks that it touches are read and checked.
    """
    with h5py.File(path, "r", locking=False) as file:  # many read at once, some from disks that cannot lock
        volume = file["volume"]
        if volume.shape != tuple(box) or volume.dtype != np.int16:
            raise ValueError(f"{volume.dtype} of shape {volume.shape}")
        ends = box if size is None else np.add(start, size)
        return volume[tuple(slice(first, end) for first, end in zip(start, ends, strict=True))]


def read_source(path: Path) -> str:
    """What a file says that its volume is made of; raises one of `DAMAGED`."""
    with h5py.File(path, "r", locking=False) as file:
        return str(file.attrs["source"])


def read_moments(path: Path) -> np.ndarray:
    """Mean and standard deviation (2,) of a volume over its whole box; raises one of `DAMAGED`."""
    with h5py.File(path, "r", locking=False) as file:
        known = file.attrs.get("moments")
        return _moments(file["volume"][()]) if known is None else known


def _moments(volume: np.ndarray) -> np.ndarray:
    return np.array([volume.mean(dtype=np.float64), volume.std(dtype=np.float64)])


def read_kept(path: Path, source: str) -> Kept | None:
    """What is in a file, if it is whole and made of this source, and otherwise None."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs["source"] != source:
                return None
            features = file.attrs.get("features")
            return Kept(file["volume"][()], features)
    except DAMAGED:
        return None
