"""Prepare cases for training: lung volumes and features in a store.

    python Training/prepare.py TABLE.csv --out STORE
    python Training/prepare.py RELEASE_FOLDER --out STORE

TABLE.csv is a table of cases (see ``case_table.py``), RELEASE_FOLDER what the authors published, or a part of it.
Stopped at any moment, the same command goes on; a case is made again only if its files or the settings have changed.
A case that cannot be used is named and left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from COVIDMTLLib.architectures.tasks import MISSING
from COVIDMTLLib.features.extraction import MODULES as FEATURE_MODULES
from COVIDMTLLib.imaging.volume import WORKING_SPACING
from COVIDMTLLib.segmentation.methods import METHODS
from COVIDMTLLib.utils.atomic_files import sweep
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLLib.utils.optional_imports import require
from tqdm import tqdm

from ..cohort.cohort import CLASSES
from ..utils.workers import workers
from .case_table import SPLITS, Case, read_case_table
from .case_volume import Settings, features_of, lung_volume, source_of
from .release_volumes import release_cases
from .store import (
    CASES,
    DESCRIPTION,
    FAILED,
    FEATURES,
    VOLUMES,
    Store,
    make_folder,
    open_store,
    read_description,
    volume_path,
    write_tables,
)
from .volume_files import Kept, read_kept, write_volume

UNFINISHED = (VOLUMES, FEATURES, CASES, FAILED)
"""What of a store may be there without its description, which is written last."""


def prepare(cases: Sequence[Case], out: str | Path, settings: Settings, jobs: int = 1) -> list[tuple[str, str]]:
    """Prepare cases into a store; with none that can be used, no store is made.

    Parameters
    ----------
    cases : sequence of Case
    out : path
        Folder of the store, made if need be.
    settings : Settings
    jobs : int
        How many processes work at a time.

    Returns
    -------
    list of (str, str)
        Name and reason of each case that could not be used.

    Raises
    ------
    InputError
        If the settings do not go with the cases or with what is in the folder, or a process died.
    """
    out = Path(out)
    sweep(out)
    _check(cases, out, settings)
    make_folder(out / VOLUMES)
    features, failed = {}, {}
    with _swept(out / VOLUMES), workers(jobs) as each, tqdm(total=len(cases), desc="cases", file=sys.stderr) as bar:
        for name, found, reason in each(partial(_prepare_case, out, settings), cases):
            bar.update()
            if reason is None:
                features[name] = found
            else:
                failed[name] = reason
                bar.write(f"{name}: {reason}", file=sys.stderr)
    made = [replace(case, features=features[case.name]) for case in cases if case.name in features]
    failures = [(case.name, failed[case.name]) for case in cases if case.name in failed]
    if made:
        write_tables(out, made, settings.box, settings.spacing, failures)
    return failures


def summary(store: Store) -> str:
    """What a store holds, in a few lines."""
    counts = ", ".join(f"{len(store.rows(split))} {split}" for split in SPLITS if len(store.rows(split)))
    labels = ", ".join(
        f"{task} {count}" for task, count in zip(CLASSES, (store.labels != MISSING).sum(axis=0), strict=True)
    )
    features = np.isfinite(store.features).all(axis=1).sum()
    return f"{store.folder} has {len(store.cases)} cases: {counts}\nwith labels: {labels}\nwith features: {features}"


def _check(cases, out, settings):
    alone = next((case.name for case in cases if case.ct and not case.lungs), None)
    if alone and settings.spacing != WORKING_SPACING:
        raise InputError(f"Lungs are found at 1 mm alone, and {alone} has no mask; give one, or leave out --spacing.")
    require("SimpleITK", "scipy.ndimage", *(FEATURE_MODULES if settings.compute_features else ()))
    if (out / DESCRIPTION).is_file():
        if read_description(out) != (tuple(settings.box), settings.spacing):
            raise InputError(f"{out} is a store with another box or spacing; choose another folder.")
    elif out.is_dir() and any(path.name not in UNFINISHED for path in out.iterdir()):
        raise InputError(f"{out} holds other files and is no store; choose a new folder.")


def _prepare_case(out: Path, settings: Settings, case: Case) -> tuple[str, np.ndarray | None, str | None]:
    """Make the volume of a case unless it is there; its name, features and why it cannot be used."""
    path = volume_path(out, case.name)
    try:
        source = source_of(case, settings)
        kept = read_kept(path, source)
        wanted = settings.compute_features and case.features is None
        if kept is None or (wanted and kept.features is None):
            volume = lung_volume(case, settings) if kept is None else kept.volume
            kept = Kept(volume, features_of(volume) if wanted else None)
            write_volume(path, kept.volume, source, kept.features)
    except InputError as error:
        return case.name, None, str(error)
    except Exception as error:  # one odd case must not end a run of days; it is named like any other
        return case.name, None, f"It cannot be prepared ({type(error).__name__}: {error})."
    return case.name, kept.features if wanted else case.features, None


@contextmanager
def _swept(folder: Path) -> Iterator[None]:
    """Remove what processes that were killed left of files that they were writing, before and after."""
    try:
        sweep(folder)
        yield
    finally:
        sweep(folder)


def _positive(text: str) -> int:
    if not text.isdigit() or not 0 < int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 1 to 1000")
    return int(text)


def _millimetres(text: str) -> float:
    if not 0.5 <= float(text) <= 20:
        raise argparse.ArgumentTypeError(f"{text} is not from 0.5 to 20 mm")
    return float(text)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path, help="table of cases, or folder of the authors' release")
    parser.add_argument("--out", type=Path, required=True, help="folder of the store")
    parser.add_argument("--box", type=_positive, nargs=3, metavar=("Z", "Y", "X"), default=Settings().box)
    parser.add_argument("--spacing", type=_millimetres, default=Settings().spacing, help="of the voxels, in mm")
    parser.add_argument("--lungs", choices=METHODS, default=Settings().method, help="how they are found without a mask")
    parser.add_argument("--features", choices=["compute", "none"], default="compute", help="of cases without")
    parser.add_argument("--jobs", type=_positive, default=1, help="processes that work at a time; each needs 2 GB")
    options = parser.parse_args()
    settings = Settings(tuple(options.box), options.spacing, options.lungs, options.features == "compute")
    try:
        cases = release_cases(options.cases) if options.cases.is_dir() else read_case_table(options.cases)
        failed = prepare(cases, options.out, settings, options.jobs)
        if failed:
            print(f"prepare: {len(failed)} of {len(cases)} cases could not be used:", file=sys.stderr)
            print("\n".join(f"  {name}: {reason}" for name, reason in failed), file=sys.stderr)
        if len(failed) == len(cases):
            return 2
        print(summary(open_store(options.out)))
    except InputError as error:
        print(f"prepare: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("prepare: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    return 1 if failed else 0
