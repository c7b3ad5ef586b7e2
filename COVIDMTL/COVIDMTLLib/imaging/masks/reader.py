"""Lungs of masks as people have them: what of a mask is lung, and where it lies if it does not say so."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...utils.errors import InputError
from ...utils.optional_imports import require
from ...utils.text import printable
from ..io.header_checks import GZIP
from ..io.reader import check_labels, read_layers
from ..labels import AIRWAYS
from ..volume import Geometry, Volume, labels_on, linear_on
from .dicom_masks import is_dicom_file, read_dicom_lungs
from .segment_names import Segment, is_lung, listed, lungs_among

if TYPE_CHECKING:
    import SimpleITK as sitk

TOTALSEGMENTATOR = (range(10, 15), range(13, 18))
"""The lobes of the lungs in its versions 2 and 1."""

AERATED = (-970, -300)
"""HU between which most of a lobe lies unless it is consolidated; the air around a patient does not."""

LONGEST_TABLE = 2**18
"""Bytes within which a table of labels is looked for."""

MOST_LABELS = 20
"""Of lungs alone: as many as they have segments."""

IMAGES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")


class LungMask(NamedTuple):
    """The lungs of a mask.

    Attributes
    ----------
    volume : Volume
        uint8: every label but 0 is lung, as far as `methods.mask_on` says so.
    taken : str
        What was taken for lung, in words.
    warnings : list of str
        What else there was in the mask, or had to be assumed.
    """

    volume: Volume
    taken: str
    warnings: list[str]


def read_lungs(path: str | Path, ct: Volume | None = None) -> LungMask:
    """Read the lungs of a mask of any program.

    Parameters
    ----------
    path : path
        A label map or layers (NRRD, NIfTI, MetaImage), a DICOM segmentation or structure set, or a folder with such a
        file or with one for each structure. What is lung is told by the names of segments or labels that the file
        has, by TotalSegmentator's numbers, or else is every label.
    ct : Volume, optional
        HU. Contours are drawn on its grid; a mask that does not say where it lies is laid on it if it has as many
        voxels; and by its densities labels without names are told.

    Raises
    ------
    InputError
        If it cannot be read, or what is lung cannot be told.
    MissingPackage
        If a package that its format needs is not installed.
    """
    require("SimpleITK")
    volume, taken, warnings = _read(Path(path), ct)
    return LungMask(volume, printable(taken), [printable(warning) for warning in warnings])


def _read(path: Path, ct: Volume | None) -> LungMask:
    if path.is_dir():
        return _of_folder(path, ct)
    if path.is_file() and is_dicom_file(path):
        lungs, names, others = read_dicom_lungs(path, None if ct is None else ct.geometry)
        return LungMask(lungs, f"{listed(names)} of {path.name}", _left_out(path.name, listed(names), others))
    image = read_layers(path)
    segments = _segments(image)
    if segments:
        found = _of_segments(image, segments, path.name)
    else:
        found = _of_labels(image, path, ct)
    if ct is not None:
        volume, warnings = _placed(found.volume, ct, path.name)
        found = found._replace(volume=volume, warnings=[*found.warnings, *warnings])
    return found


def _of_folder(folder: Path, ct: Volume | None) -> LungMask:
    """Of a folder with one mask, or with a mask of every structure, of which that of a lobe may be empty."""
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if len(files) == 1:
        return _read(files[0], ct)
    images = {
        path.name[: -len(suffix)]: path for path in files for suffix in IMAGES if path.name.lower().endswith(suffix)
    }
    lungs = [name for name in images if is_lung(Segment(name))]
    if not lungs:
        raise InputError(
            f"{folder.name} is a folder; give a mask as one file, or a folder with a file for each structure, such as "
            "lung_upper_lobe_left.nii.gz."
        )
    volumes = [Volume.from_image(read_layers(images[name])) for name in lungs]
    geometry = volumes[0].geometry
    for name, volume in zip(lungs, volumes, strict=True):
        if volume.array.ndim != 3:
            raise InputError(f"{images[name].name} has several layers; give a mask of a single one.")
    inside = np.any([labels_on(volume, geometry).array > 0 for volume in volumes], axis=0)
    if not inside.any():
        raise InputError(f"The masks of the lungs in {folder.name} are empty: {listed(lungs)}.")
    lungs_of_all = Volume(inside.astype(np.uint8), geometry)
    warnings: list[str] = []
    if ct is not None:
        lungs_of_all, warnings = _placed(lungs_of_all, ct, folder.name)
    others = _left_out(folder.name, listed(lungs), len(images) - len(lungs))
    return LungMask(lungs_of_all, f"{listed(lungs)} of {folder.name}", others + warnings)


def _segments(image: sitk.Image) -> dict[int, tuple[Segment, int, int]]:
    """The segments that a header as Slicer writes it tells of: each with its layer and its label in it."""
    numbers = sorted(
        {int(key[1]) for key in map(re.compile(r"Segment(\d{1,6})_").match, image.GetMetaDataKeys()) if key}
    )
    layers = image.GetNumberOfComponentsPerPixel()

    def said(number: int, what: str, otherwise: str) -> str:
        key = f"Segment{number}_{what}"
        return image.GetMetaData(key) if image.HasMetaDataKey(key) else otherwise

    found = {}
    for number in numbers:
        layer, label = (
            re.fullmatch(r"\s*(\d{1,9})\s*", said(number, what, str(otherwise)))
            # What older versions wrote had a layer for each segment, and said neither.
            for what, otherwise in (("Layer", number if layers > 1 else 0), ("LabelValue", 1))
        )
        if layer and label and int(layer[1]) < layers:
            segment = Segment(said(number, "Name", ""), _code(said(number, "Tags", "")))
            found[number] = segment, int(layer[1]), int(label[1])
    return found


def _code(tags: str) -> str:
    """The code of the type in the terminology of a segment, such as SCT^39607008^Lung."""
    entry = re.search(r"TerminologyEntry:[^~|]*~[^~|]*~[^~|^]*\^([^~|^]*)\^", tags)
    return entry[1] if entry else ""


def _of_segments(image: sitk.Image, segments: Mapping[int, tuple[Segment, int, int]], name: str) -> LungMask:
    import SimpleITK as sitk

    listing = list(segments.values())
    chosen = [listing[place] for place in lungs_among([segment for segment, *_ in listing], name)]
    array = sitk.GetArrayViewFromImage(image)
    layers = array if array.ndim == 4 else array[..., np.newaxis]
    inside = np.any([layers[..., layer] == label for _, layer, label in chosen], axis=0)
    names = [segment.name for segment, *_ in chosen]
    if not inside.any():
        raise InputError(f"{name} has no voxel of {listed(names)}; give a mask with the lungs.")
    lungs = Volume(inside.astype(np.uint8), Geometry.of(image))
    return LungMask(lungs, f"{listed(names)} of {name}", _left_out(name, listed(names), len(listing) - len(names)))


def _of_labels(image: sitk.Image, path: Path, ct: Volume | None) -> LungMask:
    import SimpleITK as sitk

    array = sitk.GetArrayFromImage(image)
    if array.ndim == 4:
        array = array.max(axis=-1)
    labels = check_labels(array, path.name)
    mask = Volume(array.astype(np.uint8), Geometry.of(image))
    names = _label_table(path)
    if names:
        named = [names.get(label, f"label {label}") for label in labels]
        places = lungs_among([Segment(one) for one in named], path.name)
        chosen, said = [labels[place] for place in places], listed([named[place] for place in places])
    else:
        chosen = _numbers(labels, mask, ct, path.name)
        said = f"label{'s' * (len(chosen) > 1)} {', '.join(map(str, chosen))}"
    others = _left_out(path.name, said, len(labels) - len(chosen))
    if others:
        mask = mask.with_array(np.isin(mask.array, chosen).astype(np.uint8))
    elif chosen == [1, 2, AIRWAYS]:
        said += ", unless 3 means airways,"
    return LungMask(mask, f"{said} of {path.name}", others)


def _label_table(path: Path) -> dict[int, str]:
    """The names of labels in the header of a NIfTI file, as TotalSegmentator and others write them there as XML."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        return {}
    with path.open("rb") as file:
        packed = file.read(len(GZIP)) == GZIP
    with (gzip.open if packed else open)(path, "rb") as file:
        start = file.read(LONGEST_TABLE).decode("utf-8", "replace")
    entry = re.compile(r'<Label\b[^>]{0,200}\bKey="(\d{1,3})"[^>]{0,200}>\s*(?:<!\[CDATA\[)?([^<\]]{0,200})')
    return {int(key): name.strip() for key, name in entry.findall(start)}


def _numbers(labels: Sequence[int], mask: Volume, ct: Volume | None, name: str) -> list[int]:
    """Which labels without names are lung: those of TotalSegmentator's lobes among others, or all."""
    tables = [table for table in TOTALSEGMENTATOR if set(table) < set(labels)]
    if tables and ct is not None:
        density = linear_on(ct, mask.geometry).array
        aerated = (density > AERATED[0]) & (density < AERATED[1])
        tables = [table for table in tables if sum(aerated[mask.array == one].mean() > 0.5 for one in table) > 2]
    if tables:
        return list(tables[0])
    if len(labels) > MOST_LABELS or set(TOTALSEGMENTATOR[0]) < set(labels):
        raise InputError(
            f"{name} has {len(labels)} labels, and nothing says which of them are lung; give a mask of the lungs alone."
        )
    return list(labels)


def _left_out(name: str, taken: str, others: int) -> list[str]:
    if not others:
        return []
    return [f"Of the mask {name}, this was taken for lung: {taken}; {others} more left out."]


def _placed(mask: Volume, ct: Volume, name: str) -> tuple[Volume, list[str]]:
    """A mask that does not say where it lies, laid on the CT voxel by voxel; any other as it is."""
    geometry = mask.geometry
    axes = np.abs(geometry.axes)
    unplaced = not np.any(geometry.origin) and np.array_equal(axes, np.eye(3))
    spacing = np.ones(3), ct.geometry.spacing
    if (
        not unplaced
        or geometry.size != ct.geometry.size
        or not any(np.allclose(geometry.spacing, one) for one in spacing)
        or (
            np.allclose(geometry.origin, ct.geometry.origin)
            and np.allclose(geometry.spacing, ct.geometry.spacing)
            and np.allclose(geometry.axes, ct.geometry.axes)
        )
    ):
        return mask, []
    # The rows of one may run the other way than those of the other.
    step = (slice(None, None, 2),) * 3
    density, inside = np.clip(ct.array[step], -1000, 0), mask.array > 0
    means = {
        flips: float(density[np.flip(inside, tuple(axis for axis in range(3) if flips[axis]))[step]].mean())
        for flips in product((False, True), repeat=3)
    }
    if min(means, key=lambda flips: means[flips]) != (False, False, False):
        raise InputError(
            f"{name} does not say where it lies, and voxel by voxel it does not fit the CT; write it with the geometry "
            "of the CT."
        )
    said = f"The mask {name} does not say where it lies; having as many voxels as the CT, it was laid on it."
    return ct.with_array(mask.array), [said]
