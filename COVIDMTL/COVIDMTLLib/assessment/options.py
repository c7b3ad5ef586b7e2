"""What can be chosen of an assessment, whichever CT it is of."""

from __future__ import annotations

from dataclasses import dataclass

from ..models.store import DEFAULT_MODEL


@dataclass(frozen=True)
class AssessmentOptions:
    """How CTs are assessed; see `pipeline.assess`.

    Attributes
    ----------
    models : tuple of str
        Each the name of a shipped model, or the path of a model folder.
    refine : {"robust", "active-contour", "none"}, optional
    device : str
    grid : {"ct", "working"}
    prior : float, optional
        Probability of COVID-19 before the CT, above 0 and below 1.
    """

    models: tuple[str, ...] = (DEFAULT_MODEL,)
    refine: str | None = None
    device: str = "auto"
    grid: str = "ct"
    prior: float | None = None

    def to_arguments(self) -> list[str]:
        """The options of ``covid-mtl assess`` and ``covid-mtl cohort`` that say the same."""
        known = {"refine": self.refine, "device": self.device, "grid": self.grid, "prior": self.prior}
        # In one word with its option, a value may begin with a hyphen.
        words = [f"--model={model}" for model in self.models]
        return words + [f"--{name}={value}" for name, value in known.items() if value is not None]
