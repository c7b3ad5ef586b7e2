"""The whole cohort study, redone: the paper's tables and figures from the cohort tables, and what goes past them.

    python Training/study.py --cohort DIR --out FOLDER [--hog hog.csv.gz]

See `covidmtl_training.cohort_study.study`.
"""

import sys

from covidmtl_training.cohort_study.study import main

if __name__ == "__main__":
    sys.exit(main())
