"""The machine-learning models of the paper: RF and LGBM in Tables 3, 4 and 9, features-mtl in Table 8.

    python Training/baselines.py --cohort DIR --out FOLDER [--hog hog.csv.gz]

See `covidmtl_training.cohort_study.baselines`.
"""

import sys

from covidmtl_training.cohort_study.baselines import main

if __name__ == "__main__":
    sys.exit(main())
