"""Run `tempo retry --failed`: carry out the failed runs of a study again, and no other."""

from __future__ import annotations

import argparse

from tempo.cli import run

EPILOG = """examples:
  tempo retry --failed ablations/se_dilation.yaml --profile demo
  tempo retry --failed ablations/se_dilation.yaml --set runtime.micro_batch=2
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of `tempo retry`: those of `tempo run`."""
    run.configure(parser)
    parser.description = "Carry out the failed runs of a study again, and no other."
    parser.epilog = EPILOG
    parser.add_argument(
        "--failed", action="store_true", required=True, help="which runs: those that failed"
    )
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Carry out the failed runs; where there is none, write the report again."""
    from tempo.workflow.control import has_failed

    return run.execute(options, has_failed)
