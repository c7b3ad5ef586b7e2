"""Train the model transportable on the cohort tables: few features, made to be read at a hospital that it has not seen.

    python Training/train_transportable.py --cohort DIR --out FOLDER

See `covidmtl_training.tabular.train_transportable`.
"""

import sys

from covidmtl_training.tabular.train_transportable import main

if __name__ == "__main__":
    sys.exit(main())
