"""The 375 features of the lungs of a CT in any geometry."""

from __future__ import annotations

from ..features.extraction import BUILT_IN, engine_modules, lung_features
from ..imaging import bspline, ct_checks
from ..imaging.volume import Volume, to_working_grid
from ..segmentation.methods import mask_on
from ..utils.optional_imports import require


def extract_features(ct: Volume, lungs: Volume, engine: str = BUILT_IN) -> dict[str, float]:
    """Extract the 375 lung features of the paper (section 4.1) from a CT.

    Parameters
    ----------
    ct : Volume
        HU, any geometry; resampled to 1 mm (section 5.1).
    lungs : Volume
        Lung mask, any geometry; every value but 0 is lung, but for airways (see `methods.mask_on`).
    engine : {"built-in", "pyradiomics"}
        What computes them; values agree to 1e-9.

    Returns
    -------
    dict
        Value of each of `names.FEATURE_NAMES`, in that order.

    Raises
    ------
    InputError
        If the volume is no chest CT, the mask lies elsewhere or is too small, or there is no such engine.
    MissingPackage
        If a package that the engine needs is not installed.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> ct, lungs = covidmtl.read_ct("ct.nrrd"), covidmtl.read_mask("lungs.nrrd")
    >>> len(covidmtl.extract_features(ct, lungs))
    375
    """
    require("SimpleITK", *bspline.MODULES, *engine_modules(engine))
    ct_checks.check_ct(ct)
    working = to_working_grid(ct)
    return lung_features(working, mask_on(lungs, working).array, engine=engine)
