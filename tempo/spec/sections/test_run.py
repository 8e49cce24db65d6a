"""Define the config of an evaluation on a further test set, which is recorded like a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tempo.core.identity import short_hash
from tempo.spec.sections.test_sets import OtherMethod, TestSetEntry
from tempo.spec.study import RunConfig


class TestRunConfig(RunConfig):
    """The config of the run that is judged, with the set; or of a method of others on the set."""

    __test__ = False

    test_set: TestSetEntry
    other: OtherMethod | None = None


def config_of(recorded: Mapping[str, Any]) -> RunConfig:
    """Parse the recorded config of a run, or of an evaluation on a further test set."""
    kind = TestRunConfig if "test_set" in recorded else RunConfig
    return kind.model_validate(dict(recorded))


def evaluation_id(judged: str, test_set: TestSetEntry, listed: str = "") -> str:
    """Return the id of the evaluation of `judged` (a run's id, or a method) on one set.

    Where the files of a set lie does not count, nor what is measured: a metric can be added.
    `listed` is the content of the file that lists the clips of a subset.
    """
    own: list[Any] = [test_set.set, *([listed] if test_set.subset else [])]
    if test_set.clips:
        size = list(test_set.size)
        own = [test_set.title, test_set.kind, size, test_set.stride, test_set.every]
    return short_hash({"judged": judged, "test_set": own})
