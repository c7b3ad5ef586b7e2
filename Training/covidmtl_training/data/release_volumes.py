"""The compressed volumes of the authors' release, read directly.

``Patient-N.dcm`` is the lung volume in its box, ``Patient-N.dtm`` the volume before that, ``Patient-N.dmm`` the mask.
Each is a DICOM container that no viewer takes for an image: Pixel Data is encapsulated, a fragment a slice, each a
16-bit grey PNG, whatever the transfer syntax says; PatientID holds the study's number; rows, columns and the like are
missing.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
from COVIDMTLLib.utils.errors import InputError
from PIL import Image
from pydicom.encaps import generate_fragments
from pydicom.errors import InvalidDicomError

from ..cohort import cohort
from .case_table import Case

SUFFIXES = (".dcm", ".dtm", ".dmm")

LARGEST_FILE = 2**30
"""Bytes; the files of the release have some 5 MB."""

LARGEST_SIDE, MOST_SLICES = 1024, 2048
"""Pixels along a slice and slices beyond which a file is damaged, or meant to use up the memory."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY = ("I;16", "I;16B", "I")
"""What versions of Pillow call the mode of a 16-bit grey PNG."""

TABLES = ("Patients.xlsx", "patients.csv")
"""By which the folder of the cohort's tables is found."""

UNREADABLE = (
    InvalidDicomError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    struct.error,
    Warning,
)
"""What pydicom raises, or warns of, for files that are damaged or something else."""


def read_release_volume(path: str | Path) -> np.ndarray:
    """Read one of the authors' compressed files.

    Returns
    -------
    ndarray of uint16, shape (z, y, x)
        Exactly as stored: HU + 1024, or a mask.

    Raises
    ------
    InputError
        If the file is missing, damaged, too large or none of these, its slices are not all of one size, or it says that
        it is of another patient than its name does.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path.name} has more than {LARGEST_FILE >> 20} MiB and is no volume of the release.")
        with warnings.catch_warnings():
            # Much of the header is missing or wrong, but a file that ends too early may lack slices.
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", "End of file")
            data = pydicom.dcmread(path, force=True)
            patient, content = str(data.get("PatientID", "")), data.get("PixelData", b"")
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except UNREADABLE as error:
        raise InputError(f"{path.name} cannot be read as a volume of the release; get it again.") from error
    named, said = patient_number(path.stem), patient_number(patient)
    if None not in (named, said) and named != said:
        raise InputError(f"{path.name} says that it is of patient {said}; its name has to agree.")
    return _stacked(_slices(content, path.name), path.name)


def release_cases(folder: str | Path) -> list[Case]:
    """The cases of a release: one for each patient who has a volume anywhere below the folder, by number.

    Labels, features and the paper's split come from the tables, if they lie somewhere below the folder, too (see
    `cohort.load`). The split is that of the whole table, whichever of its volumes are at hand. Of a patient whom the
    tables lack nothing is known.

    Raises
    ------
    InputError
        If there is no volume, a file is there twice, or the tables cannot be read.
    """
    folder = Path(folder)
    files = _files(folder)
    known = _known(folder)
    cases = []
    for number in sorted({number for number, suffix in files if suffix != ".dmm"}):
        given = known.get(number, {})
        volume, lungs = files.get((number, ".dcm")), None
        if volume is None:
            volume, lungs = files[number, ".dtm"], files.get((number, ".dmm"))
        cases.append(Case(f"Patient-{number}", **given, volume=volume, lungs=lungs))
    if not cases:
        raise InputError(f"{folder} holds no Patient-N.dcm or Patient-N.dtm; give the folder of the authors' release.")
    return cases


def patient_number(text: str) -> int | None:
    """The number at the end of a name such as Patient-12, if there is one."""
    found = re.search(r"\d{1,9}$", text.strip(), flags=re.ASCII)
    return int(found[0]) if found else None


def _files(folder: Path) -> dict[tuple[int, str], Path]:
    """Files of the release below a folder by number of the patient and suffix."""
    files: dict[tuple[int, str], Path] = {}
    for path in sorted(folder.rglob("*")):
        suffix, number = path.suffix.lower(), patient_number(path.stem)
        if suffix in SUFFIXES and path.stem.lower().startswith("patient") and number is not None and path.is_file():
            if (number, suffix) in files:
                raise InputError(f"{files[number, suffix]} and {path} are of one patient; leave one of them.")
            files[number, suffix] = path
    return files


def _known(folder: Path) -> dict[int, dict]:
    """What the tables below a folder say of each patient, as keywords of a `Case`; nothing if there are no tables."""
    tables = sorted(path.parent for name in TABLES for path in folder.rglob(name))
    if not tables:
        return {}
    whole = cohort.load(tables[0])
    of_test = set(cohort.paper_split(whole)[1].patients.PID)
    return {
        int(number): {
            "labels": tuple(map(int, labels)),
            "split": "test" if number in of_test else "train",
            "features": features,
        }
        for number, labels, features in zip(whole.patients.PID, whole.labels, whole.features, strict=True)
    }


def _slices(content: bytes, name: str) -> Iterator[np.ndarray]:
    """The slices of encapsulated Pixel Data, each uint16 of shape (y, x)."""
    try:
        for index, fragment in enumerate(generate_fragments(content)):
            if index or fragment.startswith(SIGNATURE):  # the first may be the table of where the others begin
                yield _slice(fragment)
    except (OSError, EOFError, SyntaxError, ValueError, struct.error) as error:
        # With SyntaxError, Pillow says that a checksum of a PNG is wrong.
        raise InputError(f"{name} is damaged: one of its slices is no whole 16-bit grey PNG; get it again.") from error


def _slice(fragment: bytes) -> np.ndarray:
    """A PNG (with what may follow it) as uint16 of shape (y, x)."""
    # Looked at by hand, since Pillow would have set up the decoder of a giant by then.
    if max(struct.unpack_from(">II", fragment, len(SIGNATURE) + 8)) > LARGEST_SIDE:
        raise ValueError("giant slice")
    Image.open(io.BytesIO(fragment), formats=["PNG"]).verify()  # checksums, which reading pixels ignores
    with Image.open(io.BytesIO(fragment), formats=["PNG"]) as image:
        if image.mode not in GREY:
            raise ValueError(f"mode {image.mode}")
        return np.asarray(image).astype(np.uint16)


def _stacked(slices: Iterator[np.ndarray], name: str) -> np.ndarray:
    found: list[np.ndarray] = []
    for one in slices:
        found.append(one)
        if len(found) > MOST_SLICES:
            raise InputError(f"{name} has more than {MOST_SLICES} slices and is no volume of the release.")
        if one.shape != found[0].shape:
            raise InputError(f"{name} is damaged: its slices are not all of one size; get it again.")
    if not found:
        raise InputError(f"{name} holds no slices; it is cut short or no volume of the release, so get it again.")
    return np.stack(found)
