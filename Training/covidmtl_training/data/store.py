"""Prepared cases in a folder, from which networks are trained.

``store.json`` says what it is, ``cases.csv`` has the cases with labels, split and whatever else their table had,
``features.csv.gz`` the features of those that have any, and ``volumes/CASE.h5`` the lung volume of each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.architectures.tasks import MISSING
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.lung_crop import Crop, prepare
from COVIDMTLLib.imaging.volume import HU_RANGE, Geometry, Volume
from COVIDMTLLib.utils.atomic_files import staged_file, staged_folder
from COVIDMTLLib.utils.csv_tables import read_text
from COVIDMTLLib.utils.errors import InputError

from ..cohort.cohort import CLASSES
from ..recipes.tasks import Task
from .case_table import Case, check_name, read_cases, read_features
from .volume_files import DAMAGED, read_crop, read_moments, read_source, write_volume

DESCRIPTION, CASES, FEATURES, VOLUMES, FAILED = "store.json", "cases.csv", "features.csv.gz", "volumes", "failed.csv"
"""What is in the folder of a store; the last, cases that could not be prepared, only if there are such."""

FORMAT = {"format": "covid-mtl-store", "format_version": 1}


@dataclass(frozen=True)
class Store:
    """Prepared cases. It holds no open file, so any number of processes can read from copies of it.

    Attributes
    ----------
    folder : Path
    box : tuple of 3 int
        Voxels (z, y, x) of the box in whose middle each volume lies.
    spacing : float
        Of the voxels, in mm.
    cases, splits : list of str
        Name of each case, and which of `case_table.SPLITS` it is in.
    labels : ndarray of int64, shape (N, 3)
        Classes of the tasks in the order of `cohort.CLASSES`, which is that of the paper; `MISSING` where not known.
    features : ndarray of float64, shape (N, 375)
        Unscaled, in the order of `FEATURE_NAMES`; NaN for a case without.
    cells : dict of str to list of str
        Other columns of the table of cases, for tasks that a recipe describes.
    """

    folder: Path
    box: tuple[int, int, int]
    spacing: float
    cases: list[str]
    splits: list[str]
    labels: np.ndarray
    features: np.ndarray
    cells: dict[str, list[str]] = field(default_factory=dict)

    def targets(self, tasks: Sequence[Task]) -> np.ndarray:
        """Class numbers and values of tasks, float64 of shape (N, tasks), NaN where not known.

        Raises
        ------
        InputError
            If a task's column is missing, or has a cell that is none of its classes or no number.
        """
        return np.stack([self._targets_of(task) for task in tasks], axis=1)

    def _targets_of(self, task):
        if task.column in CLASSES:
            labels = self.labels[:, list(CLASSES).index(task.column)]
            return task.read(["" if label == MISSING else str(label) for label in labels], self.cases)
        if task.column not in self.cells:
            has = ", ".join([*CLASSES, *self.cells])
            raise InputError(
                f"The store {self.folder.name} has no column {task.column}, which the task {task.name} is in; it has "
                f"{has}. Add it to the table of cases and prepare again."
            )
        return task.read(self.cells[task.column], self.cases)

    def moments(self, rows: Sequence[int]) -> tuple[float, float]:
        """Mean over cases of the mean, and of the standard deviation, of their lung volumes, as the paper has them.

        Raises `InputError` if a file is missing or damaged.
        """
        mean, std = np.mean([self._read(row, read_moments) for row in rows], axis=0).tolist()
        return mean, std

    def rows(self, split: str) -> np.ndarray:
        """Rows, int, of the cases in a split."""
        return np.flatnonzero(np.array(self.splits) == split)

    def volume(self, row: int, start: Sequence[int] = (0, 0, 0), size: Sequence[int] | None = None) -> np.ndarray:
        """A crop of the lung volume of a case, or from ``start`` (z, y, x) all that is left of its box.

        Returns
        -------
        ndarray of int16, shape ``size``
            HU + 1024 in the lungs, 0 elsewhere.

        Raises
        ------
        InputError
            If the crop leaves the box, or the file of the case is missing or damaged.
        """
        if any(a < 0 or a + n > b for a, n, b in zip(start, size or (1, 1, 1), self.box, strict=True)):
            raise InputError(f"A crop of {size} voxels from {start} leaves the box {self.box} of {self.folder}.")
        return self._read(row, read_crop, start, size, self.box)

    def source(self, row: int) -> str:
        """What the volume of a case is made of, in short: another text for another volume.

        Raises `InputError` if its file is missing or damaged.
        """
        return self._read(row, read_source)

    def _read(self, row, read, *arguments):
        path = volume_path(self.folder, self.cases[row])
        try:
            return read(path, *arguments)
        except DAMAGED as error:
            what = "damaged" if path.is_file() else "missing"
            raise InputError(
                f"The volume of {self.cases[row]}, {path}, is {what}; prepare the store again, which makes this file."
            ) from error


def open_store(folder: str | Path) -> Store:
    """Open a store.

    Raises
    ------
    InputError
        If the folder is no store, or one of its tables is missing or damaged.
    """
    folder = Path(folder)
    box, spacing = read_description(folder)
    rows = read_cases(folder / CASES)
    cases = [row["case"] for row in rows]
    labels = np.array([row["labels"] for row in rows], np.int64)
    cells = {column: [row["cells"][column] for row in rows] for column in rows[0]["cells"]}
    splits = [row["split"] for row in rows]
    return Store(folder, box, spacing, cases, splits, labels, _features(folder, cases), cells)


def make_store(store: Store, volumes: Iterable[np.ndarray]) -> Store:
    """Write a store, with lung volumes of any shape (HU + 1024 in the lungs, 0 elsewhere), one for each of its cases.

    Returns
    -------
    Store
        As it is read.
    """
    make_folder(store.folder / VOLUMES)
    for case, volume in zip(store.cases, volumes, strict=True):
        check_name(case, "The store")
        inside = in_box(volume, store.box)
        write_volume(volume_path(store.folder, case), inside, hashlib.sha256(inside.tobytes()).hexdigest())
    known = zip(store.cases, store.labels, store.splits, store.features, strict=True)
    rows = [
        Case(case, tuple(of_case), split, features=values, cells={key: own[row] for key, own in store.cells.items()})
        for row, (case, of_case, split, values) in enumerate(known)
    ]
    write_tables(store.folder, rows, store.box, store.spacing)
    return open_store(store.folder)


def in_box(volume: np.ndarray, box: Sequence[int]) -> np.ndarray:
    """A lung volume (z, y, x) in the middle of a box, as `lung_crop.prepare` puts it: int16."""
    grid = Geometry(volume.shape[::-1])
    return centred(Volume(volume.astype(np.int32) + HU_RANGE[0], grid), volume, box)


def centred(ct: Volume, lungs: np.ndarray, box: Sequence[int], **options: float) -> np.ndarray:
    """The lung volume of a CT (HU) in the middle of a box, before clipping: `lung_crop.prepare` as int16."""
    # Up to where int16 ends: values over 4095, which resampling makes at sharp edges, belong to the features.
    highest = np.iinfo(np.int16).max
    whole = Crop(box, (0, 0, 0), box, highest, mean=0, std=1, **options)
    prepared = prepare(ct, lungs, whole)
    return np.rint(prepared.array, out=prepared.array).astype(np.int16)


def write_tables(
    folder: Path,
    cases: Sequence[Case],
    box: Sequence[int],
    spacing: float,
    failed: Sequence[tuple[str, str]] = (),
) -> None:
    """Write everything of a store but the volumes; ``failed`` are names and reasons of cases that are not in it.

    Features come first: those of a case that the table lacks are noticed, and a case that lacks them is not.
    """
    labels = pd.DataFrame([case.labels for case in cases], columns=list(CLASSES), dtype="Int64").replace(MISSING, pd.NA)
    table = labels.assign(split=[case.split for case in cases])
    others = pd.DataFrame([case.cells for case in cases], dtype=object)
    table = pd.concat([table, others], axis=1)
    features = {case.name: case.features for case in cases if case.features is not None}
    known = pd.DataFrame.from_dict(features, orient="index", columns=list(FEATURE_NAMES)).dropna()
    names = pd.Index([case.name for case in cases], name="case")
    description = {**FORMAT, "box": [int(n) for n in box], "spacing": float(spacing)}
    with staged_file(folder / FEATURES) as staged:
        known.to_csv(staged, index_label="case")
    with staged_folder(folder) as staged:
        table.set_index(names).to_csv(staged / CASES)
        if failed:
            pd.DataFrame(failed, columns=["case", "reason"]).to_csv(staged / FAILED, index=False)
        (staged / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    if not failed:
        (folder / FAILED).unlink(missing_ok=True)


def read_description(folder: Path) -> tuple[tuple[int, int, int], float]:
    """Box (z, y, x) and spacing in mm of a store; raises `InputError` if the folder is none."""
    if not (folder / DESCRIPTION).is_file():
        raise InputError(f"{folder} is no store of prepared cases: it has no {DESCRIPTION}; make one with prepare.py.")
    try:
        description = json.loads(read_text(folder / DESCRIPTION))
        given = {key: description[key] for key in FORMAT}
        box, spacing = tuple(map(int, description["box"])), float(description["spacing"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{DESCRIPTION} of {folder} is damaged; prepare the store again.") from error
    if given != FORMAT or len(box) != 3 or min(box) < 1 or not spacing > 0:
        raise InputError(f"{folder} is no store that this version reads; prepare it again.")
    return box, spacing


def volume_path(folder: Path, case: str) -> Path:
    """Where the volume of a case is."""
    return folder / VOLUMES / f"{case}.h5"


def make_folder(folder: Path) -> None:
    """Make a folder; raises `InputError` if that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {folder} cannot be made: {error.strerror}; choose another one.") from error


def _features(folder, cases):
    if not (folder / FEATURES).is_file():
        raise InputError(f"There is no {FEATURES} in {folder}; prepare the store again.")
    return read_features(folder / FEATURES, cases)
