"""`python -m tempo.train RUN_FOLDER --cache CACHE`: carry out one run, also under torchrun."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tempo.train", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the run, with run.json")
    parser.add_argument("--cache", type=Path, required=True, help="folder of decoded pictures")
    arguments = parser.parse_args()
    from tempo.train.worker import run

    return run(arguments.folder, arguments.cache)


if __name__ == "__main__":
    sys.exit(main())
