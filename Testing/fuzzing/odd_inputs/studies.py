"""Studies of many series: a small chest CT among others, whole or with something wrong about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pydicom
from conftest import change, write_dicom
from COVIDMTLLib.imaging.volume import Geometry, Volume
from pydicom.uid import generate_uid
from support.data.dicom_studies import write_frames
from support.data.transfer_syntaxes import SYNTAXES, write_as

from .stock import Stock
from .volumes import restored, turned

SERIES, OTHER = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498"

STORED = ((np.uint16, 1, -1024), (np.int16, 1, 0), (np.uint16, 1, -8192), (np.int16, 1, -1024), (np.uint16, 0.5, -2048))
"""Type, slope and intercept of stored values."""

FIRST = {"AcquisitionNumber": 1, "AcquisitionTime": "100000.00", "TemporalPositionIdentifier": 1}

LOW, HIGH = -2000, 62512
"""HU of padding: of scanners, and what -2000 becomes where it is taken for a number without a sign."""


@dataclass
class Study:
    """A study that is being made.

    Attributes
    ----------
    folder : Path
    ct : Volume
        Of the series that is to be read.
    rng : Generator
    volumes : list of Volume
        What it would be right to read.
    sentence : bool
        Whether it would be right to say why nothing is read.
    spare : list of Volume
        What is right to be read only if the series is not whole.
    words : list of str
        Options of the command line.
    """

    folder: Path
    ct: Volume
    rng: np.random.Generator
    volumes: list[Volume] = field(default_factory=list)
    sentence: bool = False
    spare: list[Volume] = field(default_factory=list)
    words: list[str] = field(default_factory=list)

    def pick(self, choices):
        return choices[self.rng.integers(len(choices))]

    def write(self, volume: Volume, where: str = "", series: str = SERIES, **changes) -> list[Path]:
        """Write a series beside the others, in any transfer syntax and with any rescale, its files in no order."""
        folder = self.folder / where
        folder.mkdir(parents=True, exist_ok=True)
        syntax, stored = self.pick(SYNTAXES), self.pick(_fitting(volume))
        numbers = self.rng.permutation(10**5)
        files = []
        plain = write_dicom(volume, self.folder.parent / "plain", series)
        for path in sorted(plain.iterdir()):
            data = pydicom.dcmread(path)
            z = len(volume.array) - int(data.InstanceNumber)
            _store(data, volume.array[z], *stored)
            change(data, z, changes)
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            files.append(
                write_as(
                    data, folder / self.pick(("IM{:05d}", "{:05d}.dcm", "1-{:05d}.dcm")).format(numbers[z]), syntax
                )
            )
        shutil.rmtree(plain)
        return files


def _fitting(volume: Volume) -> list[tuple]:
    """The ways to store a volume that have room for its values."""
    low, high = int(volume.array.min()), int(volume.array.max())
    return [
        (kind, slope, intercept)
        for kind, slope, intercept in STORED
        if np.iinfo(kind).min <= (low - intercept) / slope and (high - intercept) / slope <= np.iinfo(kind).max
    ]


def _store(data, values: np.ndarray, kind, slope: float, intercept: float) -> None:
    data.PixelRepresentation = int(np.iinfo(kind).min < 0)
    data.RescaleSlope, data.RescaleIntercept = slope, intercept
    data.PixelData = ((values.astype(np.int32) - intercept) / slope).astype(kind).tobytes()


# Beside the chest there may be other things, none of which is to be read.


def localizer(study: Study) -> None:
    """One view or two, of the same series or another one."""
    for view in range(study.rng.integers(1, 3)):
        array = study.ct.array.mean(axis=1 + view).astype(np.int16)[None]
        axes = ([1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1])[view]
        flat = Volume(array, Geometry(array.shape[::-1], (3.0, 3.0, 3.0)))
        series = study.pick((SERIES, f"{OTHER}.2"))
        kind = ["ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"]
        study.write(flat, "", series, ImageType=kind, ImageOrientationPatient=axes)


def screen(study: Study) -> None:
    """A dose report as a picture."""
    picture = Volume(study.ct.array[:1], Geometry((*study.ct.geometry.size[:2], 1)))
    places = {"ImagePositionPatient": None, "ImageOrientationPatient": None, "PixelSpacing": None}
    study.write(
        picture,
        "",
        f"{OTHER}.3",
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7",
        ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"],
        Modality=study.pick(("CT", "OT")),
        **places,
    )


def no_images(study: Study) -> None:
    """Reports, presentation states and files of programs."""
    (study.folder / "notes.txt").write_text("seen by nobody")
    (study.folder / ".DS_Store").write_bytes(study.rng.bytes(6148))
    (study.folder / "Thumbs.db").write_bytes(study.rng.bytes(1000))
    (study.folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + study.rng.bytes(400))
    (study.folder / "empty").touch()
    for number, (kind, modality) in enumerate((("88.22", "SR"), ("11.1", "PR"), ("104.1", "DOC"), ("66.4", "SEG"))):
        path = study.write(Volume(study.ct.array[:1], Geometry((*study.ct.geometry.size[:2], 1))), "", f"{OTHER}.4")[0]
        data = pydicom.dcmread(path)
        data.SOPClassUID, data.Modality = f"1.2.840.10008.5.1.4.1.1.{kind}", modality
        if number < 3:
            for name in ("PixelData", "Rows", "Columns"):
                delattr(data, name)
        data.save_as(path)


def copies(study: Study) -> None:
    """Of all files or some: the same ones under other names, or the same pixels under other UIDs."""
    files = sorted(path for path in study.folder.rglob("*") if path.is_file())
    chosen = files if study.rng.random() < 0.5 else study.rng.choice(files, 5, replace=False)
    folder = study.folder / study.pick(("copy", "a/b"))
    folder.mkdir(parents=True)
    new = study.rng.random() < 0.5
    for path in chosen:
        other = folder / path.name
        other.write_bytes(path.read_bytes())
        if new and path.suffix == ".dcm":
            data = pydicom.dcmread(other)
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
            data.save_as(other)


def thick(study: Study) -> None:
    ct = study.ct
    array = np.ascontiguousarray((ct.array[:-1:2] // 2 + ct.array[1::2] // 2)[: len(ct.array) // 2])
    g = ct.geometry
    origin = tuple(g.point_at([0, 0, 0.5]).tolist())
    volume = Volume(array, Geometry(array.shape[::-1], (*g.spacing[:2], 2 * g.spacing[2]), origin, g.direction))
    study.write(volume, "thick", f"{OTHER}.5", SeriesDescription="Thorax 6.0")
    study.spare.append(volume)


def sharp(study: Study) -> None:
    noisy = study.ct.with_array(study.ct.array + study.rng.integers(0, 9, study.ct.array.shape).astype(np.int32))
    study.write(noisy, "", f"{OTHER}.6", ConvolutionKernel=study.pick(("Bl60d", "LUNG", "FC86", "B70f", "YC")))
    study.spare.append(noisy)


def other_part(study: Study) -> None:
    part = study.ct.with_array(study.ct.array + 3)
    study.write(part, "", f"{OTHER}.7", SeriesDescription=study.pick(("Abdomen 3.0", "Head", "NECK", "Becken")))
    study.spare.append(part)


def reformat(study: Study) -> None:
    """Coronal slices that were made of the others, of the same series or another one."""
    g = study.ct.geometry
    array = np.ascontiguousarray(study.ct.array.transpose(1, 0, 2)[:, ::-1])
    place = {
        "ImageOrientationPatient": [1, 0, 0, 0, 0, -1],
        "ImagePositionPatient": lambda y: [round(v, 4) for v in (g.origin[0], g.origin[1] + 3.0 * y, g.origin[2])],
        "ImageType": ["DERIVED", "SECONDARY", "MPR"],
    }
    study.write(
        Volume(array, Geometry(array.shape[::-1], (3.0, 3.0, 3.0))), "", study.pick((SERIES, f"{OTHER}.8")), **place
    )


def projection(study: Study) -> None:
    study.write(study.ct.with_array(study.ct.array + 5), "", f"{OTHER}.9", ImageType=["DERIVED", "SECONDARY", "MIP"])


def other_modality(study: Study) -> None:
    study.write(study.ct.with_array(study.ct.array + 7), "pt", f"{OTHER}.10", Modality=study.pick(("PT", "MR", "NM")))


def part_again(study: Study) -> None:
    """A second, shorter acquisition of the same series, told by its number, its time, or the order of instances."""
    g, start = study.ct.geometry, int(study.rng.integers(0, 10))
    array = study.ct.array[start : start + 22] + 11
    part = Volume(array, Geometry(array.shape[::-1], g.spacing, tuple(g.point_at([0, 0, start]).tolist()), g.direction))
    told = study.pick(
        (
            {"AcquisitionNumber": 3},
            {"AcquisitionTime": "101500.00"},
            {"AcquisitionTime": lambda z: f"1015{z:02d}.5"},
            {"TemporalPositionIdentifier": 3},
            {"InstanceNumber": lambda z: 1000 + z},
            {"InstanceNumber": lambda z: 1000 - z},
        )
    )
    study.write(part, "", SERIES, **FIRST | told)
    study.spare.append(part)


BESIDE: tuple[Callable[[Study], None], ...] = (
    *(localizer, localizer, screen, no_images, thick, sharp, other_part, reformat, projection, other_modality),
    part_again,
)

# What is wrong with the chest itself, so that it is not to be read.


def gap(study: Study) -> None:
    files = _places(study)
    count = int(study.rng.integers(1, 4))
    for path in study.rng.choice(files[2:-2], count, replace=False):
        path.unlink()


def _places(study: Study) -> list[Path]:
    """The files of the series in the order of their slices."""
    found = []
    for path in study.folder.rglob("*"):
        if path.is_file():
            data = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            if data.get("SeriesInstanceUID") == SERIES:
                found.append((int(data.InstanceNumber), path))
    return [path for _, path in sorted(found)]


def attribute(study: Study) -> None:
    """An attribute that is missing or wrong, of one slice or of all."""
    wrong = {
        "PixelSpacing": (None, [0, 0], [3, 3.3]),
        "ImagePositionPatient": (None, "", [0, 0, 0]),
        "ImageOrientationPatient": (None, [0.0] * 6),
        "RescaleIntercept": (None, -900),
        "RescaleSlope": (None, 2),
    }
    name = study.pick(list(wrong))
    value = study.pick(wrong[name])
    files = _places(study)
    # Of a whole series with another rescale or spacing nobody could say that it is wrong.
    whole = value in (None, "", [0, 0], [0.0] * 6) and not name.startswith("Rescale") and study.rng.random() < 0.5
    for path in files if whole else [files[int(study.rng.integers(3, len(files) - 3))]]:
        data = pydicom.dcmread(path)
        if value is None:
            delattr(data, name)
        else:
            setattr(data, name, value)
        data.save_as(path)


def moved(study: Study) -> None:
    """Slices at uneven places, or each shifted sideways, as by a tilted gantry."""
    tilted = study.rng.random() < 0.5
    for number, path in enumerate(_places(study)):
        data = pydicom.dcmread(path)
        row, column = np.reshape(data.ImageOrientationPatient, (2, 3)).astype(float)
        shift = 0.9 * number * column if tilted else 1.2 * (number > 15) * np.cross(row, column)
        data.ImagePositionPatient = [round(float(value), 4) for value in data.ImagePositionPatient + shift]
        data.save_as(path)


def doubled(study: Study) -> None:
    """Other slices at the same places, which nothing tells apart."""
    for path in study.rng.choice(_places(study), 3, replace=False):
        data = pydicom.dcmread(path)
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        data.PixelData = bytes(2 * data.Rows * data.Columns)
        data["PixelData"].VR, data["PixelData"].is_undefined_length = "OW", False
        pydicom.dcmwrite(path.with_name(f"again{path.name}"), data, implicit_vr=False, little_endian=True)


def short(study: Study) -> None:
    path = study.pick(_places(study))
    path.write_bytes(path.read_bytes()[:-200])


def even(study: Study) -> None:
    """A second series, or a second phase of it, that would do as well."""
    told = FIRST | {"AcquisitionNumber": 2} if study.rng.random() < 0.5 else {}
    series = SERIES if told else f"{OTHER}.11"
    study.write(study.ct.with_array(study.ct.array + 13), "even", series, **told)
    if not told and study.rng.random() < 0.5:
        study.words += ["--series", SERIES]
        study.sentence = False


FAULTS = (gap, gap, attribute, attribute, moved, doubled, short, even)


# How the files lie.


def folder_of(study: Study) -> Path:
    return study.folder


def packed(study: Study) -> Path:
    kind = study.pick(("zip", "gztar", "tar"))
    return Path(shutil.make_archive(str(study.folder.parent / "study"), kind, study.folder))


def directory(study: Study) -> Path:
    (study.folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM" + bytes(200))
    return study.folder / "DICOMDIR"


def linked(study: Study) -> Path:
    place = study.folder.parent / "links"
    place.mkdir()
    (place / "series").symlink_to(study.folder)
    (study.folder / "round").symlink_to(place)
    return place


def bare(study: Study) -> Path:
    """Without preambles."""
    for path in study.folder.rglob("*"):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM" and path.name != "DICOMDIR":
            path.write_bytes(path.read_bytes()[132:])
    return study.folder


def deep(study: Study) -> Path:
    """A folder for every few files."""
    for number, path in enumerate(sorted(path for path in study.folder.iterdir() if path.is_file())):
        place = study.folder / f"PAT{number % 3}" / f"ST{number % 2}"
        place.mkdir(parents=True, exist_ok=True)
        path.rename(place / path.name)
    return study.folder


PLACES = (folder_of, folder_of, packed, directory, linked, bare, deep)


def _padded(ct: Volume, rng: np.random.Generator) -> Volume:
    """Padding in the corners that the round field of view leaves."""
    _, y, x = np.indices(ct.array.shape)
    far = np.hypot(2 * y / ct.array.shape[1] - 1, 2 * x / ct.array.shape[2] - 1) > 1.3
    return ct.with_array(np.where(far, (LOW, HIGH)[rng.integers(2)], ct.array.astype(np.int32)))


def _cut(ct: Volume, count: int) -> Volume:
    g = ct.geometry
    return Volume(ct.array[:-count], Geometry((*g.size[:2], g.size[2] - count), g.spacing, g.origin, g.direction))


def mixed(stock: Stock, given: Path, out: Path, rng: np.random.Generator) -> tuple[list[str], Right]:
    """A chest among other things, in any order and form; the command line, and what would be right."""
    ct = stock.phantom.ct
    if rng.random() < 0.4:
        ct = _padded(ct, rng)
    study = Study(given / "study", ct, rng)
    study.folder.mkdir()
    alone = rng.random() < 0.2
    lungs = stock.phantom.lungs
    if alone and rng.random() < 0.5:
        oblique = rng.random() < 0.3
        study.ct = ct = (turned if oblique else restored)(ct, rng)
        lungs = Volume(lungs.array, ct.geometry) if oblique else lungs
    if rng.random() < 0.15:
        place = _many_frames(study, given)
    else:
        study.volumes.append(ct)
        ends = rng.random() < 0.1
        study.write(_cut(ct, 3) if ends else ct, study.pick(("", "", "se1")), **FIRST)
        if ends:  # nobody can know that there were more, and the lungs may be cut
            study.volumes, study.sentence = [_cut(ct, 3)], True
        faulty = not ends and rng.random() < 0.3
        if faulty:
            study.sentence, study.volumes = True, []
            fault = study.pick(FAULTS)
            fault(study)
            if not study.sentence:
                study.volumes.append(ct)
        elif rng.random() < 0.4:
            copies(study)
        if not alone:
            for add in rng.choice(len(BESIDE), int(rng.integers(0, 4)), replace=False):
                BESIDE[add](study)
            study.volumes += study.spare if faulty or ends else []
        place = study.pick(PLACES)(study)
    words = ["segment", str(place), "--out", str(out / "lungs.nrrd"), "--method", "classical", *study.words]
    return words, Right(study.volumes, study.sentence, lungs)


@dataclass(frozen=True)
class Right:
    """What would be right: to read one of some volumes, or to say why not, and where the lungs of the CT are."""

    volumes: list[Volume]
    sentence: bool
    lungs: Volume


def _many_frames(study: Study, given: Path) -> Path:
    ct, rng = study.ct, study.rng
    count = ct.geometry.size[2]
    frames = list(range(count) if rng.random() < 0.3 else rng.permutation(count))
    slope, intercept = study.pick(((1.0, -1024.0), (1.0, -8192.0), (0.5, -2048.0)))
    if rng.random() < 0.25:
        frames = [z for z in frames if z not in (7, 20)]
        study.sentence = True
    else:
        study.volumes.append(ct)
    if ct.array.min() < intercept or (ct.array.max() - intercept) / slope > 65535:
        slope, intercept = (1.0, -1024.0) if ct.array.min() >= -1024 else (1.0, -8192.0)
    own = rng.random() < 0.5
    path = write_frames(ct, given / "study.dcm", frames, rescale=lambda z: (slope, intercept - (z % 3 if own else 0)))
    write_as(pydicom.dcmread(path), path, study.pick(SYNTAXES))
    if rng.random() < 0.2:
        path.write_bytes(path.read_bytes()[132:])
    return path
