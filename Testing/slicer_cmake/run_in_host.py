"""Load a scripted module in the stand-in for Slicer and open its panel, or run its unit tests; exit code 1 on errors.

Usage: python run_in_host.py --open|--unittest MODULE.py
"""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from slicer_host import start


def main(what: str, path: str) -> int:
    host = start()
    module = host.load_module(path)
    if what == "--unittest":
        suite = unittest.defaultTestLoader.loadTestsFromName(module.name)
        passed = unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful()
        return 0 if passed and suite.countTestCases() and not host.errors else 1
    host.open(module)
    host.process_events()
    return 1 if host.errors or host.messages.of("error") else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
