"""Record the rule of a study and every look at its verdicts, in a log that only grows.

<root>/studies/<study>/verdicts/<profile>.jsonl

A look costs a part of the error rate, so verdicts are judged by how often, and at how many seeds,
the data were looked at before; and a word that was found at a look stands. What was recorded is
never rewritten. A last line that was cut off in mid-write is passed over, and removed by the next
entry.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tempo.core.errors import RecordError
from tempo.core.records import Plan
from tempo.core.verdict_rule import Rule
from tempo.records.field_types import build
from tempo.records.files import FORMAT, is_there, read_bytes, take_format
from tempo.records.json_text import parse_json, shown
from tempo.records.layout import Store

By = Literal["run", "compare", "report", "scheduler"]
"""What looked: the end of a run, a comparison, a report, or the scheduler between two seeds."""

SETTLED = ("better", "worse", "equivalent")
"""The words that stand once they were found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleEntry:
    """The rule as it was fixed at `time`, when `complete` of `runs` runs had a result."""

    time: float
    rule: Rule
    complete: int
    runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedContrast:
    """A contrast as a look showed it, of `seeds` pairs of the `planned` ones.

    `planned` is what was planned at the first look: a number that is changed later does not give
    back what that look spent.

    `pairs` tell the pairs of results apart, in the order of their seeds: a look is at the same
    data, or at part of them, when its pairs are among those there are. `level` is the coverage of
    the interval from `low` to `high`, taken alone.
    """

    variant: str
    baseline: str
    metric: str
    seeds: int
    planned: int
    value: float
    low: float | None
    high: float | None
    p: float | None
    p_equal: float | None
    p_adjusted: float | None
    level: float
    word: str
    pairs: tuple[str, ...]

    @property
    def settled(self) -> bool:
        """Whether the word stands for good."""
        return self.word in SETTLED

    @property
    def ended(self) -> bool:
        """Whether every planned seed was in, so that the whole error rate was spent."""
        return self.seeds >= self.planned


@dataclass(frozen=True, kw_only=True)
class Look:
    """All contrasts of the rule's family as they were shown at `time`, None while not recorded.

    `data` is the hash of the results that went in, `rule` that of the rule.
    """

    time: float | None
    by: By
    data: str
    rule: str
    contrasts: tuple[LookedContrast, ...]

    def of(self, variant: str, baseline: str, metric: str) -> LookedContrast | None:
        """Return what the look showed of one contrast."""
        return self._by_name.get((variant, baseline, metric))

    @cached_property
    def _by_name(self) -> dict[tuple[str, str, str], LookedContrast]:
        return {(e.variant, e.baseline, e.metric): e for e in reversed(self.contrasts)}


Entry = RuleEntry | Look


@dataclass(frozen=True, slots=True)
class VerdictLog:
    """The entries of a log, oldest first."""

    entries: tuple[Entry, ...] = ()

    @property
    def rules(self) -> tuple[RuleEntry, ...]:
        """The rules, each as it was fixed or changed."""
        return tuple(each for each in self.entries if isinstance(each, RuleEntry))

    @property
    def looks(self) -> tuple[Look, ...]:
        """The looks in the order they were taken."""
        return tuple(each for each in self.entries if isinstance(each, Look))

    def look_at(self, data: str, rule: str) -> Look | None:
        """Return the recorded look at the same data under the same rule, if there is one."""
        same = (each for each in self.looks if (each.data, each.rule) == (data, rule))
        return next(same, None)


def log_path(store: Store, plan: Plan) -> Path:
    """Return the file of the log of a plan."""
    return store.study_dir(plan.study) / "verdicts" / f"{plan.profile_name}.jsonl"


def read_log(store: Store, plan: Plan) -> VerdictLog:
    """Read the log of a plan; an empty one where nothing was recorded.

    Raises:
        RecordError: naming the file and the line that cannot be read.
        FormatError: when a newer version of Tempo wrote the log.
    """
    path = log_path(store, plan)
    return VerdictLog(tuple(_entries(read_bytes(path), path)) if is_there(path) else ())


def _entries(content: bytes, path: Path) -> Iterator[Entry]:
    for number, line in enumerate(content.split(b"\n")[:-1], 1):
        try:
            entry = _from_json(take_format(parse_json(line), path))
        except ValueError as error:
            raise RecordError(
                f"{path}: line {number} is no entry of a log of verdicts: {error}; the looks "
                "it counts cannot be told, so restore the file from a copy"
            ) from error
        yield entry


def append(store: Store, plan: Plan, entry: Entry) -> None:
    """Add an entry in one write of one whole line.

    Raises:
        OSError: when the folder of records cannot be written.
    """
    path = log_path(store, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        _write(path, entry)


def append_look(store: Store, plan: Plan, look: Look) -> Look:
    """Record a look now, unless the same data were looked at under the same rule already.

    Returns:
        The recorded look: the earlier one where there is one.

    Raises:
        OSError: when the folder of records cannot be written.
        RecordError: when the log is damaged.
    """
    path = log_path(store, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(path):
        known = read_log(store, plan).look_at(look.data, look.rule)
        if known is not None:
            return known
        made = Look(
            time=time.time(),
            by=look.by,
            data=look.data,
            rule=look.rule,
            contrasts=look.contrasts,
        )
        _write(path, made)
        return made


def _locked(path: Path) -> AbstractContextManager[object]:
    """Let one process at a time write a log."""
    # Imported late: whoever only reads a log must not wait for it.
    from filelock import FileLock

    return FileLock(f"{path}.lock")


def _write(path: Path, entry: Entry) -> None:
    with path.open("ab+") as file:
        file.seek(0)
        content = file.read()
        if not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
        line = json.dumps(_to_json(entry), separators=(",", ":"), allow_nan=False)
        file.write(line.encode() + b"\n")


def _to_json(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, RuleEntry):
        return {
            "kind": "rule",
            "format": FORMAT,
            "time": entry.time,
            "complete": entry.complete,
            "runs": entry.runs,
            "rule": entry.rule.to_json(),
        }
    return {"kind": "look", "format": FORMAT, **asdict(entry)}


def _from_json(value: dict[str, Any]) -> Entry:
    kind = value.pop("kind", None)
    if kind == "rule":
        return build(RuleEntry, value)
    if kind != "look":
        raise ValueError(f"unknown kind {shown(kind)}")
    return build(Look, value)


@dataclass(frozen=True, slots=True)
class LookAt:
    """What one look showed of one contrast."""

    look: Look
    contrast: LookedContrast


def earlier_looks(
    log: VerdictLog, variant: str, baseline: str, metric: str, pairs: tuple[str, ...]
) -> tuple[LookAt, ...]:
    """Return the looks at some, not all, of the pairs of results of a contrast, in order.

    They count under whichever rule they were taken. Looks that share no pair with `pairs` were at
    other results, as of code that has changed since, and do not count.
    """
    found: list[LookAt] = []
    seen = {frozenset(pairs)}
    for look in log.looks:
        each = look.of(variant, baseline, metric)
        if each is None or frozenset(each.pairs) in seen or not set(each.pairs) & set(pairs):
            continue
        seen.add(frozenset(each.pairs))
        found.append(LookAt(look, each))
    return tuple(found)


def past_looks(earlier: Sequence[LookAt], seeds: int) -> tuple[int, ...]:
    """Return the numbers of seeds at earlier looks that had fewer than there are now, in order."""
    return tuple(sorted({each.contrast.seeds for each in earlier if each.contrast.seeds < seeds}))


def decided(
    log: VerdictLog, rule: Rule, variant: str, baseline: str, metric: str, pairs: tuple[str, ...]
) -> LookAt | None:
    """Return the first look that settled a contrast by these pairs, or by part of them.

    Only under the same rule: under another one it was another question.
    """
    for look in log.looks:
        each = look.of(variant, baseline, metric) if look.rule == rule.hash else None
        if each is not None and each.settled and set(each.pairs) <= set(pairs):
            return LookAt(look, each)
    return None
