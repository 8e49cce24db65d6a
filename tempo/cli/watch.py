"""Run `tempo watch`: the page of a study in a browser of this machine, while the study runs."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console, say

EPILOG = """examples:
  tempo watch se_dilation                              prints the address to open
  tempo watch ablations/se_dilation.yaml --profile demo
  tempo watch se_dilation --port 8900                  for ssh -L 8900:127.0.0.1:8900 HOST
"""

NICENESS = 10
POLL_SECONDS = 0.2


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the page of a study to browsers of this machine, made anew while the study runs: "
        "progress, curves, failures and looks. Changes nothing; ends with Ctrl-C."
    )
    parser.epilog = EPILOG
    parser.add_argument("name", metavar="SPEC|STUDY", help="it need not have begun")
    parser.add_argument("--profile", help="of the spec, or which plan of the study")
    parser.add_argument("--metric", default="psnr", metavar="NAME", help="default: %(default)s")
    parser.add_argument("--port", type=int, help="of this machine (default: a free one)")
    shared.add_reports(parser)
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C or SIGTERM."""
    # Training has priority over its being watched.
    with suppress(OSError, AttributeError):
        os.nice(NICENESS)
    console = make_console()
    with _asked_to_end() as asked:
        from tempo.workflow.live.watch import watch

        page = watch(
            options.name,
            profile=options.profile,
            records=options.records,
            reports=options.reports,
            metric=options.metric,
            port=options.port,
        )
        with page:
            # Alone in its line and never broken, so that it can be copied and read by scripts.
            print(f"{page.study}: {page.address}", flush=True)
            if page.awaited:
                say(console, page.awaited)
            say(console, "Open it in a browser of this machine. Ctrl-C ends it; the study goes on.")
            while not asked:
                time.sleep(POLL_SECONDS)
    say(console, f"No longer watching {page.study}.")
    return 0


@contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """Yield a list to which Ctrl-C and SIGTERM are added: an exception in their place can be lost,
    where Python is just destroying an object."""
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
