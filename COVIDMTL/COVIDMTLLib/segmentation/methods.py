"""Finding the lungs in a CT: the methods by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..imaging import bspline, ct_checks
from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import Geometry, Volume, labels_on, to_working_grid
from ..utils.errors import InputError
from ..utils.optional_imports import require
from . import plausibility
from .active_contour import refine_active_contour
from .airways import holds_airways, label_airways, without_airways
from .classical import segment_classical
from .left_right import right_and_left
from .parameters import PUBLISHED, Parameters
from .robust import segment_robust
from .robust.chest import Chest, check_mask, find_chest
from .slice_preview import in_words, slices_through

METHODS = ("robust", "active-contour", "classical")
"""``robust``: dense lung inferred from the chest wall, an atlas and the looks of the tissue; ``classical``: threshold
and connected components (reference 25 of the paper); ``active-contour``: Algorithm 1 on top of it, or of an initial
mask."""

DEFAULT_METHOD = "robust"
"""Where lung is dense, the others lose it. The shipped models were trained on features of lungs as of
``active-contour``, the paper's own."""

MODULES = (
    "SimpleITK",
    *bspline.MODULES,
    "skimage.draw",
    "skimage.measure",
    "skimage.morphology",
    "skimage.segmentation",
)
"""What a segmentation imports, for `optional_imports.require`."""


@dataclass(frozen=True)
class SegmentationOptions:
    """What can be chosen of a segmentation.

    Attributes
    ----------
    method : {"robust", "active-contour", "classical"}
    parameters : Parameters
        Of ``classical`` and ``active-contour``; as published by default.
    airways : bool
        Label the trachea and the main bronchi, too. Of them ``classical`` and ``active-contour`` make lung otherwise.
    through : sequence of 3 float, optional
        A point (x, y, z) in LPS mm. Only the axial slice through it is refined, and the rest of the result
        is 0. On the grid of the CT that slice has the outline that the whole segmentation gives it; where
        the lungs touch, they may be parted a little differently. A CT with slices of less than 1 mm has
        neighbours of the slice filled too, for several come from one slice of the working grid.
    """

    method: str = DEFAULT_METHOD
    parameters: Parameters = PUBLISHED
    airways: bool = False
    through: Sequence[float] | None = None

    def to_arguments(self) -> list[str]:
        """The options of ``covid-mtl segment`` that say the same."""
        words = ["--method", self.method, *(["--airways"] if self.airways else [])]
        for field in fields(self.parameters):
            value = getattr(self.parameters, field.name)
            if isinstance(value, bool):
                words += [f"--{field.name}"] if value else []
            else:
                words += [f"--{field.name}", repr(value)]
        if self.through is not None:
            # Without an exponent, which the command line would take for an option where it is negative.
            words += ["--through", *(f"{mm:.4f}" for mm in self.through)]
        return words


def segment(
    ct: Volume,
    method: str | SegmentationOptions = DEFAULT_METHOD,
    initial: Volume | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
    name: str = "The volume",
    grid: Geometry | None = None,
    chest: Chest | None = None,
) -> Volume:
    """Segment the lungs, right and left, or for a preview in one slice.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid (see `to_working_grid`).
    method : {"robust", "active-contour", "classical"} or SegmentationOptions
        A method as it is by default, or with what was chosen of it.
    initial : Volume, optional
        Mask on any grid for ``active-contour`` to start from, in place of the classical one; for ``robust``, what is
        lung for certain.
    progress : callable, optional
        Is told the share done, 0 to 1.
    name : str
        What to call the CT in an error.
    grid : Geometry, optional
        For ``through``: the geometry of the CT, whose slice is meant; by default that of the working grid.
    chest : Chest, optional
        What `plausibility.check_field_of_view` has found in this CT, if it has been checked.

    Returns
    -------
    Volume
        uint8 on the working grid: 1 right lung, 2 left lung, and if asked for 3 trachea and main bronchi; no 3 if
        no trachea was found.

    Raises
    ------
    InputError
        If the method is unknown, cannot start from a mask or has no parameters, the initial mask lies elsewhere,
        or the point lies outside the CT or in a slice without lung.
    ImplausibleCT
        If there is no lung, or if the field of view cuts it.
    """
    options = method if isinstance(method, SegmentationOptions) else SegmentationOptions(method)
    method, parameters, through = options.method, options.parameters, options.through
    if method not in METHODS:
        raise InputError(f"There is no method {method}; choose one of {', '.join(METHODS)}.")
    if initial is not None and method == "classical":
        raise InputError(
            "The method classical starts from the CT alone; leave out the initial mask or refine it "
            "with active-contour or robust."
        )
    if parameters != PUBLISHED and method == "robust":
        raise InputError(
            "The method robust has no parameters; leave them out or choose the method classical or active-contour."
        )
    slices = None if through is None else slices_through(through, grid or ct.geometry, ct.geometry, name)
    chest = chest or plausibility.check_field_of_view(ct, name)
    progress(0.1)
    start = None if initial is None else mask_on(initial, ct).array > 0
    if start is not None:
        check_mask(start, chest)
    if method == "robust":
        lungs = segment_robust(ct.array, start, lambda fraction: progress(0.2 + 0.7 * fraction), chest)
    else:
        lungs = segment_classical(ct.array, parameters.threshold) if start is None else start
    plausibility.check_lungs(lungs, ct.array, name)
    if method == "active-contour":
        progress(0.2)
        lungs = refine_active_contour(
            ct.array, lungs, lambda fraction: progress(0.2 + 0.7 * fraction), parameters, slices
        )
        plausibility.check_lungs(lungs, ct.array, name)
    labels = right_and_left(lungs, ct.array)
    if options.airways:
        label_airways(labels, ct.array)
    if slices is not None and through is not None:
        labels[np.setdiff1d(np.arange(len(labels)), slices)] = 0
        if not np.isin(labels[slices], (RIGHT, LEFT)).any():
            raise InputError(f"{name} shows no lung in the slice through {in_words(through)}; choose another one.")
    progress(1.0)
    return ct.with_array(labels)


def segment_lungs(
    ct: Volume, method: str = DEFAULT_METHOD, initial: Volume | None = None, airways: bool = False
) -> Volume:
    """Segment the lungs of a CT, right and left.

    Parameters
    ----------
    ct : Volume
        HU, any geometry.
    method : {"robust", "active-contour", "classical"}
        ``active-contour`` is Algorithm 1 of the paper.
    initial : Volume, optional
        Mask on any grid that ``active-contour`` starts from and ``robust`` adds to.
    airways : bool
        Label the trachea and the main bronchi, too.

    Returns
    -------
    Volume
        uint8 on the grid of the CT: 1 right lung, 2 left lung, and if asked for 3 trachea and main bronchi.

    Raises
    ------
    InputError
        If the volume is no chest CT, has no lungs or lungs cut by its field of view, or as of `segment`.
    MissingPackage
        If a package that is needed is not installed.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> ct = covidmtl.read_ct("ct.nrrd")
    >>> lungs = covidmtl.segment_lungs(ct)
    >>> lungs.geometry == ct.geometry
    True
    """
    require(*MODULES)
    ct_checks.check_ct(ct)
    options = SegmentationOptions(method, airways=airways)
    return labels_on(segment(to_working_grid(ct), options, initial), ct.geometry)


def given_lungs(mask: Volume, ct: Volume, name: str = "The volume", chest: Chest | None = None) -> Volume:
    """A mask of the user's as lungs.

    Parameters
    ----------
    mask : Volume
        Labels (z, y, x), any geometry; every value but 0 is lung, but for airways (see `mask_on`).
    ct : Volume
        HU on the 1 mm working grid.
    name : str
        What to call the CT in an error.
    chest : Chest, optional
        What the CT shows, as of `find_chest`, if it is known.

    Returns
    -------
    Volume
        uint8 on the working grid: 1 right lung, 2 left lung.

    Raises
    ------
    InputError
        If the mask lies elsewhere than the CT.
    ImplausibleCT
        If it is too small for lungs or reaches the ends of the CT.
    """
    lungs = mask_on(mask, ct).array > 0
    check_mask(lungs, chest or find_chest(ct.array))
    plausibility.check_lungs(lungs, ct.array, name)
    return ct.with_array(right_and_left(lungs, ct.array))


def lungs_of(
    ct: Volume, given: Volume | None, name: str, progress: Callable[[float], None] = lambda fraction: None
) -> tuple[Volume, Chest]:
    """The lungs of a CT on the working grid, as `given_lungs` or else by the default method, and what it shows."""
    if given is None:
        chest = plausibility.check_field_of_view(ct, name)
        return segment(ct, progress=progress, name=name, chest=chest), chest
    chest = find_chest(ct.array)
    return given_lungs(given, ct, name, chest), chest


def mask_on(mask: Volume, ct: Volume) -> Volume:
    """A mask of the lungs on the grid of a CT, without the trachea and the main bronchi that `segment` labels 3.

    Parameters
    ----------
    mask : Volume
        Labels (z, y, x), any geometry.
    ct : Volume
        HU, any geometry.

    Returns
    -------
    Volume
        Labels on the geometry of the CT. A 3 is taken for airways, and is 0, where it is likely to mean them (see
        `airways.holds_airways`).

    Raises
    ------
    InputError
        If nothing of the mask lies inside the CT.
    """
    on_grid = labels_on(mask, ct.geometry)
    if holds_airways(on_grid.array, ct.array):
        return without_airways(on_grid)
    if not np.any(on_grid.array):
        raise InputError("The mask and the CT do not lie in the same place; give a mask of this CT.")
    return on_grid
