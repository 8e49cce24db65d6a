"""Import large libraries without garbage collection, which makes that slower by a quarter."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Suspend garbage collection during imports in the block, and exempt what they load from it.

    Nothing is collected meanwhile, and what is there afterwards is left out of every collection
    to come: going through the objects of torch again and again took a third of a short run.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
