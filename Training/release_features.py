"""Write what the paper's release scaled its features by, and how they are distributed in its cohort.

    python Training/release_features.py --cohort DIR

See `covidmtl_training.cohort.release_features`.
"""

import sys

from covidmtl_training.cohort.release_features import main

if __name__ == "__main__":
    sys.exit(main())
