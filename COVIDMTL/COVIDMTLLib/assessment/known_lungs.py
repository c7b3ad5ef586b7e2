"""The lungs that models know: found as those of their training were, beside the ones that are measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from ..features.extraction import lung_features
from ..imaging.lung_crop import at_spacing
from ..imaging.volume import Volume
from ..models.card import takes_features
from ..models.model import Model
from ..prediction.stability import moved_most, stability
from ..processes.helper import Aid
from ..segmentation import methods
from ..segmentation.robust.chest import Chest
from ..utils.errors import ImplausibleCT
from ..utils.progress import Callback, Update, silent


class KnownLungs:
    """Lungs by the methods that models name, found in the second process while those to be measured are found here.

    Parameters
    ----------
    cards : sequence of mapping
        Of the models.
    refine : str or None
        How the lungs that are measured are found; None if they are given, and are then taken for all models.

    Attributes
    ----------
    measured : Volume
        The lungs that are measured, on the working grid; to be set before a model gets its own.
    """

    measured: Volume

    def __init__(self, cards: Sequence[dict[str, Any]], refine: str | None):
        self.refine = refine
        named = dict.fromkeys(card["lungs"] for card in cards if takes_features(card) and "lungs" in card)
        self._methods = [one for one in named if refine is not None and one != refine]
        self._found: dict[str, Callable[[], Volume | None]] = {}

    def start(self, ct: Volume, name: str, chest: Chest | None, helper: Aid | None) -> None:
        """Find the lungs by each method that is not that of the measured ones; see `methods.segment`."""
        for method in self._methods:
            find = partial(_lungs_by, ct, method, name, chest)
            self._found[method] = helper.start(find).result if helper else cache(find)

    def method(self, model: Model) -> str:
        """The method whose lungs a model gets; empty for those that are measured."""
        return model.card["lungs"] if model.card.get("lungs") in self._methods else ""

    def name(self, model: Model) -> str:
        """How the lungs that a model gets were found: a method, or ``given``."""
        return self.method(model) or self.refine or "given"

    def of(self, model: Model) -> Volume | None:
        """The lungs that a model gets; None if its method finds none."""
        return self._found[self.method(model)]() if self.method(model) else self.measured


def _lungs_by(ct: Volume, method: str, name: str, chest: Chest | None, progress: Callback = silent) -> Volume | None:
    try:
        return methods.segment(ct, method, name=name, chest=chest)
    except ImplausibleCT:  # of a CT whose lungs another method has found
        return None


def features_of(
    models: Sequence[Model], ct: Volume, known: KnownLungs, update: Update, helper: Aid | None
) -> list[dict[str, float] | None]:
    """What each model takes of features: of lungs and voxels as those it was trained on had; None if there are none.

    Parameters
    ----------
    models : sequence of Model
    ct : Volume
        HU on the working grid.
    known : KnownLungs
        After `KnownLungs.start`.
    update, helper
        As of `extraction.lung_features`.
    """
    found: dict[tuple[str, float], dict[str, float] | None] = {}
    for model in models:
        key = known.method(model), model.spacing
        if model.takes_features and key not in found:
            lungs = known.of(model)
            found[key] = None
            if lungs is not None:
                found[key] = lung_features(*at_spacing(ct, lungs.array, model.spacing), update, helper)
    return [found[known.method(model), model.spacing] if model.takes_features else None for model in models]


def add_stability(
    verdicts: dict[str, Any],
    models: Sequence[Model],
    features: Sequence[Mapping[str, float] | None],
    ct: Volume,
    working: Volume,
    known: KnownLungs,
) -> list[str]:
    """Say of each task of models for unseen sites whether it is stable; see `stability.stability`.

    Parameters
    ----------
    verdicts : dict
        As `ensemble.judge_all` gives it; tasks get ``stability``.
    models : sequence of Model
    features : sequence of mapping or None
        Of each model.
    ct, working : Volume
        HU, as it was read and on the working grid.
    known : KnownLungs

    Returns
    -------
    list of str
        A warning for each verdict that is not.
    """
    warnings = []
    for number, model in enumerate(models):
        if not model.of_low_pass:
            continue
        others = [(f"lungs of the method {known.refine}", known.measured)] if known.method(model) else []
        lungs, own = known.of(model), features[number]
        if lungs is None or own is None:  # which no verdict is given of
            continue
        found = stability(model, ct, working, lungs, others, own)
        for name, one in found.items():
            verdicts["models"][number]["tasks"][name]["stability"] = one
            if name in verdicts["tasks"] and verdicts["tasks"][name].get("models", [number]) == [number]:
                verdicts["tasks"][name]["stability"] = one
            if not one["stable"]:
                title = verdicts["models"][number]["tasks"][name]["title"]
                warnings.append(f"{title}: not stable. The verdict moves by {moved_most(one)}; trust it the less.")
    return warnings
