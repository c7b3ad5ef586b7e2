"""Make the atlas of the segmentation method robust from synthetic thoraxes, which no patient has lent anything.

See `covidmtl_training.phantoms.lung_atlas`.
"""

import sys

from covidmtl_training.phantoms.lung_atlas import main

if __name__ == "__main__":
    sys.exit(main())
