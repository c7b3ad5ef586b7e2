"""Lung features of one or two studies within the cohort (Fig. 8 of the paper).

    python Training/compare_studies.py --cohort DIR --out FOLDER STUDY [STUDY]

See `covidmtl_training.cohort_study.compare_studies`.
"""

import sys

from covidmtl_training.cohort_study.compare_studies import main

if __name__ == "__main__":
    sys.exit(main())
