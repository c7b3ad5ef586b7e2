"""The report: one self-contained HTML page that is read in a minute."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..features.names import in_words
from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import WORKING_SPACING
from ..models import out_of_distribution
from ..patient.laboratory import LABORATORY, LabValue
from ..prediction import likelihood_ratio
from ..prediction.stability import moved_most
from ..prediction.verdicts import in_words as in_words_of_verdict
from ..utils.plot_style import default_style
from ..utils.version import RESEARCH_USE_ONLY, __version__
from .cohort_densities import LUNGS as LUNGS_OF_COHORT
from .cohort_densities import patients as patients_of_cohort
from .figures import COLOURS, attention_pictures, three_planes
from .opacity_figures import COLOURS as OPACITY_COLOURS
from .opacity_figures import density_histogram, opacity_pictures, zone_map
from .reasons import reasons

if TYPE_CHECKING:
    from ..results.assessment import Assessment

TEMPLATE = "report.html.jinja"


@default_style()
def write_report(assessment: Assessment, path: str | Path) -> None:
    """Write the report of an assessment as HTML, with pictures and style inside the page."""
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    comparable = _comparable_with_cohort(assessment)
    environment.filters |= {"said": in_words_of_verdict, "sentences": likelihood_ratio.in_words, "moved": moved_most}
    page = environment.get_template(TEMPLATE).render(
        result=assessment.result,
        cards=[model.card for model in assessment.models],
        patient=_patient_shown(assessment.result["patient"]),
        reasons=reasons(assessment.result["tasks"]),
        planes=three_planes(assessment.ct, assessment.lungs, assessment.boundary.labels),
        opacity_slices=opacity_pictures(assessment.ct, assessment.lungs, assessment.opacities),
        zone_map=zone_map(assessment.lungs, assessment.result["opacities"]),
        densities=density_histogram(
            assessment.ct,
            assessment.lungs,
            assessment.opacities,
            assessment.result["opacities"]["healthy_hu"],
            comparable,
        ),
        cohort=patients_of_cohort() if comparable else None,
        opacity_colours=dict(zip(("glass", "dense"), OPACITY_COLOURS.values(), strict=True)),
        attention={
            task: attention_pictures(assessment.ct, assessment.lungs, assessment.boundary.labels, volume)
            for task, volume in assessment.attention.items()
        },
        unusual=_features_that_stand_out(assessment),
        colours={"right": COLOURS[RIGHT], "left": COLOURS[LEFT]},
        research_use_only=RESEARCH_USE_ONLY,
        version=__version__,
        date=datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
    )
    Path(path).write_text(page, encoding="utf-8")


def _comparable_with_cohort(assessment: Assessment) -> dict[str, float]:
    """The features if they are of lungs and voxels as those of the cohort; none otherwise."""
    same_lungs = assessment.result["features_of"] == LUNGS_OF_COHORT
    same_voxels = all(one.spacing == WORKING_SPACING for one in assessment.models if one.takes_features)
    return assessment.features if same_lungs and same_voxels else {}


def _patient_shown(patient: dict[str, Any]) -> dict[str, Any] | None:
    """Age and sex in words, and each laboratory value beside its normal range; None if nothing is known."""
    age = [] if patient["age"] is None else [f"{patient['age']:g} years"]
    words = ", ".join([*age, *filter(None, [patient["sex"]])])
    labs = [_lab_shown(LABORATORY[name], value) for name, value in patient["labs"].items()]
    return {"words": words, "labs": labs} if words or labs else None


def _lab_shown(lab: LabValue, value: float) -> dict[str, str]:
    if lab.normal_low is None:
        normal = f"< {lab.normal_high:g}"
    else:
        normal = f"{lab.normal_low:g} to {lab.normal_high:g}"
    shown = f"{value:.6g} {lab.unit}".strip()
    return {"name": lab.name, "title": lab.title, "value": shown, "normal": normal, "side": lab.side(value)}


def _features_that_stand_out(assessment: Assessment) -> dict[str, Any] | None:
    """The features of a CT beside those of the training cases of the first model that takes features, if one does."""
    numbered = ((number, model) for number, model in enumerate(assessment.models) if model.takes_features)
    number, model = next(numbered, (None, None))
    if model is None:
        return None
    distribution = model.card["training_distribution"]
    found = out_of_distribution.standing_out(assessment.features, model.features, distribution)
    return {
        "features": [_shown(feature) for feature in found],
        "cases": distribution["cases"],
        "number": len(model.features),
        "range": assessment.result["models"][number]["training_range"],
    }


def _shown(feature: dict[str, Any]) -> dict[str, Any]:
    words, family = in_words(feature["name"])
    lowest, highest = feature["quantiles"][0], feature["quantiles"][-1]
    percentile = feature["percentile"]
    if feature["value"] < lowest or feature["value"] > highest:
        rank = "below all" if feature["value"] < lowest else "above all"
    elif 1 <= percentile <= 99:
        rank = f"percentile {percentile:.0f}"
    else:
        rank = "below 99 %" if percentile < 1 else "above 99 %"
    return feature | {"words": words, "family": family, "rank": rank, "axis": _axis(feature)}


def _axis(feature: dict[str, Any]) -> dict[str, float]:
    """Where to draw a feature, in % of a track from below the 5th to beyond the 95th percentile.

    The track is three times as wide as the range of the middle 90 %; values beyond stick to its end.
    """
    at = dict(zip(out_of_distribution.QUANTILES, feature["quantiles"], strict=True))
    width = 3 * (at[0.95] - at[0.05])
    start = (at[0.95] + at[0.05]) / 2 - width / 2

    def position(value: float) -> float:
        return round(min(max((value - start) / width, 0), 1) * 100, 1)

    return {
        "low": position(at[0.05]),
        "high": position(at[0.95]),
        "middle": position(at[0.5]),
        "case": position(feature["value"]),
    }
