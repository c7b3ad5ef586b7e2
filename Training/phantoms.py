"""Make a cohort of synthetic thoraxes with the three labels, to try training and evaluation on.

    python Training/phantoms.py --out DIR --cases 300 --spacing 5 --jobs 2

See `covidmtl_training.phantoms.cohort`.
"""

import sys

from covidmtl_training.phantoms.cohort import main

if __name__ == "__main__":
    sys.exit(main())
