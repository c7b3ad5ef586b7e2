"""Which series of a study is the chest CT to read, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ...utils.errors import InputError
from ..ct_checks import MAX_SLICE_THICKNESS, MIN_SLICES
from .stacks import SECONDARY_CAPTURE, Stack, same_pixels

CHEST = re.compile(r"chest|thora|lung|pulmo|torax|brust", re.IGNORECASE)
OTHER_PARTS = re.compile(r"head|brain|skull|neck|abdom|pelv|spine|knee|foot|hand|schädel|kopf|becken", re.IGNORECASE)

WHOLE_CHEST = 250.0
"""mm along the body, beyond which more of it is not more of the chest."""

SHARP = re.compile(r"lung|bone|edge|sharp|^[BHI][a-z]?([5-9]\d)|^FC(0?[3-9]\d)|^(L|YC|YD|YE|E)$", re.IGNORECASE)
"""Names of convolution kernels that sharpen, whose noise moves densities."""

SCREENS = ("SCREEN SAVE", "DOSE_INFO", "SCREENSHOT")
PROJECTIONS = ("MIP", "MINIP", "PROJECTION IMAGE", "MAX_IP", "MIN_IP")

SHARED = 0.8
"""Share of the range of one stack that another has to cover to be taken in its place."""

CHEST_BY_HEADER = "it is of the chest by its header"
NO_OTHER_PART = "it is of no other part of the body by its header"

REASONS = (
    "its slices are axial",
    CHEST_BY_HEADER,
    "it covers more of the body",
    "it is original and not derived",
    f"its slices are at most {MAX_SLICE_THICKNESS:g} mm apart",
    "its kernel is not a sharp one",
    "its slices are closer to each other",
    "it has more slices",
)
"""What each part of `_rank` says for a stack."""


@dataclass(frozen=True)
class Choice:
    """A stack of a study that is read, and why.

    Attributes
    ----------
    taken : Stack
    reason : str
        Why it was taken: a clause.
    others : list of (Stack, str)
        The other stacks, each with a clause that says why it was not.
    rivals : int
        How many of the others might have been taken, or are more of the same series.
    """

    taken: Stack
    reason: str
    others: list[tuple[Stack, str]]
    rivals: int

    @property
    def warnings(self) -> list[str]:
        """What a reader of results should know of the choice; without anything that a person wrote into a header."""
        if not self.rivals:
            return []
        names = ", ".join(f"{one.name} ({reason})" for one, reason in self.others)
        return [f"Of several series, {self.taken.name} was read, as {self.reason}; not read: {names}."]


def choose(stacks: Sequence[Stack], name: str, series: str | None = None) -> Choice:
    """Choose the chest CT among the stacks of a study.

    Parameters
    ----------
    stacks : sequence of Stack
        Not empty.
    name : str
        What to call the study in a sentence.
    series : str, optional
        Name of the stack, or SeriesInstanceUID of several, of which one is then chosen.

    Raises
    ------
    InputError
        If there is no such series, or several that would do equally well.
    """
    asked = [one for one in stacks if series is None or series in (one.name, one.first.series)]
    if not asked:
        raise InputError(f"The study {name} has no series {series}; it has: {listing(stacks)}.")
    unfit = {one: reason for one in asked if (reason := why_unfit(one))}
    fit = [one for one in asked if one not in unfit]
    others = [(one, "another series was asked for") for one in stacks if one not in asked] + list(unfit.items())
    if not fit:  # the largest CT, of which there is then something to be said
        taken = max(asked, key=lambda one: (one.first.modality == "CT", len(one.slices)))
        return Choice(taken, "there is no better one", [pair for pair in others if pair[0] is not taken], 0)
    ranked = sorted(fit, key=_rank, reverse=True)
    best = next((one for one in ranked if one.problem is None and _covers(one, ranked[0])), ranked[0])
    copies: list[Stack] = []
    rivals: list[Stack] = []
    for one in ranked:
        if one is not best:
            equal = _rank(one) == _rank(best) and one.problem == best.problem
            (copies if equal and same_pixels(one, best) else rivals).append(one)
    tied = [one for one in rivals if _rank(one) == _rank(best) and (one.problem is None) == (best.problem is None)]
    if tied:
        even = sorted([best, *tied], key=stacks.index)
        raise InputError(
            f"The study {name} holds {len(even)} series that would do as well; choose one with --series, or in the "
            f"column series of a table of cases: {listing(even)}."
        )
    others += [(one, "a copy") for one in copies] + [(one, _why_not(one, best)) for one in rivals]
    if not rivals:
        reason = "it was asked for" if series is not None else "it is the only one that may be a chest CT"
    else:
        reason = _reason(best, rivals[0])
    more = [one for one in unfit if one.first.series == best.first.series and _is_more(one, best)]
    return Choice(best, reason, others, len(rivals) + len(more))


def why_unfit(stack: Stack) -> str | None:
    """Why a stack can be no chest CT that is to be assessed: a clause; None if it may be one."""
    if len(stack.slices) >= MIN_SLICES:
        return _why_no_slices(stack)
    return _why_no_slices(stack) or f"it has {len(stack.slices)} slice{'s' if len(stack.slices) > 1 else ''} only"


def _why_no_slices(stack: Stack) -> str | None:
    """Why a stack is none of CT slices, however many: a clause; None if it is one."""
    first = stack.first
    if first.modality != "CT":
        return f"its modality is {first.modality}"
    if stack.is_localizer:
        return "it is a localizer"
    if first.sop_class.startswith(SECONDARY_CAPTURE) or any(one in SCREENS for one in first.image_type):
        return "it is a secondary capture"
    if any(kind in PROJECTIONS for kind in first.image_type):
        return "it is a projection"
    return None


def listing(stacks: Sequence[Stack]) -> str:
    """Stacks in a sentence, with descriptions."""
    return "; ".join(
        f"{one.name or 'without a UID'} ({one.first.description or 'no description'}, {len(one.slices)} slices)"
        for one in stacks
    )


def _rank(stack: Stack) -> tuple:
    first = stack.first
    low, high = stack.range
    normal = abs(first.normal) if first.placed else (0, 0, 0)
    text = f"{first.body_part} {first.description}"
    part = 1 if CHEST.search(text) else -1 if OTHER_PARTS.search(text) else 0
    return (
        normal[2] >= max(normal[:2]),
        part,
        int(min(high - low, WHOLE_CHEST) // 25),
        "DERIVED" not in first.image_type,
        stack.spacing <= MAX_SLICE_THICKNESS + 0.05,
        not SHARP.search(first.kernel),
        -round(stack.spacing, 1),
        len(stack.slices),
    )


def _reason(best: Stack, other: Stack) -> str:
    for mine, its, reason in zip(_rank(best), _rank(other), REASONS, strict=True):
        if mine > its:
            return NO_OTHER_PART if mine == 0 and reason == CHEST_BY_HEADER else reason
        if mine < its:
            break
    return "it is the only whole one"


def _why_not(one: Stack, best: Stack) -> str:
    if one.problem is not None and best.problem is None:
        return "it is not whole"
    return f"of the one taken, {_reason(best, one)}"


def _is_more(one: Stack, other: Stack) -> bool:
    """Whether a stack of few slices is of the same kind as another, as of a breath-hold of its own."""
    return _why_no_slices(one) is None and _parallel(one, other)


def _parallel(one: Stack, other: Stack) -> bool:
    return one.first.placed and other.first.placed and abs(one.first.normal @ other.first.normal) > 0.99


def _covers(one: Stack, other: Stack) -> bool:
    """Whether a stack lies where another does, which is of no use."""
    if one is other:
        return True
    (low, high), (bottom, top) = one.range, other.range
    return _parallel(one, other) and min(high, top) - max(low, bottom) >= SHARED * (top - bottom)
