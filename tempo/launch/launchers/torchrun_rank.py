"""Execute a command as one rank of a torchrun: `... torchrun_rank CODES DRIVER COMMAND ...`.

Executes the command, hands signals on to it, and appends a failing exit code to the file CODES.
When torchrun or the process DRIVER is gone, the command is asked to leave.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import psutil

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)
LOOK = 0.5
"""Seconds between two checks whether torchrun and the driver are alive."""


def main(arguments: Sequence[str]) -> int:
    codes, driver, *command = arguments
    asked: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(number)

    # Before the child is there: a signal in between must not end this process alone.
    for number in SIGNALS:
        signal.signal(number, note)
    code = _follow(subprocess.Popen(command), asked, int(driver))
    # The file is gone once the driver has stopped waiting for this rank.
    if code != 0 and Path(codes).exists():
        file = os.open(codes, os.O_WRONLY | os.O_APPEND)
        os.write(file, f"{code}\n".encode())
        os.close(file)
    # A shell's way of telling a death by signal: torchrun reports it as a failure either way.
    return code if code >= 0 else 128 - code


def _follow(child: subprocess.Popen[bytes], asked: list[int], driver: int) -> int:
    """Wait for the child's end, and forward the signals that this process receives."""
    above = os.getppid()
    while True:
        try:
            return child.wait(LOOK)
        except subprocess.TimeoutExpired:
            alone = os.getppid() != above or not psutil.pid_exists(driver)
            if alone and signal.SIGTERM not in asked:
                asked.append(signal.SIGTERM)
            while asked:
                child.send_signal(asked.pop())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
