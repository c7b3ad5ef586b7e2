"""The lungs that models know: found as those of their training were, beside the ones that are measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import segmentation
from .aid import Aid
from .errors import ImplausibleCT
from .features import lung_features
from .lung_volume import at_spacing
from .model import Model
from .robust.chest import Chest
from .stability import moved_most, stability
from .volume import Volume


@dataclass
class KnownLungs:
    """Lungs by the methods that models name.

    Attributes
    ----------
    measured : Volume
        The lungs that are measured, on the working grid.
    refine : str or None
        How these were found; None if they were given, and are then taken for all models.
    methods : list of str
        Those that models name.
    found : dict
        By method; None where one finds none.
    """

    measured: Volume
    refine: str | None
    methods: list[str]
    found: dict[str, Volume | None] = field(default_factory=dict)

    def find(self, ct: Volume, name: str, chest: Chest | None = None) -> None:
        """Find the lungs by each method that is not that of the measured ones; see `segmentation.segment`."""
        for method in self.methods:
            try:
                self.found[method] = segmentation.segment(ct, method, name=name, chest=chest)
            except ImplausibleCT:  # of a CT whose lungs another method has found
                self.found[method] = None

    def method(self, model: Model) -> str:
        """The method whose lungs a model gets; empty for those that are measured."""
        return model.card["lungs"] if model.card.get("lungs") in self.methods else ""

    def name(self, model: Model) -> str:
        """How the lungs that a model gets were found: a method, or ``given``."""
        return self.method(model) or self.refine or "given"

    def of(self, model: Model) -> Volume | None:
        """The lungs that a model gets; None if its method finds none."""
        return self.found[self.method(model)] if self.method(model) else self.measured


def lungs_of_models(models: Sequence[Model], measured: Volume, refine: str | None) -> KnownLungs:
    """What lungs models are to get; see `KnownLungs`."""
    named = dict.fromkeys(model.card["lungs"] for model in models if model.takes_features and "lungs" in model.card)
    return KnownLungs(measured, refine, [one for one in named if refine is not None and one != refine])


def features_of(
    models: Sequence[Model], ct: Volume, known: KnownLungs, update, helper: Aid | None
) -> list[dict[str, float] | None]:
    """What each model takes of features: of lungs and voxels as those it was trained on had; None if there are none.

    Parameters
    ----------
    models : sequence of Model
    ct : Volume
        HU on the working grid.
    known : KnownLungs
        After `KnownLungs.find`.
    update, helper
        As of `features.lung_features`.
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
        As `ensembles.judge_all` gives it; tasks get ``stability``.
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
        found = stability(model, ct, working, known.of(model), others, features[number])
        for name, one in found.items():
            verdicts["models"][number]["tasks"][name]["stability"] = one
            if name in verdicts["tasks"] and verdicts["tasks"][name].get("models", [number]) == [number]:
                verdicts["tasks"][name]["stability"] = one
            if not one["stable"]:
                title = verdicts["models"][number]["tasks"][name]["title"]
                warnings.append(f"{title}: not stable. The verdict moves by {moved_most(one)}; trust it the less.")
    return warnings
