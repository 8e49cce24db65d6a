"""Decode every picture of a test set to find the unreadable ones before an evaluation."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.data.testsets.testset import TestSet
from tempo.data.video_io.picture_files import read_picture


def unreadable(
    clips: TestSet, jobs: int, told: Callable[[int, int], None] = lambda done, total: None
) -> dict[Path, str]:
    """Return the pictures of a test set that cannot be read, each with the reason.

    Args:
        clips: of which every picture is decoded once.
        jobs: threads; decoding runs outside Python's lock.
        told: called with the number done and the number of all.
    """
    files = list(dict.fromkeys(f for item in clips.items for f in (*item.inputs, item.target)))

    def problem(file: Path) -> str | None:
        try:
            read_picture(file, clips.facts.title, clips.facts.stored)
        except MissingError as error:
            return str(error)
        return None

    found: dict[Path, str] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for done, (file, said) in enumerate(zip(files, pool.map(problem, files), strict=True), 1):
            if said is not None:
                found[file] = said
            told(done, len(files))
    return found
