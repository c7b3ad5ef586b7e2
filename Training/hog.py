"""HOG features of lung volumes, which the paper compares its 375 features with (section 7, Table 9).

    python Training/hog.py --cts FOLDER [--lungs FOLDER] --out hog.csv.gz

See `covidmtl_training.cohort_study.hog`.
"""

import sys

from covidmtl_training.cohort_study.hog import main

if __name__ == "__main__":
    sys.exit(main())
