"""Choose the weights of a run and evaluate them on its test split, resumably."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tempo.core.code_stamp import code_stamp
from tempo.core.errors import RecordError, RunError
from tempo.core.identity import short_hash
from tempo.data.cache.splits import Split
from tempo.data.clips import Clip
from tempo.data.testsets.testset import protocol
from tempo.metrics.metric_table import metric_infos
from tempo.metrics.metric_weights import perceptual_protocol
from tempo.records.events import Evaluated
from tempo.records.files import attempt_of, of_attempt, sha256_of
from tempo.spec.data import data_of
from tempo.spec.options import Options
from tempo.train.evaluation.clip_evaluation import (
    Judged,
    PredictClips,
    Predictor,
    Row,
    TestClips,
    collect,
    in_order,
    means,
    predict_clips,
)
from tempo.train.evaluation.evaluator import ClipEvaluator, Motions, ResumeLog, write_clip_table
from tempo.train.evaluation.kept_pictures import inputs_and_target, save_gallery, to_pixels
from tempo.train.evaluation.temporal_sequences import share_of_stretches, stretches
from tempo.train.hardware.process_group import Group
from tempo.train.optim.averaging import (
    Weights,
    copy_weights,
    live_weights,
    mean_weights,
    weights_hash,
)
from tempo.train.run.checkpoints import saved_checkpoints, weights_of
from tempo.train.run.stop_request import StopRequest
from tempo.train.run.training_loop import Training, needed, predictor


@dataclass(frozen=True, slots=True)
class SpecTestSplit:
    """The test split of a spec, with the protocol that its runs report.

    `left_out`: ids of clips that could not be judged; without them it is another test set."""

    name: str
    split: Split
    options: Options
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def protocol(self) -> dict[str, Any]:
        """Return everything that a number on the split means, but for the arithmetic."""
        digest = self.split.judged_digest
        if self.left_out:
            digest = short_hash([digest, self.left_out], len(digest))
        sizes = {shard.size for shard in self.split.shards}
        size = sizes.pop() if len(sizes) == 1 else None
        judged = data_of(self.options, self.split.name)
        return protocol(judged, self.split.name, digest, size)

    def sequences(self) -> list[range]:
        """Return the ranges of two or more clips whose targets follow each other in time."""
        return [each for each in stretches(self.split) if len(each) > 1]

    def without(self, ids: Collection[str], note: str) -> SpecTestSplit:
        """Return the split less some clips; these are still counted, and must not be read."""
        left_out = tuple(sorted({*self.left_out, *ids}))
        return SpecTestSplit(self.name, self.split, self.options, left_out, (*self.notes, note))

    def clip_id(self, index: int) -> str:
        """Return the id of a clip without reading the clip."""
        return self.split.locate(index)[1].id

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> Clip:
        return self.split[index]


@dataclass(frozen=True, slots=True)
class SelectedWeights:
    """What an evaluation judges: `name` says how its weights were chosen, `step` is that of the
    newest checkpoint that takes part, `weights` the hash of all of them."""

    predict: PredictClips
    step: int
    name: str
    weights: str


def select_weights(training: Training) -> SelectedWeights:
    """Choose the weights that `evaluation.select` asks for, once training is done.

    Raises:
        RunError: when no validation gave a number.
        RecordError: when a checkpoint that is needed is gone or damaged.
    """
    evaluation, progress = training.config.evaluation, training.progress
    name = evaluation.select
    steps = [progress.step] if name == "last" else needed(evaluation, progress)
    if not steps:
        raise RunError("no validation gave a number, so no checkpoint can be chosen", "non_finite")
    states = [_weights(training, step) for step in steps]
    if name == "ensemble":
        live = live_weights(training.trainer.model)
        predict = ensemble(live, predictor(training.trainer), states)
    else:
        weights = states[0] if len(states) == 1 else mean_weights(states)
        copy_weights(live_weights(training.trainer.model), weights)
        predict = predictor(training.trainer)
    label = name if name in {"best", "last"} else f"{name} of {len(steps)}"
    clips = predict_clips(predict, training.trainer.precision.device)
    return SelectedWeights(clips, steps[-1], label, weights_hash(states))


def _weights(training: Training, step: int) -> Weights:
    """Return the weights of the checkpoint at `step`, averaged ones where it holds some."""
    if step == training.progress.step:
        averaged = training.trainer.averaging.weights()
        live = live_weights(training.trainer.model).items()
        return {**{name: each.detach().clone() for name, each in live}, **(averaged or {})}
    group = training.trainer.group
    return group.share(_stored(training, step) if group.leads else None)  # type: ignore[no-any-return]


def _stored(training: Training, step: int) -> Weights:
    saved = saved_checkpoints(training.journal.events())
    found = next((each for each in saved if each.step == step), None)
    if found is None:
        raise RecordError(f"{training.folder}: the record knows no checkpoint of step {step}")
    return weights_of(training.checkpoints.load(found))


def ensemble(
    live: Mapping[str, Tensor], predict: Predictor, states: Sequence[Weights]
) -> Predictor:
    """Average the predictions of several sets of weights, each copied in turn into the tensors
    `live` that `predict` uses."""

    def mean_prediction(frames: Tensor, times: Tensor, moment: Tensor) -> Tensor:
        total = torch.zeros_like(frames[:, 0])
        for state in states:
            copy_weights(live, state)
            total += predict(frames, times, moment)
        return total / len(states)

    return mean_prediction


def every_stretch(test: TestClips) -> list[range]:
    """Return all clips in ranges whose targets follow each other in time, single clips included."""
    found = {each.start: each for each in test.sequences()}
    inside = {index for each in found.values() for index in each}
    alone = {index: range(index, index + 1) for index in range(len(test)) if index not in inside}
    return [each for _, each in sorted((found | alone).items())]


LOG = "test-clips"
"""The start of the names of the resume logs, each of one attempt and one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvaluation:
    """The test clips of a run. `gallery` is chosen from them before any training."""

    test: TestClips
    metrics: tuple[str, ...]
    gallery: tuple[int, ...]
    motions: Motions
    device: torch.device
    group: Group
    folder: Path
    attempt: int

    def run(self, chosen: SelectedWeights, stop: StopRequest) -> Evaluated:
        """Judge the clips that no earlier attempt has judged with these weights; write the table.

        Raises:
            StoppedError: when a process was asked to stop; the clips judged so far are kept.
        """
        together = every_stretch(self.test)
        evaluator = ClipEvaluator(
            clips=self.test,
            indices=share_of_stretches(together, self.group),
            sequences=together,
            metrics=self.metrics,
            motions=self.motions,
            device=self.device,
            gallery=self.gallery,
            folder=self.folder,
            save=self._save,
        )
        found = evaluator.run(chosen.predict, self._log(chosen), stop)
        rows = in_order(collect([*found.rows.values()], self.group, stop))
        entries = dict(collect([*found.gallery.items()], self.group, stop))
        if self.group.leads:
            write_clip_table(self.folder / self.table, rows)
        return self._event(rows, [entries[each] for each in self.gallery], chosen)

    def forget(self) -> None:
        """Delete the resume logs of this attempt and earlier ones, once the result is recorded."""
        for path in self.folder.glob(f"{LOG}-*.jsonl") if self.group.leads else ():
            if attempt_of(path) <= self.attempt:
                path.unlink(missing_ok=True)

    def _log(self, chosen: SelectedWeights) -> ResumeLog:
        """Open this attempt's log: an older attempt that still writes has a file of its own."""
        rank, world = self.group.rank, self.group.world
        weights = [chosen.name, chosen.step, chosen.weights]
        what = [self.protocol(), self.metrics, self.gallery, rank, world, code_stamp()]
        path = of_attempt(self.folder / f"{LOG}-{rank}.jsonl", self.attempt)
        others = sorted(self.folder.glob(f"{LOG}-{rank}-a*.jsonl"), key=attempt_of)
        earlier = [each for each in others if attempt_of(each) < self.attempt]
        return ResumeLog(path, short_hash([weights, what]), earlier)

    def _save(self, judged: Judged) -> Mapping[str, str]:
        pictures = inputs_and_target(judged.clip) | {"prediction": to_pixels(judged.prediction)}
        row = judged.row
        return save_gallery(self.folder, row.index, row.clip, pictures, self.attempt)

    def _event(
        self, rows: Sequence[Row], gallery: Sequence[Mapping[str, str]], chosen: SelectedWeights
    ) -> Evaluated:
        infos = metric_infos()
        return Evaluated(
            split=str(self.test.protocol["split"]),
            step=chosen.step,
            checkpoint=chosen.name,
            clips=len(rows),
            values=means(rows),
            # One that was asked for and has no value is not applicable, which a reader must see.
            infos={name: asdict(infos[name]) for name in self.metrics},
            protocol=self.protocol(),
            protocol_hash=short_hash(self.protocol()),
            table=str(self.table),
            table_sha256=sha256_of(self.folder / self.table) if self.group.leads else "",
            gallery=tuple(gallery),
            weights="" if chosen.name == "none" else chosen.weights,
        )

    @property
    def table(self) -> Path:
        """The path of the clip table below the run's folder."""
        return of_attempt(Path("clips.parquet"), self.attempt)

    def protocol(self) -> dict[str, Any]:
        """Return everything the numbers mean, as JSON values."""
        plain = self.test.protocol | {"arithmetic": "float32"}
        return plain | perceptual_protocol(self.metrics)
