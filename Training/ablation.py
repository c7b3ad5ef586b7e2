"""The ablation study of the paper on any store: what Shift3D, the losses, transfer and refined lungs change.

    python Training/ablation.py --store STORE --initial-store STORE2 --out FOLDER --jobs 2

See `covidmtl_training.ablation.study`.
"""

import sys

from covidmtl_training.ablation.study import main

if __name__ == "__main__":
    sys.exit(main())
