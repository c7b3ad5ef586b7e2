"""``python -m COVIDMTLLib`` is the command line ``covid-mtl``."""

import sys

from .cli.main import main

if __name__ == "__main__":
    sys.exit(main())
