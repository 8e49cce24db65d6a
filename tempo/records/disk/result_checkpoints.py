"""Name the checkpoints that the result of a complete run was made with."""

from __future__ import annotations

import re
from pathlib import Path

from tempo.records.events import Evaluated
from tempo.records.files import inside, is_there
from tempo.records.run_record import RunRecord, read_run

_SEVERAL = re.compile(r"(?:average|ensemble) of (\d+)")
_WITHOUT = ("train", "image", "note")


def checkpoint_files(folder: Path) -> list[Path]:
    """Return the checkpoints in a run's folder, whatever attempt wrote them."""
    return sorted((folder / "checkpoints").glob("step-*.pt"))


def read_ended_run(folder: Path) -> RunRecord:
    """Read of a run's folder what `result_checkpoints` needs, and when the run ended.

    Raises:
        RecordError: when the record is damaged.
    """
    return read_run(folder, without=_WITHOUT)


def result_checkpoints(record: RunRecord) -> frozenset[Path]:
    """Return the checkpoints that the result of a run was made with.

    A run that takes its weights, and another evaluation of it, need these files. Empty where the
    record does not tell them, or where one of them is not on the disk: then no other file may be
    taken for one too many.
    """
    folder = record.folder
    if record.test is None:
        return frozenset()
    saved = {each.step: each.path for each in record.checkpoints}
    wanted = [saved.get(step) for step in _steps(record, record.test)]
    found = frozenset(inside(folder, path) for path in wanted if path is not None)
    whole = None not in wanted and all(is_there(path) for path in found)
    return found if whole else frozenset()


def _steps(record: RunRecord, test: Evaluated) -> list[int]:
    """Return the steps whose weights were judged: one, or of a mean or an ensemble several."""
    several = _SEVERAL.fullmatch(test.checkpoint)
    if several is None:
        return [test.step]
    steps = sorted({each.step for each in record.validations if each.step <= test.step})
    return steps[-int(several[1]) :]
