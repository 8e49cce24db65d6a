"""`python run_experiment.py SPEC` is `tempo run SPEC`."""

import sys

from tempo.cli.main import main

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]], program="run_experiment.py"))
