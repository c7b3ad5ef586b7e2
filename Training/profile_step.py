"""Show where the time of a training step goes.

    python Training/profile_step.py STORE --out FOLDER [--config FILE] [--set KEY=VALUE ...] [--steps 20]

See `covidmtl_training.profiling.profile_step`.
"""

import sys

from covidmtl_training.profiling.profile_step import main

if __name__ == "__main__":
    sys.exit(main())
