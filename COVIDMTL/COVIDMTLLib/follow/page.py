"""The page of a follow-up: one self-contained HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ..opacities.measures import HEIGHTS
from ..reports.figures import Picture
from ..reports.opacity_figures import COLOURS, zone_map
from ..utils.plot_style import default_style
from ..utils.version import RESEARCH_USE_ONLY, __version__
from .change import MEASURES, SIDES
from .pictures import curve, same_places
from .registration import Registration
from .scans import Scan
from .wording import BY_KEY, SHOWN, arrow_of, number, style_of, unit

TEMPLATE = "follow.html.jinja"

CURVES = {
    "Opacities, % of the lung": {side: f"{side}_opacity_share" for side in SIDES},
    "High opacity, above -200 HU, % of the lung": {side: f"{side}_high_opacity_share" for side in SIDES},
    "Sum of zone scores": {"both": "score"},
    "Lung volume, ml": {side: f"{side}_lung_ml" for side in SIDES},
}


@default_style()
def write_page(
    result: Mapping[str, Any], scans: Sequence[Scan], registrations: Sequence[Registration], path: Path
) -> None:
    """Write the page of a follow-up as HTML, with pictures and style in it.

    Parameters
    ----------
    result : mapping
        What ``follow.json`` holds.
    scans : sequence of Scan
    registrations : sequence of Registration
        Of each CT but the first to the first.
    path : Path
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    environment.filters |= {"number": number, "unit": unit, "style": style_of, "arrow": arrow_of}
    labels = [f"CT {place}" for place in range(1, len(scans) + 1)]
    dates = [_date(scan.given.made, scans) for scan in scans]
    page = environment.get_template(TEMPLATE).render(
        result=result,
        labels=labels,
        dates=dates,
        measures=[one for one in MEASURES if one.key.startswith(tuple(SIDES))],
        score=BY_KEY["score"],
        shown=[BY_KEY[key] for key in SHOWN],
        zones=[
            (f"{height.capitalize()} {side}", BY_KEY[f"{height}_{side}_share"])
            for side in SIDES
            for height in HEIGHTS
            if side != "both"
        ],
        curves=_curves(scans, dates, labels),
        places=same_places(scans, registrations, labels),
        maps=[_named(zone_map(scan.lungs, scan.measures), label) for scan, label in zip(scans, labels, strict=True)],
        colours=dict(zip(("glass", "dense"), COLOURS.values(), strict=True)),
        research_use_only=RESEARCH_USE_ONLY,
        version=__version__,
        date=datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
    )
    path.write_text(page, encoding="utf-8")


def _date(made: datetime | None, scans: Sequence[Scan]) -> str:
    """The date of a CT in words; with the time where there are several CTs of one day."""
    if made is None:
        return ""
    same_day = [one.given.made for one in scans if one.given.made and one.given.made.date() == made.date()]
    return made.strftime("%d %b %Y, %H:%M" if len(same_day) > 1 else "%d %b %Y")


def _curves(scans: Sequence[Scan], dates: Sequence[str], labels: Sequence[str]) -> list[dict[str, str]]:
    made = [scan.given.made for scan in scans if scan.given.made is not None]
    if len(made) == len(scans) and made[-1] > made[0]:
        at = [(one - made[0]).total_seconds() / 86400 for one in made]
        ticks = [f"{label}\n{date}".replace(", ", "\n") for label, date in zip(labels, dates, strict=True)]
    else:
        at, ticks = list(map(float, range(len(scans)))), list(labels)
    return [
        {"title": title, "picture": curve(scans, shown, title.rpartition(", ")[2], at, ticks)}
        for title, shown in CURVES.items()
    ]


def _named(picture: Picture | None, label: str) -> Picture:
    assert picture is not None, "`measure` finds lungs in each CT, or raises"
    return Picture(f"{label}: zones as seen from the front", picture.url, picture.aspect)
