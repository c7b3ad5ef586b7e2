"""Odd and bad DICOM folders."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from conftest import write_dicom
from COVIDMTLLib.imaging.volume import Volume

from .cts import use
from .damage import damage
from .volumes import odd_size, restored, turned


def headers(stock, folder, out, rng):
    """One attribute that is wrong, in all slices or one."""
    one = int(rng.integers(0, 30)) if rng.random() < 0.5 else None
    choices = {
        "Modality": ["MR", "", None, "SEG", "CT\x1b[31m"],
        "PixelSpacing": [[0, 0], [3, -3], None, [1e-9, 1], [3000, 3000], [3, 4]],
        "ImagePositionPatient": [None, [0, 0, 0], [1e30, 0, 0], [0, 0, 1e9]],
        "ImageOrientationPatient": [None, [0] * 6, [1, 0, 0, 1, 0, 0], [2, 0, 0, 0, 1, 0], [1, 0, 0, 0.5, 0.8, 0]],
        "Rows": [0, 1, 33, 65535, None],
        "Columns": [0, 7, 65535],
        "BitsAllocated": [8, 32, 1, 12],
        "BitsStored": [0, 12, 17, 8],
        "HighBit": [0, 11, 200],
        "PixelRepresentation": [1, 3],
        "SamplesPerPixel": [3, 0, None],
        "PhotometricInterpretation": ["RGB", "MONOCHROME1", "PALETTE COLOR", "", None],
        "RescaleSlope": [0, 1e30, -1, None, 2.5],
        "RescaleIntercept": [0, 1e30, None, -1024.5],
        "SliceThickness": [0, -1, None, 1e9],
        "SeriesInstanceUID": [None, "", "1.2.3", "not a uid", "9" * 64],
        "SeriesDescription": ["<script>alert(1)</script>", "\x1b[2J", "Lunge größer", "x" * 64],
        "NumberOfFrames": [2, 0, 10**6],
        "InstanceNumber": [None, 5],
        "PixelData": [b"", b"\0" * 10, None, os.urandom(4)],
        "SOPClassUID": ["1.2.840.10008.5.1.4.1.1.88.11", "1.2"],
        "SpecificCharacterSet": ["ISO_IR 100", "nonsense"],
        "GantryDetectorTilt": [20],
        "PlanarConfiguration": [1],
    }
    name = str(rng.choice(list(choices)))
    value = choices[name][rng.integers(len(choices[name]))]
    changes = {name: value}
    if one is not None and value is not None:
        changes = {name: lambda z: value if z == one else _usual(stock.phantom.ct, name, z)}
        changes = changes if _usual(stock.phantom.ct, name, 0) is not None else {name: value}
    return use(write_dicom(stock.phantom.ct, folder / "study", **changes), stock, out, rng)


def _usual(ct, name, z):
    geometry = ct.geometry
    return {
        "Modality": "CT",
        "PixelSpacing": [geometry.spacing[1], geometry.spacing[0]],
        "ImagePositionPatient": [*geometry.origin[:2], geometry.origin[2] + z * geometry.spacing[2]],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "Rows": geometry.size[1],
        "Columns": geometry.size[0],
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsStored": 16,
        "PixelRepresentation": 0,
    }.get(name)


def damaged(stock, folder, out, rng):
    """Some files of the folder damaged, missing or twice, and others beside them."""
    study = write_dicom(stock.phantom.ct, folder / "study")
    files = sorted(study.iterdir())
    for path in rng.choice(files, int(rng.integers(1, 4)), replace=False):
        kinds = (
            lambda path: damage(path, rng),
            lambda path: damage(path, rng),
            lambda path: path.unlink(),
            lambda path: (study / "copy.dcm").write_bytes(path.read_bytes()),
            lambda path: (study / "DICOMDIR").write_bytes(rng.bytes(2000)),
            lambda path: (study / "notes.txt").write_text("seen by nobody"),
            lambda path: (study / f"pipe{path.stem}").exists() or os.mkfifo(study / f"pipe{path.stem}"),
            lambda path: (study / f"up{path.stem}").symlink_to(study),
        )
        kinds[rng.integers(len(kinds))](path)
    return use(study, stock, out, rng)


def volumes(stock, folder, out, rng):
    """Of other sizes and in other places; single slices, series by name."""
    ct = stock.phantom.ct
    what = rng.integers(4)
    if what == 0:
        small = odd_size(ct, rng)
        ct = Volume(small.array[:60], small.geometry.__class__(small.array[:60].shape[::-1], small.geometry.spacing))
    elif what == 1:
        ct = restored(ct, rng)
    elif what == 2:
        ct = turned(ct, rng)
    study = write_dicom(ct, folder / "study", series="1.2.3.1")
    if what == 3 and rng.random() < 0.5:
        write_dicom(ct, study, series="1.2.3.2")
    if rng.random() < 0.1:
        study = Path(min(study.iterdir()))
    words = use(study, stock, out, rng)
    series = ["1.2.3.1", "1.2.3.2", "", "garbage\x1b[31m", "1.2.3.1 ", "ä" * 3000, "../.."]
    return words + (["--series", str(rng.choice(series))] if rng.random() < 0.5 else [])


def stored(stock, folder, out, rng):
    """Stored values in place of HU, 16 bits full."""
    array = rng.integers(-1000, 60000, stock.phantom.ct.array.shape).astype(np.int32)
    return use(write_dicom(stock.phantom.ct.with_array(array), folder / "study"), stock, out, rng)
