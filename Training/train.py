"""Train a network on volumes, or volumes and features: COVID-MTL by the paper's recipe, or any other.

    python Training/train.py STORE --out RUN [--config FILE] [--set KEY=VALUE ...] [--fold 1/5]

See `covidmtl_training.engine.train`.
"""

import sys

from covidmtl_training.engine.train import main

if __name__ == "__main__":
    sys.exit(main())
