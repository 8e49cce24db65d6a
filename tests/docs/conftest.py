"""Let tests import what builds the documentation."""

import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
sys.path[:0] = [str(DOCS / "site"), str(DOCS)]
