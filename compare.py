"""`python compare.py STUDY` is `tempo compare STUDY`."""

import sys

from tempo.cli.main import run_shim

if __name__ == "__main__":
    sys.exit(run_shim("compare", "compare.py"))
