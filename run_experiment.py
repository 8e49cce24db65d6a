"""`python run_experiment.py SPEC` is `tempo run SPEC`."""

import signal
import sys

if __name__ == "__main__":
    # Ctrl-C ends the process without a traceback until there is something that can be continued.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from tempo.cli.main import run_shim

    sys.exit(run_shim("run", "run_experiment.py"))
