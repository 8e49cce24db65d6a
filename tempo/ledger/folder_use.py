"""Mark folders as in use by this process, so that cleaning leaves them alone.

A study writes its plan only after the data cache was built and the variants were rehearsed. Until
then nothing in the records says that it needs the cache, so `tempo clean` asks here.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has no such lock; cleaning relies on the records alone there.
    fcntl = None  # type: ignore[assignment]

# Protocol: a user holds a shared lock (flock) on the folder itself, the cleaner an exclusive one
# while it looks and deletes. The kernel gives a lock back when its process ends, however it ends.


@contextmanager
def using(*folders: Path) -> Iterator[None]:
    """Hold the folders as in use; those that are missing are made, and removed if left empty.

    Waits while a cleaner deletes. A folder that cannot be locked (a file system without locks, or
    not writable) is used without one.
    """
    held: list[int] = []
    made = [folder for folder in folders if not folder.exists()]
    try:
        for folder in folders:
            with suppress(OSError):
                folder.mkdir(parents=True, exist_ok=True)
                held.append(_locked(folder, shared=True))
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        for folder in made:
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Yield whether no process uses the folder; if so, none begins to before the block ends.

    False too where the file system cannot tell.
    """
    try:
        descriptor = _locked(folder, shared=False)
    except FileNotFoundError:
        yield True
        return
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(descriptor)


def _locked(folder: Path, *, shared: bool) -> int:
    """Return a descriptor that holds the lock; an exclusive one is not waited for."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    if fcntl is not None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
    return descriptor
