"""Evaluate a method on a test set, resumably, under chosen settings; record it in a folder."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tempo.core.code_stamp import code_stamp
from tempo.core.errors import MissingError, RecordError, RunError
from tempo.core.identity import short_hash
from tempo.data.clips import Clip
from tempo.metrics.fidelity import grey_levels
from tempo.metrics.metric_table import metric_infos
from tempo.metrics.metric_weights import not_computed, perceptual_protocol, why_missing
from tempo.records.files import sha256_of
from tempo.records.method_results.evaluations import (
    TABLE,
    Compared,
    EvaluationRecord,
    is_whole,
    load_evaluation,
)
from tempo.spec.metrics import DEFAULT_METRICS
from tempo.train.evaluation.clip_evaluation import (
    Judged,
    PredictClips,
    Row,
    TestClips,
    in_order,
    judge_clips,
    means,
    measured,
    predict_clips,
)
from tempo.train.evaluation.evaluator import (
    ClipEvaluator,
    ClipResults,
    Motions,
    ResumeLog,
    Tell,
    write_clip_table,
)
from tempo.train.evaluation.kept_pictures import evenly_spaced, save_gallery, to_pixels
from tempo.train.evaluation.methods import Method
from tempo.train.inference.network_inference import InferenceSettings
from tempo.train.run.environment_record import host
from tempo.train.run.stop_request import StopRequest

ROUNDED = "clamped to [0, 1] and rounded to 8 bit, halves to even, before every metric"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSettings:
    """How methods are evaluated.

    `rounded`: round predictions to 8 bit first; `gallery`: number of predictions kept as pictures;
    `check`: number of clips on which half precision or tiling is compared with float32 on whole
    frames; `motion`: folder of the motion that was estimated of clips."""

    inference: InferenceSettings
    metrics: tuple[str, ...]
    rounded: bool = False
    gallery: int = 24
    check: int = 8
    motion: Path | None = None

    def protocol(self, method: Method) -> dict[str, Any]:
        """Return the fields of the protocol that these settings decide."""
        chosen = self.inference.protocol
        if method.pictures is not None:
            # Nothing is computed here, so there is nothing to choose.
            chosen = replace(self.inference.as_default(), augmentation="none").protocol
        rounding = {"prediction": ROUNDED} if self.rounded or method.rounded else {}
        return chosen | rounding | perceptual_protocol(self.metrics)


def predictions(method: Method, settings: EvaluationSettings) -> PredictClips:
    """Return the function that predicts clips with `method` under `settings`."""
    device = settings.inference.device
    if method.pictures is not None:
        predict = _stored_pictures(method, device)
    else:
        predict = predict_clips(settings.inference.predictor(method), device)
    if settings.rounded or method.rounded:
        return lambda clips: grey_levels(predict(clips).float().clamp(0, 1)).div(255)
    return predict


def _stored_pictures(method: Method, device: torch.device) -> PredictClips:
    assert method.pictures is not None
    pictures = method.pictures

    def predict(clips: Sequence[Clip]) -> Tensor:
        return torch.stack([pictures(clip) for clip in clips]).to(device)

    return predict


ROWS = "rows.jsonl"
"""The resume log in an evaluation's folder; deleted once the result is recorded."""

LIMIT = 0.01
"""dB that half precision or tiling may move a metric before the number is flagged."""


@dataclass(frozen=True, slots=True)
class MethodEvaluation:
    """An evaluation's record, its folder, and whether it was recorded before."""

    record: EvaluationRecord
    folder: Path
    reused: bool


def evaluate_method(
    method: Method,
    test: TestClips,
    settings: EvaluationSettings,
    tell: Tell,
    *,
    again: bool = False,
) -> MethodEvaluation:
    """Evaluate `method` on `test`, unless it is recorded already and not wanted `again`.

    An interrupted evaluation is resumed at the clip where it stopped.

    Raises:
        RunError: when the method cannot carry it out.
        MissingError: when not one clip can be judged.
    """
    asked = short_hash(test.protocol | settings.protocol(method))
    folder = method.records / f"{test.name}-{asked}"
    done = None if again else _recorded(folder, method, asked, settings)
    if done is not None:
        return MethodEvaluation(done, folder, reused=True)
    if again:
        (folder / ROWS).unlink(missing_ok=True)
    begun = time.time(), time.perf_counter()
    found = _judge(method, test, settings, folder, tell)
    if not found.rows:
        raise MissingError(
            f"{method.name} on {test.name}: not one of {len(test)} clips could be judged; "
            f"the first: {next(iter(found.broken.values()), 'there is none')}"
        )
    record = _record(method, test, settings, found)
    write_clip_table(folder / TABLE, in_order([*found.rows.values()]))
    record = replace(
        record,
        table_sha256=sha256_of(folder / TABLE),
        compared=compare_with_default(method, test, settings),
        started=begun[0],
        seconds=time.perf_counter() - begun[1],
    )
    record.save(folder)
    (folder / ROWS).unlink()
    return MethodEvaluation(record, folder, reused=False)


def _recorded(
    folder: Path, method: Method, asked: str, settings: EvaluationSettings
) -> EvaluationRecord | None:
    try:
        record = load_evaluation(folder)
    except RecordError:
        return None
    same = record.asked_hash == asked and _as_json(record.identity) == _as_json(method.identity)
    known = {*record.values, *record.not_applicable}
    return record if same and known >= {*settings.metrics} and is_whole(folder, record) else None


def _as_json(value: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(value))


def _judge(
    method: Method, test: TestClips, settings: EvaluationSettings, folder: Path, tell: Tell
) -> ClipResults:
    what = [_as_json(method.identity), test.protocol, settings.metrics, settings.gallery]

    def save(judged: Judged) -> Mapping[str, str]:
        # Inputs and target are in the test set already.
        row, picture = judged.row, to_pixels(judged.prediction)
        return save_gallery(folder, row.index, row.clip, {"prediction": picture})

    evaluator = ClipEvaluator(
        clips=test,
        indices=range(len(test)),
        sequences=test.sequences(),
        metrics=settings.metrics,
        motions=Motions(settings.motion, test.protocol["split_digest"]),
        device=settings.inference.device,
        gallery=evenly_spaced(range(len(test)), settings.gallery),
        folder=folder,
        save=save,
        skip_broken=True,
    )
    log = ResumeLog(folder / ROWS, short_hash([what, code_stamp()]))
    try:
        return evaluator.run(predictions(method, settings), log, StopRequest(), tell)
    except torch.OutOfMemoryError as error:
        raise RunError(
            f"{method.name} on {test.name}: the frames do not fit into the memory of "
            f"{settings.inference.device}; try --tile 512",
            "oom",
        ) from error


def _record(
    method: Method, test: TestClips, settings: EvaluationSettings, found: ClipResults
) -> EvaluationRecord:
    broken = {test.clip_id(index): why for index, why in sorted(found.broken.items())}
    left = test.without(list(broken), f"{len(broken)} clips left out") if broken else test
    meaning = left.protocol | settings.protocol(method)
    rows = in_order([*found.rows.values()])
    values, infos, device = means(rows), metric_infos(), settings.inference.device
    return EvaluationRecord(
        method=method.name,
        identity=method.identity,
        run_id=method.run_id,
        checkpoints=method.checkpoints,
        test_set=test.name,
        protocol=meaning,
        protocol_hash=short_hash(meaning),
        asked_hash=short_hash(test.protocol | settings.protocol(method)),
        clips=len(rows),
        broken=broken,
        values=values,
        infos={name: infos[name] for name in measured(rows)},
        not_applicable={name: _why(name) for name in settings.metrics if name not in values},
        table=TABLE,
        table_sha256="",
        gallery=tuple(found.gallery[index] for index in sorted(found.gallery)),
        compared=None,
        environment=host() | {"device": str(device), "threads": torch.get_num_threads()},
        notes=(
            *left.notes,
            *not_computed(settings.metrics),
            *_without_number(method, test, rows),
        ),
        started=0.0,
        seconds=0.0,
    )


def _without_number(method: Method, test: TestClips, rows: Sequence[Row]) -> Iterator[str]:
    """Yield a sentence where metrics of clips are no numbers, as of pictures that hold NaN."""
    bad = [row for row in rows if any(map(math.isnan, row.values.values()))]
    if bad:
        count = "every one" if len(bad) == len(rows) else f"{len(bad)}"
        yield (
            f"{method.name} on {test.name}: {count} of {len(rows)} predictions gives a metric that "
            f"is no number (NaN), the first that of clip {bad[0].clip}: look at what the method "
            "returns; a mean over such a clip is no number either"
        )


def _why(metric: str) -> str:
    if missing := why_missing(metric):
        return missing
    if metric == "flicker":
        return "the set has no consecutive targets"
    return "no clip has a value: it has no meaning for such pictures"


def compare_with_default(
    method: Method, test: TestClips, settings: EvaluationSettings
) -> Compared | None:
    """Subtract the mean metrics of float32 on whole frames from those of the chosen settings.

    Measured over `settings.check` clips of `test`, with the metrics of single frames alone. Returns
    None when the settings are the default or the method's pictures exist already.
    """
    if settings.inference.plain or method.pictures is not None or not settings.check:
        return None
    default = replace(settings, inference=settings.inference.as_default())
    indices = evenly_spaced(range(len(test)), settings.check)
    chosen, count = _means(method, test, settings, indices)
    try:
        whole, _ = _means(method, test, default, indices)
    except torch.OutOfMemoryError:
        return Compared(
            clips=0,
            differences={},
            flagged=(),
            problem="whole frames in float32 do not fit into the memory of the device",
        )
    differences = {name: _less(chosen[name], whole[name]) for name in chosen if name in whole}
    infos = metric_infos()
    flagged = tuple(
        name
        for name, value in differences.items()
        if infos[name].unit == "dB" and not abs(value) <= LIMIT
    )
    return Compared(clips=count, differences=differences, flagged=flagged)


def _less(one: float, other: float) -> float:
    """Subtract `other` from `one`; equal infinities, of pictures without any error, give 0."""
    return 0.0 if one == other else one - other if math.isfinite(other) else math.nan


def _means(
    method: Method, test: TestClips, settings: EvaluationSettings, indices: tuple[int, ...]
) -> tuple[dict[str, float], int]:
    def broken(index: int, error: MissingError) -> None:
        return  # The evaluation itself has noted the clip.

    predict, device = predictions(method, settings), settings.inference.device
    frame = [name for name in settings.metrics if name in DEFAULT_METRICS]
    judged = judge_clips(predict, test, indices, device, StopRequest(), frame, broken)
    rows = [each.row for each in judged]
    return means(rows), len(rows)
