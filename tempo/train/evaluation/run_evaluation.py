"""Evaluate a run's network on the test split of its spec, resumably; record it as an event."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from tempo.core.code_stamp import code_stamp
from tempo.core.identity import short_hash
from tempo.data.cache.splits import Split
from tempo.data.clips import Clip
from tempo.data.testsets.testset import protocol
from tempo.metrics.metric_table import metric_infos
from tempo.records.events import Evaluated
from tempo.records.files import attempt_of, of_attempt, sha256_of
from tempo.spec.options import Options
from tempo.train.evaluation.clip_evaluation import (
    Judged,
    Row,
    collect,
    in_order,
    means,
    predict_clips,
)
from tempo.train.evaluation.evaluator import ClipEvaluator, Motions, ResumeLog, write_clip_table
from tempo.train.evaluation.kept_pictures import inputs_and_target, save_gallery, to_pixels
from tempo.train.evaluation.temporal_sequences import share_of_stretches, stretches
from tempo.train.evaluation.weight_selection import SelectedWeights
from tempo.train.hardware.process_group import Group
from tempo.train.run.stop_request import StopRequest


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
        digest = self.split.digest
        if self.left_out:
            digest = short_hash([digest, self.left_out], len(digest))
        sizes = {shard.size for shard in self.split.shards}
        size = sizes.pop() if len(sizes) == 1 else None
        return protocol(self.options, self.split.name, digest, size)

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


LOG = "test-clips"
"""The start of the names of the resume logs, each of one attempt and one process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvaluation:
    """The test clips of a run. `gallery` is chosen from them before any training."""

    test: SpecTestSplit
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
        together = stretches(self.test.split)
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
        predict = predict_clips(chosen.predict, self.device)
        found = evaluator.run(predict, self._log(chosen), stop)
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
            split=self.test.split.name,
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
        )

    @property
    def table(self) -> Path:
        """The path of the clip table below the run's folder."""
        return of_attempt(Path("clips.parquet"), self.attempt)

    def protocol(self) -> dict[str, Any]:
        """Return everything the numbers mean, as JSON values."""
        return self.test.protocol | {"arithmetic": "float32"}
