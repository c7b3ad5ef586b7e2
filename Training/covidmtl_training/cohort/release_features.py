"""Write what the paper's release scaled its features by, and how they are distributed in its cohort.

    python Training/release_features.py --cohort DIR

The networks that the paper's authors published saw features scaled to 0..1 by the minimum and maximum of all 1329
cases, the test cases among them, and no checkpoint holds these. ``covid-mtl model import`` reads them from the file
that this makes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models import out_of_distribution
from COVIDMTLLib.models.checkpoint_import import RELEASE_FEATURES
from COVIDMTLLib.models.feature_scaling import fit_min_max
from COVIDMTLLib.utils.atomic_files import staged_file
from COVIDMTLLib.utils.errors import InputError

from . import cohort


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, default=RELEASE_FEATURES, help="file to write (default: the shipped one)")
    options = parser.parse_args()
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        values = cohort.load(options.cohort).features
        content = {
            "features": list(FEATURE_NAMES),
            "scaling": fit_min_max(values),
            "training_distribution": out_of_distribution.describe(values),
        }
        with staged_file(options.out) as staged:
            staged.write_text(json.dumps(content) + "\n", encoding="utf-8")
    except InputError as error:
        print(f"release_features: {error}", file=sys.stderr)
        return 2
    return 0
