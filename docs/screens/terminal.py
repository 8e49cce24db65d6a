"""Type commands into a shell in a pseudo-terminal, and keep what its window shows."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyte

COLUMNS, LINES = 80, 24
_READY = re.compile(rb"\x1b\]7777;(\d+)\x07\$ |\x1b\]7778\x07> ")
_PROMPTS = {"PS1": r"\[\e]7777;$?\a\]$ ", "PS2": r"\[\e]7778\a\]> "}
"""Prompts that say, unseen by who looks, that the shell is ready and how the command ended."""

_CLEAR = b"\x0c"
"""Ctrl-L."""

_ESCAPES = re.compile(r"\x1b\][^\x07]*\x07|\x1b\[[0-?]*[ -/]*[@-~]|\x1b[@-Z\\-_=>]|[\x0e\x0f\r]")


class Terminal:
    """A bash in a window of 80 columns and 24 lines, with the commands of this Python on its path.

    Args:
        folder: where it starts.
        patience: seconds that a command may take; may be changed.
    """

    def __init__(self, folder: Path, *, patience: float = 3600) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.printed = ""
        self._stream = pyte.ByteStream(self.screen)
        self.patience = patience
        self._unread = b""
        self._process, self._end = _start(folder)
        self._wait()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the window, as a user would: the shell and what it runs get SIGHUP."""
        os.close(self._end)
        os.killpg(self._process, signal.SIGHUP)
        os.waitpid(self._process, 0)

    def type(self, lines: Sequence[str]) -> int:
        """Clear the window and type lines, each once the shell is ready.

        `printed` then holds all that came, without colours; returns the last exit code that was
        not 0, or 0.
        """
        self.printed, failed = "", 0
        os.write(self._end, _CLEAR)
        self._wait()
        for line in lines:
            os.write(self._end, line.encode() + b"\r")
            failed = self._wait() or failed
        return failed

    def text(self) -> str:
        """Return what the window shows."""
        return "\n".join(line.rstrip() for line in self.screen.display)

    def _wait(self) -> int:
        """Read until the shell is ready; returns how the command ended."""
        until = time.monotonic() + self.patience
        while (found := _READY.search(self._unread)) is None:
            if not select.select([self._end], [], [], max(until - time.monotonic(), 0))[0]:
                self._show(self._unread)
                raise TimeoutError(f"no prompt after {self.patience:.0f} s:\n{self.text()}")
            self._unread += self._read()
        self._show(self._unread[: found.end()])
        self._unread = self._unread[found.end() :]
        return int(found[1] or 0)

    def _read(self) -> bytes:
        try:
            come = os.read(self._end, 65536)
        except OSError:  # What Linux says when the other end is closed.
            come = b""
        if not come:
            raise EOFError(f"the shell ended:\n{self.text()}")
        return come

    def _show(self, come: bytes) -> None:
        self._stream.feed(come)
        self.printed += _ESCAPES.sub("", come.decode(errors="replace"))


def _start(folder: Path) -> tuple[int, int]:
    """Start the shell; returns its process and this end of its terminal."""
    left_out = {"COLUMNS", "LINES", "PROMPT_COMMAND", "BASH_ENV", "NO_COLOR"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment |= {**_PROMPTS, "PATH": programs, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    environment |= {"INPUTRC": os.devnull, "HISTFILE": os.devnull}
    process, end = pty.fork()
    if process == 0:
        os.chdir(folder)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        os.execvpe("bash", ["bash", "--noprofile", "--norc", "-i"], environment)
    return process, end
