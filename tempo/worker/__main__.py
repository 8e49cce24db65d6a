"""Run `python -m tempo.worker`: the process that a launcher starts for one run."""

import sys

from tempo.worker.command import main

if __name__ == "__main__":
    sys.exit(main())
