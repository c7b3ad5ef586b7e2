"""Prepare cases for training: lung volumes and features in a store.

    python Training/prepare.py TABLE.csv --out STORE

See `covidmtl_training.data.prepare`.
"""

import sys

from covidmtl_training.data.prepare import main

if __name__ == "__main__":
    sys.exit(main())
