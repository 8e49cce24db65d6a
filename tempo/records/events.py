"""The events of a run, in the order they happen. One JSON object a line in `events.jsonl`.

Every line carries `kind`, `time` (Unix seconds) and `attempt` beside the fields of its class.
Claims and starts of attempts also carry the `format` of the records (1 where they have none).
Paths are relative to the run's folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

from tempo.core.records import MetricInfo, RunStatus
from tempo.records.field_types import build
from tempo.records.files import FORMAT
from tempo.records.json_text import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    kind: ClassVar[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed(Event):
    """A process took the run over: the first line of an attempt, whose number is the token of the
    claim. From here on nothing that older attempts write counts."""

    kind: ClassVar[str] = "claim"
    host: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptStarted(Event):
    """A process begins to carry out the run from `resumed_step` (0: from the start).

    `afresh`: it starts over because other code made what was there, none of which counts any more.

    `environment` holds what is recorded beside a result and is not part of its identity: host,
    pid, device, threads, world size, micro-batch, versions, commit, code stamp, data digest.
    """

    kind: ClassVar[str] = "attempt"
    resumed_step: int
    total_steps: int
    environment: Mapping[str, Any] = field(default_factory=dict)
    afresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelBuilt(Event):
    """Cost of the network: parameters, and MACs of one forward pass over `mac_size` pixels."""

    kind: ClassVar[str] = "model"
    parameters: int
    macs: int
    mac_size: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained(Event):
    """Training metrics at `step`, means since the last such event. `clips`: clips seen so far.

    Keys of `values`: loss, lr, grad_norm, clip_rate, samples_per_s, step_ms, data_ms, and one
    `loss/<term>` per loss term.
    """

    kind: ClassVar[str] = "train"
    step: int
    clips: int
    epoch: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validated(Event):
    """Mean metrics over the validation clips at `step`. `seconds`: training time so far."""

    kind: ClassVar[str] = "val"
    step: int
    clips: int
    epoch: float
    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSaved(Event):
    """A sample image. `key` groups the images of one clip over steps."""

    kind: ClassVar[str] = "image"
    step: int
    key: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(Event):
    kind: ClassVar[str] = "checkpoint"
    step: int
    path: str
    sha256: str
    best: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(Event):
    """The final evaluation on `split`, of the checkpoint chosen as `checkpoint` at `step`.

    `values`: mean over clips of each metric; `infos`: MetricInfo fields by metric;
    `protocol`: everything a number means, hashed in `protocol_hash`; `table`: Parquet with one
    row a clip (clip, source, motion, occlusion, then the metrics) and its SHA-256; `gallery`:
    for each kept clip its id, the paths of its pictures (input0, input1, target, prediction) and
    `prediction_sha256`; `weights`: SHA-256 of the names and values of the weights that were judged,
    empty in records of format 2 and before.
    """

    kind: ClassVar[str] = "evaluation"
    split: str
    step: int
    checkpoint: str
    clips: int
    values: Mapping[str, float]
    infos: Mapping[str, Mapping[str, Any]]
    protocol: Mapping[str, Any]
    protocol_hash: str
    table: str
    table_sha256: str
    gallery: tuple[Mapping[str, str], ...]
    weights: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """Something a reader of the result should know, or a by-product worth finding.

    `topic`: checkpoint, oom, skipped, rollback, data, data_wait, compile, profile, milestones,
    init, freeze, stage, lease (the lease was in danger, so a checkpoint was written at once) or
    lost (the attempt before ended without a word).
    `step` is where it happened; a `lasting` note is not superseded by a resumed attempt. `path` is
    a file with more, if any.
    """

    kind: ClassVar[str] = "note"
    step: int
    topic: str
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
    lasting: bool = False


LOST_LEASE = "lease"
"""The failure of an attempt that stopped because its lease could not be renewed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The attempt ends. `status`: complete, failed or stopped. Seconds are of this attempt.

    `failure` is one of `tempo.core.records.FAILURES`, for one that stopped None or `LOST_LEASE`;
    `detail` is the traceback, if any.
    `cpu_seconds` are user and system seconds of its processes on this machine and of their
    children, over the same span as `seconds`; None in older records and where it was killed.
    """

    kind: ClassVar[str] = "finish"
    status: str
    step: int
    seconds: float
    train_seconds: float
    peak_memory: int
    failure: str | None = None
    message: str = ""
    detail: str = ""
    cpu_seconds: float | None = None


EVENTS: dict[str, type[Event]] = {
    cls.kind: cls
    for cls in (
        Claimed,
        AttemptStarted,
        ModelBuilt,
        Trained,
        Validated,
        ImageSaved,
        CheckpointSaved,
        Evaluated,
        Noted,
        Finished,
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """An event with when and by which attempt it was written; `end`: bytes up to its line's end."""

    time: float
    attempt: int
    event: Event
    end: int = 0


_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def encode(value: Any) -> Any:
    """JSON has no NaN or infinity: they travel as {"float": "nan"}, so that nothing is lost."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    return value


_PLAIN = frozenset({float, int, str, bool, type(None)})
"""Types that decode to themselves: almost every value of a long log, so they are not visited."""


def decode(value: Any) -> Any:
    """Return a value that `encode` made: lists as tuples, NaN and infinity as numbers.

    Raises:
        ValueError: when a number that JSON does not have is none that `encode` writes.
    """
    if isinstance(value, dict):
        if len(value) == 1 and "float" in value:
            return _special(value["float"])
        return _decode_items(value)
    if isinstance(value, list):
        return tuple(decode(item) for item in value)
    return value


def _special(name: Any) -> float:
    if not isinstance(name, str) or name not in _SPECIAL:
        raise ValueError(f"{shown(name)} is no number: {', '.join(_SPECIAL)} are")
    return _SPECIAL[name]


def _decode_items(value: dict[str, Any]) -> dict[str, Any]:
    return {key: item if type(item) in _PLAIN else decode(item) for key, item in value.items()}


def to_json(logged: Logged) -> dict[str, Any]:
    head = {"kind": logged.event.kind, "time": logged.time, "attempt": logged.attempt}
    if isinstance(logged.event, Claimed | AttemptStarted):
        head["format"] = FORMAT
    return head | {key: encode(item) for key, item in asdict(logged.event).items()}


LAST_MOMENT = 2e11
"""Unix seconds: no clock shows a later time, and no calendar goes much further."""
MOST_ATTEMPTS = 2**31


def from_json(line: dict[str, Any], end: int = 0) -> Logged:
    """Return the event of a parsed line.

    Raises:
        ValueError: when it is none that this version knows, or one of its fields is of another type
            than its class says.
    """
    fields = _decode_items(line)
    fields.pop("format", None)
    kind, time, attempt = (fields.pop(name, None) for name in ("kind", "time", "attempt"))
    if not isinstance(kind, str) or kind not in EVENTS:
        raise ValueError(f"{shown(kind)} is no kind of event")
    if type(time) not in (float, int) or not 0 <= time < LAST_MOMENT:
        raise ValueError(f"time: it is {shown(time)}, not a number of Unix seconds")
    if type(attempt) is not int or not 0 <= attempt < MOST_ATTEMPTS:
        raise ValueError(f"attempt: it is {shown(attempt)}, not the number of an attempt")
    event = build(EVENTS[kind], fields)
    if isinstance(event, Finished) and event.status not in set(RunStatus):
        raise ValueError(f"status: {shown(event.status)} is no way that an attempt ends")
    if isinstance(event, Evaluated):
        for info in event.infos.values():
            build(MetricInfo, info)
    return Logged(time=time, attempt=attempt, event=event, end=end)
