"""One method on one test set: judged, compared with the default arithmetic, recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tempo.core.errors import MissingError, RecordError, RunError
from tempo.core.identity import short_hash
from tempo.metrics.metric_table import metric_infos
from tempo.records.evaluations import TABLE, EvaluationRecord, is_whole, load_evaluation
from tempo.records.files import sha256_of
from tempo.train.evaluation.clip_evaluation import in_order, judge_clips, means, measured
from tempo.train.evaluation.clip_motion import Motions
from tempo.train.evaluation.evaluation_settings import Manner, TestClips, predictions
from tempo.train.evaluation.gallery_pictures import keep_prediction, spread
from tempo.train.evaluation.methods import Method
from tempo.train.evaluation.numeric_differences import compare_with_default
from tempo.train.evaluation.resume_log import Partial, PartialLog
from tempo.train.evaluation.run_evaluation import write_table
from tempo.train.evaluation.temporal_sequences import judge_in_time
from tempo.train.run.environment_record import host
from tempo.train.run.stop_request import StopRequest

NEVER = StopRequest()

Tell = Callable[[int, int], None]
"""Called with clips done and clips in all."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """A record, the folder it is in, and whether it was there before."""

    record: EvaluationRecord
    folder: Path
    reused: bool


def assess(
    method: Method, test: TestClips, manner: Manner, tell: Tell, *, again: bool = False
) -> Assessment:
    """Evaluate `method` on `test`, unless a record says the same already.

    One that was interrupted, at any point, goes on where it stopped. Memory holds one batch and,
    for temporal metrics, two clips more.

    Raises:
        RunError: when the method cannot carry it out.
        MissingError: when not one clip can be judged.
    """
    asked = test.protocol | manner.protocol(method)
    folder = method.records / f"{test.name}-{short_hash(asked)}"
    done = None if again else _done(folder, method, short_hash(asked), manner)
    if done is not None:
        return Assessment(done, folder, reused=True)
    begun = time.time(), time.perf_counter()
    found = _judged(method, test, manner, folder, tell, again=again)
    if not found.rows:
        raise MissingError(
            f"{method.name} on {test.name}: not one of {len(test)} clips could be judged; "
            f"the first: {next(iter(found.broken.values()), 'there is none')}"
        )
    record = _record(method, test, manner, found, folder)
    write_table(folder / TABLE, in_order(found.rows))
    record = replace(
        record,
        table_sha256=sha256_of(folder / TABLE),
        compared=compare_with_default(method, test, manner),
        started=begun[0],
        seconds=time.perf_counter() - begun[1],
    )
    record.save(folder)
    PartialLog.discard(folder)
    return Assessment(record, folder, reused=False)


def _done(folder: Path, method: Method, asked: str, manner: Manner) -> EvaluationRecord | None:
    try:
        record = load_evaluation(folder)
    except RecordError:
        return None
    same = record.asked_hash == asked and _plain(record.identity) == _plain(method.identity)
    known = {*record.values, *record.not_applicable}
    return record if same and known >= {*manner.metrics} and is_whole(folder, record) else None


def _plain(value: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(value))


def _judged(
    method: Method,
    test: TestClips,
    manner: Manner,
    folder: Path,
    tell: Tell,
    *,
    again: bool,
) -> Partial:
    """All rows, those of an earlier interrupted try included."""
    key = short_hash([_plain(method.identity), test.protocol, manner.metrics, manner.gallery])
    if again:
        PartialLog.discard(folder)
    log = PartialLog(folder, key, test.sequences())
    found, kept = log.known, spread(range(len(test)), manner.gallery)

    def broken(index: int, error: MissingError) -> None:
        found.broken[index] = str(error)
        log.lose(index, str(error))

    predict = predictions(method, manner)
    left = range(found.next, len(test))
    judged = judge_clips(predict, test, left, manner.setting.device, NEVER, manner.metrics, broken)
    in_time = judge_in_time(judged, test.sequences(), manner.metrics)
    motions = Motions(manner.motion, test.protocol["split_digest"])
    try:
        for each in motions.describe(in_time):
            index = each.row.index
            entry = keep_prediction(each, folder) if index in kept else None
            log.add(each.row, entry)
            found.add(each.row, entry)
            tell(len(found.rows) + len(found.broken), len(test))
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"{method.name} on {test.name}: the frames do not fit into the memory of "
            f"{manner.setting.device}; try --tile 512",
            "oom",
        ) from error
    return found


def _record(
    method: Method, test: TestClips, manner: Manner, found: Partial, folder: Path
) -> EvaluationRecord:
    broken = {test.clip_id(index): why for index, why in sorted(found.broken.items())}
    left = test.without(list(broken), f"{len(broken)} clips left out") if broken else test
    meaning = left.protocol | manner.protocol(method)
    values, infos = means(in_order(found.rows)), metric_infos()
    setting = manner.setting
    return EvaluationRecord(
        method=method.name,
        identity=method.identity,
        run_id=method.run_id,
        checkpoints=method.checkpoints,
        test_set=test.name,
        protocol=meaning,
        protocol_hash=short_hash(meaning),
        asked_hash=short_hash(test.protocol | manner.protocol(method)),
        clips=len(found.rows),
        broken=broken,
        values=values,
        infos={name: infos[name] for name in measured(found.rows)},
        not_applicable={name: _why(name) for name in manner.metrics if name not in values},
        table=TABLE,
        table_sha256="",
        gallery=tuple(found.gallery[index] for index in sorted(found.gallery)),
        compared=None,
        environment=host() | {"device": str(setting.device), "threads": torch.get_num_threads()},
        notes=left.notes,
        started=0.0,
        seconds=0.0,
    )


def _why(metric: str) -> str:
    if metric == "flicker":
        return "the set has no consecutive targets"
    return "no clip has a value: it has no meaning for such pictures"
