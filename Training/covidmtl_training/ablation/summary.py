"""What the ablation study found, in sentences and tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ..utils import tables
from .effects import MEASURES, NOTHING, finding, measure, predictions_of, sentence, verdict
from .plan import Comparison, cells_of
from .runs import Study

SHORT = ("auc", "loss_mean", "epochs")
"""The measures that are said in short: what is reached, and how soon."""

CAPTIONS = {
    "fig_4": "Fig. 4: Shift3D in networks with one task and with three",
    "fig_9": "Fig. 9: three multitask losses, without and with Shift3D",
    "fig_10": "Fig. 10: transfer to severity, Shift3D kept and removed",
    "table_6": "Table 6: initial and refined lungs",
    "table_7": "Table 7: distribution of the shifts",
}

HOW_TO_READ = """\
- A difference is the mean over the seeds of what a change does, runs with the same seed being compared; in brackets is
  its 95 % interval by the paired t-test. "{nothing}" means that 0 is inside: there may be a difference, and
  these runs cannot tell.
- The interval is about other seeds on the same training and test cases, not about other patients, and takes
  differences to be normal, which so few cannot show. Of {intervals} intervals {shown} leave out 0; about {chance:.0f}
  would by chance alone if nothing made any difference.
- Test loss is the mean of the tasks' cross-entropies, whatever a network was trained with. Its mean over all epochs,
  the area under its curve, is small where a network learns soon and ends low; there, and in its changes, what is worse
  than guessing counts as guessing. With several tasks, AUC and accuracy are their mean. Both are of the network after
  the last epoch; nothing was chosen by the test cases.
"""


def summary(
    study: Study,
    comparisons: Sequence[Comparison],
    found: pd.DataFrame,
    compared: Mapping[str, pd.DataFrame],
    cases: int,
    epochs: int,
) -> str:
    """The study as Markdown.

    Parameters
    ----------
    study : Study
    comparisons : sequence of Comparison
    found : DataFrame
        Of `ablation_effects.effects`.
    compared : mapping
        Of `published`, by the table of the paper that is redone.
    cases : int
        Number of test cases.
    epochs : int
        Of a run, but for transfer.
    """
    seeds = study.config["seeds"]
    runs = len(cells_of(comparisons)) * len(seeds)
    parts = [
        "# Ablation\n",
        f"{runs} runs of {epochs} epochs on {study.stores['refined'].name}, seeds {', '.join(map(str, seeds))}; "
        f"{cases} test cases.\n",
        "## In short\n",
        in_short(found),
        "## How to read this\n",
        HOW_TO_READ.format(nothing=NOTHING, **_chance(found)),
    ]
    for figure, rows in found.groupby("figure", sort=False):
        parts += [f"## {CAPTIONS[figure]}\n", f"![{CAPTIONS[figure]}]({figure}.png)\n"]
        for (what, where), of_headline in rows[rows.headline].groupby(["what", "where"], sort=False):
            parts.append(f"{what[0].upper()}{what[1:]}, {where}:\n")
            parts.append("".join(f"- {sentence(row)}\n" for _, row in of_headline.iterrows()))
        parts.append(tables.markdown(to_read(rows)))
        if figure in compared:
            parts += ["Means over the seeds, in brackets the paper's:\n"]
            parts += [tables.markdown(published_to_read(compared[figure]))]
    return "\n".join(parts)


def in_short(found: pd.DataFrame) -> str:
    """A line for each headline."""
    lines = []
    for (what, where), rows in found[found.headline].groupby(["what", "where"], sort=False):
        said = "; ".join(sentence(row) for _, row in rows[rows.measure.isin(SHORT)].iterrows())
        lines.append(f"- **{what[0].upper()}{what[1:]}** ({where}, {_seeds(rows)}): {said}.\n")
    return "".join(lines)


def to_read(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each comparison, a column for each measure."""
    cells = found.assign(cell=[finding(row).split(":")[0] for _, row in found.iterrows()])
    titles = {name: one.title for name, one in MEASURES.items()}
    index = ["figure", "what", "where"]
    wide = cells.pivot_table("cell", index, "measure", aggfunc="first", sort=False)
    wide = wide.reindex(columns=[name for name in MEASURES if name in wide]).rename(columns=titles)
    paper = found[found.measure == "auc"].set_index(index).published
    return (wide.assign(paper=paper) if paper.notna().any() else wide).reset_index()


def published(study: Study, comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """The networks of comparisons, means over the seeds, beside the tables of the paper; see `tables.compare`."""
    reproduced: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for comparison in (one for one in comparisons if one.published is not None):
        [pair], [task] = comparison.pairs, comparison.tasks
        folders = [[study.folder(run) for run in study.runs(cell)] for cell in pair]
        found, cases = predictions_of([*folders[0], *folders[1]])
        count = len(folders[0])
        for (table, model), of_cell in zip(comparison.published, (found[:count], found[count:]), strict=True):
            measures = pd.DataFrame([measure(one, task, cases) for one in of_cell])
            reproduced[table][task][model] = measures.mean().to_dict()
    return pd.concat([tables.compare(table, found) for table, found in sorted(reproduced.items())], ignore_index=True)


def published_to_read(compared: pd.DataFrame) -> pd.DataFrame:
    """`published` with a row for each network, and the paper's numbers in brackets."""
    cells = [f"{ours:.3f} ({paper:.3f})" for ours, paper in compared[["reproduced", "published"]].to_numpy()]
    printed = compared.assign(cell=cells, table=compared.table.str.replace("table_", "Table "))
    index = ["table", "task", "model"]
    return printed.pivot_table("cell", index, "measure", aggfunc="first", sort=False).reset_index()


def _seeds(rows):
    count = rows.seeds.iloc[0]
    return f"{count} seeds" if count > 1 else "1 seed"


def _chance(found):
    known = found[found.low.notna()]
    shown = sum(verdict(row) != NOTHING for _, row in known.iterrows())
    return {"intervals": len(known), "shown": shown, "chance": 0.05 * len(known)}
