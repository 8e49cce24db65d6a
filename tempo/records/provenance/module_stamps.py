"""Keep beside the runs which modules a code stamp was made of: `<root>/code/<stamp>.json`.

A stamp tells that code changed; its modules tell where. One small file a stamp, written by the
first worker that runs under the stamp.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tempo.core.code_stamp import code_stamp, module_stamps
from tempo.core.errors import RecordError
from tempo.records.files import is_there, read_object, write_json

_STAMP = re.compile(r"[0-9a-f]{16}")


def _path(root: Path, stamp: str) -> Path:
    return root / "code" / f"{stamp}.json"


def note_modules(root: Path) -> None:
    """Write the modules of this process's code, unless they stand there already.

    A folder that cannot be written is passed over: nothing depends on the file but `tempo diff`.
    """
    with suppress(OSError, RecordError):
        path = _path(root, code_stamp())
        if not is_there(path):
            write_json(path, module_stamps())


def modules_of(root: Path, stamp: str) -> Mapping[str, str] | None:
    """Return the hash of each module behind `stamp`, by its path below the package; None where
    neither the records nor this process know them.

    Raises:
        RecordError: when the file is damaged.
    """
    if stamp == code_stamp():
        return module_stamps()
    if not _STAMP.fullmatch(stamp) or not is_there(_path(root, stamp)):
        return None
    found = read_object(_path(root, stamp))
    for name, text in found.items():
        if not isinstance(text, str) or not name.isprintable():
            raise RecordError(f"{_path(root, stamp)} is damaged: it holds no hash of {name!r}")
    return found
