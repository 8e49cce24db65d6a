"""Run the command line as `python -m tempo`, where no program of that name is on the path."""

import sys
from importlib import import_module

if __name__ == "__main__":
    # By name: nothing below the command line knows it, and this package is below it.
    sys.exit(import_module(f"{__package__}.cli.main").main())
