"""`tempo retry --failed`: carry out the failed runs of a study, and nothing else."""

from __future__ import annotations

import argparse

from tempo.cli import run
from tempo.core.records import PlannedRun, RunStatus
from tempo.records.event_tail import Tail
from tempo.records.layout import Store

EPILOG = """examples:
  tempo retry --failed ablations/se_dilation.yaml --profile demo
  tempo retry --failed ablations/se_dilation.yaml --set runtime.micro_batch=2
"""


def configure(parser: argparse.ArgumentParser) -> None:
    run.configure(parser)
    parser.description = "Carry out the failed runs of a study again, and no other."
    parser.epilog = EPILOG
    parser.add_argument(
        "--failed", action="store_true", required=True, help="which runs: those that failed"
    )
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Without a failed run there is nothing to carry out, and the report is written again."""
    return run.execute(options, failed)


def failed(store: Store, planned: PlannedRun) -> bool:
    """Whether the last attempt of a run failed."""
    tail = Tail(store.run_dir(planned.run_id))
    tail.catch_up()
    finish = tail.progress.finish
    return finish is not None and finish.status == RunStatus.FAILED
