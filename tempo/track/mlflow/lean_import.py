"""Import MLflow for an SQLite store without packages that a mirror never uses.

MLflow offers the same modules as `mlflow-skinny`, which does without these packages: it imports
them only where they are there, and pandas alone takes a sixth of the time that the mirror's process
needs to start.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module

UNUSED = ("pandas", "scipy", "pygments")
"""Data sets as tables, signatures of models, coloured listings of code."""

STORE = "mlflow.store.tracking.sqlalchemy_store"
"""What a client imports when it first opens a database."""


def import_lean() -> None:
    """Import what a client of an SQLite store needs; later imports find every package.

    A version of MLflow that cannot do without one of them is imported whole, when it is needed.
    """
    with suppress(ImportError), absent(UNUSED):
        import_module(STORE)
        # Or else the first request would do it, beside training and with garbage collection.
        import_module("sqlalchemy.orm").configure_mappers()


@contextmanager
def absent(names: tuple[str, ...]) -> Iterator[None]:
    """Have imports of packages in the block fail as if they were not installed, unless they were
    imported before."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
