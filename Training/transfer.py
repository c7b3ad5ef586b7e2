"""Transfer a trained network to other tasks (section 5.4): new heads on layers that stay as they are.

    python Training/transfer.py RUN/last STORE --out RUN2 --tasks severity

See `covidmtl_training.engine.transfer`.
"""

import sys

from covidmtl_training.engine.transfer import main

if __name__ == "__main__":
    sys.exit(main())
