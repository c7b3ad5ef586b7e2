"""Evaluate any number of models on the same rows: all measures with intervals, every pair tested, and figures.

    python Training/evaluate.py --out FOLDER RF=predictions_RF.csv LGBM=predictions_LGBM.csv ...

See `covidmtl_training.evaluation.evaluate`.
"""

import sys

from covidmtl_training.evaluation.evaluate import main

if __name__ == "__main__":
    sys.exit(main())
