"""Train a network on volumes, or volumes and features: COVID-MTL by the paper's recipe, or any other.

    python Training/train.py STORE --out RUN [--config FILE] [--set KEY=VALUE ...] [--fold 1/5]
    torchrun --nproc-per-node 2 Training/train.py STORE --out RUN      # a process for each GPU

STORE is what ``prepare.py`` made. A run that was stopped, or killed, goes on with the same command and ends with the
weights that it would have had. ``RUN/last`` is then a model for ``covid-mtl assess --model`` and the panel, and so is
``RUN/best`` if there are validation rows; ``tensorboard --logdir RUN`` shows the curves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from COVIDMTLLib.utils.errors import InputError

from ..data.store import open_store
from ..recipes.recipe import PAPER, read_recipe


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="folder of prepared cases")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run")
    parser.add_argument("--config", type=Path, default=PAPER, help="recipe (default: the paper's)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the recipe")
    parser.add_argument("--fold", type=_fold, metavar="K/N", help="hold out fold K of N of the training cases")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    try:
        store = open_store(options.store)
        recipe = read_recipe(options.config, options.set)
        from .fit import Fold, fit  # takes seconds to import, which no typing error should cost

        fit(store, recipe, options.out, fold=options.fold and Fold(*options.fold), device=options.device)
    except InputError as error:
        print(f"train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train: stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _fold(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdigit() and of.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is no fold, such as 1/5")
    return int(number), int(of)
