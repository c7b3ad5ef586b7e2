"""The opacities and the vessels of a CT in any geometry."""

from __future__ import annotations

from typing import Any

from ..imaging import ct_checks
from ..imaging.volume import Volume, labels_on, to_working_grid
from ..segmentation.methods import MODULES, given_lungs
from ..utils.optional_imports import require
from .detection import find_opacities
from .measures import measure_opacities
from .vessels import find_vessels


def quantify_opacities(ct: Volume, lungs: Volume) -> tuple[Volume, dict[str, Any]]:
    """Find and measure ground glass and consolidation in the lungs of a CT.

    Parameters
    ----------
    ct : Volume
        HU, any geometry.
    lungs : Volume
        Lung mask, any geometry; every value but 0 is lung, but for airways (see `methods.mask_on`).

    Returns
    -------
    mask : Volume
        uint8 on the grid of the CT: 1 ground glass, 2 consolidation.
    measures : dict
        Volumes in ml, shares and zone scores, as of `measures.measure_opacities` on the 1 mm working grid.

    Raises
    ------
    InputError
        If the volume is no chest CT, or the mask lies elsewhere or is none of whole lungs.
    MissingPackage
        If a package that this needs is not installed.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> ct, lungs = covidmtl.read_ct("ct.nrrd"), covidmtl.read_mask("lungs.nrrd")
    >>> mask, measures = covidmtl.quantify_opacities(ct, lungs)
    >>> 0 <= measures["score"]["sum"] <= measures["score"]["of"] <= 24
    True
    """
    working, labels = _on_working_grid(ct, lungs)
    found = find_opacities(working, labels)
    return labels_on(found.labels, ct.geometry), measure_opacities(working, labels, found)


def lung_vessels(ct: Volume, lungs: Volume) -> Volume:
    """Find the vessels in the lungs of a CT.

    Vessels in opacities are not told from them.

    Parameters
    ----------
    ct : Volume
        HU, any geometry.
    lungs : Volume
        Lung mask, as for `quantify_opacities`.

    Returns
    -------
    Volume
        uint8 on the grid of the CT: 1 vessel, where there is no opacity.

    Raises
    ------
    InputError
        If the volume is no chest CT, or the mask lies elsewhere or is none of whole lungs.
    MissingPackage
        If a package that this needs is not installed.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> ct, lungs = covidmtl.read_ct("ct.nrrd"), covidmtl.read_mask("lungs.nrrd")
    >>> vessels = covidmtl.lung_vessels(ct, lungs)
    >>> vessels.geometry == ct.geometry, bool(vessels.array.any())
    (True, True)
    """
    return labels_on(find_vessels(*_on_working_grid(ct, lungs)), ct.geometry)


def _on_working_grid(ct: Volume, lungs: Volume) -> tuple[Volume, Volume]:
    require(*MODULES)
    ct_checks.check_ct(ct)
    working = to_working_grid(ct)
    return working, given_lungs(lungs, working)
