"""Who the phantoms are: the three labels of each, and the opacities that they come from.

A case is drawn in two steps. Its state is drawn with the shares of the real cohort; then the kind, amount and place
of its opacities are drawn from the distributions of that state. Those overlap, so that the image decides on most
labels and not on all: as in the cohort, many patients have a positive CT and a negative nucleic acid test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd
from COVIDMTLLib.utils.errors import InputError

LOWEST, HIGHEST = 0.004, 0.75
"""Limits of the share of the lungs that opacities take; enough air is left for thresholding to find lungs at all."""


@dataclass(frozen=True)
class State:
    """A group of patients.

    Attributes
    ----------
    patients : int
        How many of the cohort's 1329 are of it (the joint distribution behind Table 1 of the paper).
    covid_ct, covid_nat, severity : int
        Its labels.
    kinds : mapping
        Shares of the kinds of opacities: ``none``; ``viral``, mostly ground glass at the periphery of both lungs; and
        ``bacterial``, mostly consolidation in one lobe.
    amount, spread : float
        Median share of the lungs that viral opacities take, and standard deviation of its logarithm.
    dense : float
        Median share of consolidation in viral opacities.
    """

    patients: int
    covid_ct: int
    covid_nat: int
    severity: int
    kinds: Mapping[str, float]
    amount: float
    spread: float
    dense: float


STATES = MappingProxyType(
    {
        "control": State(309, 0, 0, 0, {"none": 0.5, "bacterial": 0.44, "viral": 0.06}, 0.04, 0.6, 0.05),
        "suspected": State(259, 1, 0, 0, {"viral": 0.96, "bacterial": 0.04}, 0.08, 0.6, 0.08),
        "mild": State(22, 0, 1, 1, {"none": 0.6, "viral": 0.4}, 0.02, 0.5, 0.05),
        "regular": State(540, 1, 1, 1, {"viral": 0.98, "bacterial": 0.02}, 0.12, 0.45, 0.12),
        "severe": State(199, 1, 1, 2, {"viral": 1.0}, 0.38, 0.32, 0.3),
    }
)
"""Severe includes the critically ill. Mild is, by its definition, without pneumonia in the CT."""

BACTERIAL = {"amount": 0.1, "spread": 0.6, "dense": 0.75}
"""As `State` has them of viral opacities, for any state."""

DENSE_SPREAD = 0.6
"""Standard deviation of the logit of the share of consolidation."""

LEAN = 0.5
"""Standard deviation of how much viral opacities prefer one lung."""


@dataclass(frozen=True)
class Truth:
    """What is true of one case; everything but its name and split.

    Attributes
    ----------
    covid_ct, covid_nat, severity : int
        Class numbers.
    state, kind : str
        See `State`.
    ground_glass, consolidation : float
        Shares of the lungs.
    lean : float
        See `COVIDMTLLib.phantom.thorax`.
    size : float
        Of the patient, 1 for an adult.
    offset_x, offset_y, offset_z : float
        Where the middle of the scan lies beside that of the patient, mm.
    anatomy : int
        Seed of the thorax.
    """

    covid_ct: int
    covid_nat: int
    severity: int
    state: str
    kind: str
    ground_glass: float
    consolidation: float
    lean: float
    size: float
    offset_x: float
    offset_y: float
    offset_z: float
    anatomy: int


def draw(seed: int, index: int) -> Truth:
    """Draw a case; it depends on the seed and its index alone."""
    rng = np.random.default_rng([seed, index])
    shares = np.array([state.patients for state in STATES.values()], float)
    name = str(rng.choice(list(STATES), p=shares / shares.sum()))
    state = STATES[name]
    kind = str(rng.choice(list(state.kinds), p=list(state.kinds.values())))
    ground_glass, consolidation = _amounts(rng, state, kind)
    size = rng.uniform(0.85, 1.1)
    return Truth(
        state.covid_ct,
        state.covid_nat,
        state.severity,
        name,
        kind,
        ground_glass,
        consolidation,
        lean=_rounded(rng.normal(0, LEAN)) if kind == "viral" else 0.0,
        size=_rounded(size),
        offset_x=_rounded(rng.uniform(-20, 20) * size),
        offset_y=_rounded(rng.uniform(-20, 20) * size),
        offset_z=_rounded(rng.uniform(-20, 5) * size),
        anatomy=int(rng.integers(2**31)),
    )


def draw_cases(count: int, seed: int = 0, test_share: float = 0.3) -> pd.DataFrame:
    """The table of a cohort.

    Returns
    -------
    DataFrame
        A row a case: ``case``, its name; ``split``, ``train`` or ``test``, in the same shares for both results of the
        nucleic acid test; and the fields of `Truth`. More cases do not change those that were there before.

    Raises
    ------
    InputError
        For no cases, a negative seed, or a share outside 0..1.
    """
    if count < 1:
        raise InputError(f"A cohort needs at least one case, not {count}.")
    if seed < 0:
        raise InputError(f"A seed must be 0 or more, not {seed}.")
    if not 0 <= test_share < 1:
        raise InputError(f"The share of test cases must be 0 or more and below 1, not {test_share}.")
    table = pd.DataFrame([asdict(draw(seed, index)) for index in range(count)])
    table.insert(0, "case", [f"phantom-{index:05d}" for index in range(count)])
    # Of each class every third or so, which needs no look at the cases to come; their order is random anyway.
    place = table.groupby("covid_nat").cumcount()
    test = np.floor((place + 1) * test_share) > np.floor(place * test_share)
    table.insert(4, "split", np.where(test, "test", "train"))
    return table


def _amounts(rng: np.random.Generator, state: State, kind: str) -> tuple[float, float]:
    """Shares of ground glass and of consolidation."""
    if kind == "none":
        return 0.0, 0.0
    found = BACTERIAL if kind == "bacterial" else {"amount": state.amount, "spread": state.spread, "dense": state.dense}
    total = np.clip(rng.lognormal(np.log(found["amount"]), found["spread"]), LOWEST, HIGHEST)
    odds = found["dense"] / (1 - found["dense"]) * rng.lognormal(0, DENSE_SPREAD)
    dense = odds / (1 + odds)
    return tuple(_rounded(min(0.5, total * share)) for share in (1 - dense, dense))


def _rounded(value: float) -> float:
    """As the table shows it, so that a case can be made again from the table."""
    return round(float(value), 4)
