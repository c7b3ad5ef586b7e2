"""What `covid-mtl calibrate` gives a hospital: simulated with each of the cohort's, by local cases drawn from it.

See `covidmtl_training.tabular.simulate_calibration`.
"""

import sys

from covidmtl_training.tabular.simulate_calibration import main

if __name__ == "__main__":
    sys.exit(main())
