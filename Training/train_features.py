"""Train the features-only multitask network of the paper (section 7, Table 8) on the cohort tables.

    python Training/train_features.py --cohort DIR --out MODEL_FOLDER

See `covidmtl_training.tabular.train_features`.
"""

import sys

from covidmtl_training.tabular.train_features import main

if __name__ == "__main__":
    sys.exit(main())
