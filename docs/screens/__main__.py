"""Run `make screens`: record the first hour, or say what went wrong.

    PYTHONPATH=docs python -m screens

Records that are there are used, and what is missing of a study is trained, so that a second time
takes seconds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from screens.first_hour import ROOT, Recording, record
from screens.report_picture import CHROMIUM


def main(argv: Sequence[str] | None = None) -> int:
    """Record the pictures; returns 1 where a command failed or a verdict was out of sight."""
    parser = argparse.ArgumentParser(prog="python -m screens", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "first_hour.md")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "images" / "first_hour")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "first_hour")
    parser.add_argument("--records", type=Path, default=ROOT / "records")
    parser.add_argument("--smoke", action="store_true", help="every study at smoke size")
    options = parser.parse_args(argv)
    recording = Recording(
        page=options.page,
        pictures=options.pictures,
        folder=options.folder,
        records=options.records,
        smoke=options.smoke,
    )
    if CHROMIUM is None:
        print("No Chromium is on the path: pages are not pictured, terminals are.")
    problems = list(record(recording, print))
    for problem in problems:
        print(f"PROBLEM  {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
