"""Mirror a study into MLflow in a process of its own, as the parent asks over a pipe."""

from __future__ import annotations

import argparse
import os
import signal
import sys


def execute(options: argparse.Namespace) -> int:
    """Answer the parent's requests until the pipe closes."""
    from tempo.track.mirror_process import serve

    # Ctrl-C and SIGTERM are for the study: the mirror leaves when its parent asks no more.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Answers go to the pipe; whatever MLflow prints goes to stderr.
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with os.fdopen(answers, "w") as file:
        serve(sys.stdin, file)
    return 0
