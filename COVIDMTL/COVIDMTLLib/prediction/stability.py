"""Whether a verdict stays what it is when the CT or its lungs are a little different."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..features.extraction import low_pass_features
from ..imaging.bounding_box import box_of
from ..imaging.ct_checks import MIN_SLICES, axial_axis
from ..imaging.volume import HU_RANGE, Geometry, Volume, labels_on, to_working_grid, triple
from ..models.model import Model

MOST = 0.1
"""How much a verdict may move, as a probability in the hospitals of the training, and still count as stable."""

NOISE = 10.0
"""HU, standard deviation on voxels of 1 mm."""

ANGLE = 5.0
"""Degrees, in the axial plane."""

MARGIN, ROOM = 8, 24
"""Voxels around the lungs that are turned with them, and more that what is turned may reach into."""

SEED = 0

ORDINALS = {2: "second", 3: "third"}


def stability(
    model: Model,
    ct: Volume,
    working: Volume,
    lungs: Volume,
    others: Sequence[tuple[str, Volume]],
    features: Mapping[str, float],
    thorough: bool = False,
) -> dict[str, dict[str, Any]]:
    """How far the verdicts of a model on features move.

    Parameters
    ----------
    model : Model
        On features that `extraction.low_pass_features` gives.
    ct, working : Volume
        HU, as it was read and on the working grid.
    lungs : Volume
        Those that the verdict rests on, on the working grid.
    others : sequence of (str, Volume)
        Lungs found otherwise, and how in words.
    features : mapping
        Of the CT as it is, by name.
    thorough : bool
        Also try noise, a turn and every third slice, none of which has been seen to move a verdict of a real CT by more
        than the others do, and which take longer than all the rest.

    Returns
    -------
    dict
        For each task ``moves``, a list of ``by`` in words and ``probability``, the change of the probability of the
        second class in the hospitals of the training; and ``stable``: whether none is more than `MOST`.
    """
    first = model.predict(features)
    moves: dict[str, list[dict[str, Any]]] = {task: [] for task in first}
    for words, image, mask in _variants(ct, working, lungs, others, thorough):
        said = model.predict(low_pass_features(image, mask))
        for task, probabilities in said.items():
            moves[task].append({"by": words, "probability": float(probabilities[1] - first[task][1])})
    return {
        task: {"moves": found, "stable": all(abs(one["probability"]) <= MOST for one in found)}
        for task, found in moves.items()
    }


def moved_most(found: dict[str, Any]) -> str:
    """The largest move of a task in words."""
    largest = max(found["moves"], key=lambda one: abs(one["probability"]))
    return f"{100 * largest['probability']:+.0f} points by {largest['by']}"


def _variants(
    ct: Volume, working: Volume, lungs: Volume, others: Sequence[tuple[str, Volume]], thorough: bool
) -> Iterator[tuple[str, Volume, np.ndarray]]:
    for words, mask in others:
        yield words, working, mask.array
    if thorough:
        yield from _disturbed(working, lungs)
    for step in (2, 3) if thorough else (2,):
        thinned = _thinned(ct, step)
        if thinned is not None:
            coarse = to_working_grid(thinned)
            yield f"every {ORDINALS[step]} slice alone", coarse, labels_on(lungs, coarse.geometry).array


def _disturbed(working: Volume, lungs: Volume) -> Iterator[tuple[str, Volume, np.ndarray]]:
    box = box_of(lungs.array != 0, MARGIN)
    image, mask = working.array[box], lungs.array[box]
    grid = Geometry(image.shape[::-1])
    noise = np.random.default_rng(SEED).normal(0, NOISE, image.shape)
    yield f"noise of {NOISE:.0f} HU", Volume(np.rint(image + noise).astype(np.int16), grid), mask
    yield f"a turn by {ANGLE:.0f} degrees", *_turned(image, mask, grid)


def _turned(image: np.ndarray, mask: np.ndarray, grid: Geometry) -> tuple[Volume, np.ndarray]:
    """Lungs in their box, turned about its axis from feet to head."""
    import SimpleITK as sitk

    turn = sitk.Euler3DTransform(grid.point_at(np.subtract(grid.size, 1) / 2), 0, 0, np.radians(ANGLE))
    around = Geometry(
        (grid.size[0] + 2 * ROOM, grid.size[1] + 2 * ROOM, grid.size[2]), origin=(-float(ROOM), -float(ROOM), 0.0)
    )
    frame = Volume(np.zeros(around.shape, np.uint8), around).to_image()
    turned, lungs = (
        sitk.Resample(Volume(array, grid).to_image(), frame, turn, how, outside)
        for array, how, outside in (
            (np.clip(image, *HU_RANGE).astype(np.float32), sitk.sitkBSpline, float(HU_RANGE[0])),
            (mask.astype(np.uint8), sitk.sitkNearestNeighbor, 0),
        )
    )
    found = Volume.from_image(turned)
    return found.with_array(np.rint(found.array).astype(np.int16)), sitk.GetArrayFromImage(lungs)


def _thinned(ct: Volume, step: int) -> Volume | None:
    """A CT of every second slice, or so; None if these are too few."""
    axis = axial_axis(ct.geometry)
    if ct.geometry.size[axis] < step * MIN_SLICES:
        return None
    taken = [slice(None)] * 3
    taken[2 - axis] = slice(None, None, step)
    array = np.ascontiguousarray(ct.array[tuple(taken)])
    spacing = triple(mm * (step if one == axis else 1) for one, mm in enumerate(ct.geometry.spacing))
    return Volume(array, Geometry(triple(array.shape[::-1]), spacing, ct.geometry.origin, ct.geometry.direction))
