"""`python run_experiment.py SPEC` is `tempo run SPEC`."""

import sys

from tempo.cli.main import run_shim

if __name__ == "__main__":
    sys.exit(run_shim("run", "run_experiment.py"))
