"""From nothing to a tested network: phantoms are made and prepared, COVID-MTL is trained on them and evaluated.

    python Training/phantom_study.py --out FOLDER [--jobs 2]

It shows that everything works together, on a CPU in half an hour; what comes out knows phantoms, and no patients. The
same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from COVIDMTLLib.utils.errors import InputError

from ..data.case_table import read_case_table
from ..data.prepare import Settings, prepare
from ..data.store import open_store
from ..engine.fit import fit
from ..evaluation.evaluate import Evaluation, evaluate
from ..recipes.recipe import read_recipe
from ..utils import tables
from .cohort import make_cohort

RECIPE = Path(__file__).parents[2] / "recipes" / "phantoms.yaml"


def phantom_study(
    out: Path,
    cases: int = 400,
    seed: int = 0,
    jobs: int = 1,
    config: Path = RECIPE,
    overrides: Sequence[str] = (),
    device: str = "auto",
) -> Evaluation:
    """Make phantoms, train on seven tenths of them and evaluate on the others.

    Parameters
    ----------
    out : Path
        Folder for ``cohort``, ``store``, ``run`` and ``evaluation``.
    cases, seed, jobs
        See `phantoms.make_cohort`.
    config, overrides
        See `recipe.read_recipe`; box and spacing of the recipe are those of the cohort.
    device : str
        See `fit.fit`.

    Returns
    -------
    Evaluation
        Of the last model on the test cases.

    Raises
    ------
    InputError
        As the steps do.
    """
    recipe = read_recipe(config, overrides)
    box, spacing = recipe["input"]["box"], recipe["input"]["spacing"]
    _timed("Phantoms", make_cohort, out / "cohort", cases, spacing=spacing, seed=seed, jobs=jobs)
    settings = Settings(tuple(box), spacing)
    failed = _timed("Store", prepare, read_case_table(out / "cohort" / "cases.csv"), out / "store", settings, jobs)
    for case, reason in failed:
        print(f"{case} is left out: {reason}", file=sys.stderr)
    _timed("Training", fit, open_store(out / "store"), recipe, out / "run", device=device)
    return evaluate({"COVID-MTL": out / "run" / "predictions.csv"}, out / "evaluation")


def _timed(title: str, step: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    start = time.monotonic()
    found = step(*arguments, **options)
    print(f"{title}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for everything")
    parser.add_argument("--cases", type=int, default=400, help="how many phantoms (default: 400)")
    parser.add_argument("--seed", type=int, default=0, help="of the phantoms (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that make and prepare phantoms (default: 1)")
    parser.add_argument("--config", type=Path, default=RECIPE, help="recipe (default: phantoms.yaml)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the recipe")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    given = options.out, options.cases, options.seed, options.jobs, options.config, options.set, options.device
    try:
        found = phantom_study(*given)
    except InputError as error:
        print(f"phantom_study: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("phantom_study: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    print(tables.markdown(tables.with_intervals(found.measures)), end="")
    return 0
