"""Open a further test set of a study: a published one, or all clips of a folder of one's own."""

from __future__ import annotations

from pathlib import Path

from tempo.data.open_dataset import open_alone
from tempo.data.testsets import open_test_set
from tempo.spec.sections.test_sets import TestSetEntry, own_clips
from tempo.train.evaluation.clip_evaluation import TestClips
from tempo.train.evaluation.run_evaluation import SpecTestSplit


def open_test_clips(entry: TestSetEntry, cache: Path) -> TestClips:
    """Open the clips of a test set; those of videos are decoded into the cache first.

    Raises:
        MissingError: when the set is not on this machine, or no clip can be read.
    """
    if entry.set:
        clips = open_test_set(entry.set, entry.root or None, cache=cache)
        return clips.subset(Path(entry.subset)) if entry.subset else clips
    options = own_clips(entry)
    return SpecTestSplit(entry.title, open_alone(options, "test", cache), options)
