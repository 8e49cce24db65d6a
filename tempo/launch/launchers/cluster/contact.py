"""Keep in contact with a cluster: name what is submitted, and tell when nothing answers."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tempo.core.errors import TempoError


class AwayError(TempoError):
    """The cluster did not answer any of several tries."""


class Contact:
    """Tells the user once when a cluster stops answering, and once when it answers again.

    Args:
        name: the part of the cluster that answers, as in "Slurm's controller".
        say: called with the sentence.
    """

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self._name, self._say = name, say
        self._away = False

    @contextmanager
    def asking(self) -> Iterator[None]:
        """End the block, without an error, where the cluster does not answer in it."""
        try:
            yield
        except AwayError as error:
            if not self._away:
                self._say(f"{error}; going on with what was last known")
            self._away = True
            return
        if self._away:
            self._say(f"{self._name} answers again")
        self._away = False


def new_name(*parts: str) -> str:
    """Return a name, made of `parts`, that no other submission has."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    readable = "-".join(re.sub(r"[^A-Za-z0-9_.-]", "_", part) for part in parts)
    return f"{readable}-{stamp}-{secrets.token_hex(3)}"
