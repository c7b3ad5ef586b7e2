"""From nothing to a tested network: phantoms are made and prepared, COVID-MTL is trained on them and evaluated.

    python Training/phantom_study.py --out FOLDER [--jobs 2]

See `covidmtl_training.phantoms.study`.
"""

import sys

from covidmtl_training.phantoms.study import main

if __name__ == "__main__":
    sys.exit(main())
