"""The patients and their lung features: Tables 1 and 5, Fig. 5 and 6 of the paper.

    python Training/analyse.py --cohort DIR --out FOLDER

See `covidmtl_training.cohort_study.analyse`.
"""

import sys

from covidmtl_training.cohort_study.analyse import main

if __name__ == "__main__":
    sys.exit(main())
