"""Train the models features and features+labs on the cohort tables (the team's own models, beyond the paper).

    python Training/train_tabular.py --cohort DIR --out FOLDER

See `covidmtl_training.tabular.train_tabular`.
"""

import sys

from covidmtl_training.tabular.train_tabular import main

if __name__ == "__main__":
    sys.exit(main())
