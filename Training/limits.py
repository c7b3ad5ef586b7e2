"""Honest limits: how models do by hospital, sex and age, and what missing laboratory values give away.

    python Training/limits.py --cohort DIR --out FOLDER NAME=predictions.csv ...

See `covidmtl_training.evaluation.limits`.
"""

import sys

from covidmtl_training.evaluation.limits import main

if __name__ == "__main__":
    sys.exit(main())
