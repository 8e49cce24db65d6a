"""`python compare.py STUDY` is `tempo compare STUDY`."""

import sys

from tempo.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["compare", *sys.argv[1:]], program="compare.py"))
