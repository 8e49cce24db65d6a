"""Record the machine, versions, code and data of a run; refuse to resume on other data."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import sha256
from typing import Any

from tempo.core.code_stamp import code_stamp
from tempo.core.counted import listed_up_to
from tempo.core.errors import RunError
from tempo.core.provenance import commit, version_of
from tempo.data.cache.splits import Split, SplitName
from tempo.records.events import AttemptStarted, Logged, Noted

code_stamp()  # Of the sources as they are now, when they are imported: a fork keeps it.


@cache
def host() -> dict[str, Any]:
    """Return the machine, versions and code, which are the same for all runs of this process."""
    import numpy as np
    import torch

    return {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "tempo": version_of("tempo-vfi"),
        "cuda": torch.version.cuda,
        "code_stamp": code_stamp(),
        **commit(),
    }


NAMED = 5
"""Clips that a note names."""

EPOCHS = 2
"""Epochs whose order is recorded; one seed orders all of them."""


def left_out(splits: Mapping[SplitName, Split], step: int) -> Iterator[Noted]:
    """Yield a note for each split with clips that could not be read."""
    for name, split in splits.items():
        if not split.skipped:
            continue
        bad, clips = len(split.skipped), len(split) + len(split.skipped)
        named = listed_up_to(NAMED, list(split.skipped))
        yield Noted(
            step=step,
            topic="data",
            message=f"{bad} of {clips} clips of {name} are unreadable and left out: {named}",
            values={"split": name, "unreadable": bad, "clips": clips},
        )


def order_digest(split: Split, seed: int) -> str:
    """Return a short hash of the order of the clips of `split` in the first epochs of a seed."""
    digest = sha256()
    for epoch in range(EPOCHS):
        digest.update(split.order(seed, epoch).tobytes())
    return digest.hexdigest()[:12]


def check_same_data(past: Iterable[Logged], digests: Mapping[str, str], step: int) -> None:
    """Raise when a run that is resumed at `step` was trained on other data so far.

    Raises:
        RunError: naming the splits that differ.
    """
    if not step:
        return
    known = [each.event.environment.get("data") for each in past
             if isinstance(each.event, AttemptStarted)]  # fmt: skip
    before: Mapping[str, str] = next((each for each in reversed(known) if each), {})
    other = [name for name, digest in digests.items() if before.get(name, digest) != digest]
    if other:
        raise RunError(
            f"the data changed since this run reached step {step}: {', '.join(other)} "
            "(data.root leads elsewhere, or files were added, removed or repaired); put the old "
            "data back, or give the new one a name of its own (data.name) to train on it",
            failure="data",
        )
