"""The final evaluation of a run, on the test split, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from tempo.core.identity import short_hash
from tempo.data.cache.splits import Split
from tempo.data.testsets.protocol import protocol
from tempo.metrics.metric_table import metric_infos
from tempo.records.events import Evaluated
from tempo.records.files import of_attempt, sha256_of, write_atomic
from tempo.spec.metrics import DEFAULT_METRICS
from tempo.spec.options import Options
from tempo.spec.study import RunConfig
from tempo.train.evaluation.clip_evaluation import (
    Predictor,
    Row,
    collect,
    in_order,
    judge,
    means,
    measured,
)
from tempo.train.evaluation.clip_motion import Motions
from tempo.train.evaluation.gallery_pictures import choose, keep
from tempo.train.evaluation.temporal_sequences import judge_in_time, share_of_stretches, stretches
from tempo.train.hardware.process_group import Group
from tempo.train.run.stop_request import StopRequest


@dataclass(frozen=True, slots=True)
class TestEvaluation:
    """The test clips of a run; the gallery is chosen when this is made, before any training."""

    split: Split
    options: Options
    gallery: tuple[int, ...]
    device: torch.device
    group: Group
    folder: Path
    attempt: int
    motions: Motions
    metrics: tuple[str, ...] = DEFAULT_METRICS

    def run(
        self, predict: Predictor, *, step: int, checkpoint: str, stop: StopRequest
    ) -> Evaluated:
        """Judge every test clip and write the table and the gallery."""
        rows: list[Row] = []
        kept: list[tuple[int, Mapping[str, str]]] = []
        together = stretches(self.split)
        mine = share_of_stretches(together, self.group)
        found = judge(predict, self.split, mine, self.device, stop, self.metrics)
        for judged in self.motions.describe(judge_in_time(found, together, self.metrics)):
            rows.append(judged.row)
            if judged.row.index in self.gallery:
                kept.append((judged.row.index, keep(judged, self.folder, self.attempt)))
        every = in_order(collect(rows, self.group, stop))
        entries = dict(collect(kept, self.group, stop))
        if self.group.leads:
            write_table(self.folder / self.table, every)
        return self._event(every, [entries[each] for each in self.gallery], step, checkpoint)

    def _event(
        self, rows: Sequence[Row], gallery: Sequence[Mapping[str, str]], step: int, checkpoint: str
    ) -> Evaluated:
        meaning = self.protocol()
        infos = metric_infos()
        return Evaluated(
            split=self.split.name,
            step=step,
            checkpoint=checkpoint,
            clips=len(rows),
            values=means(rows),
            # One that was asked for and has no value is not applicable, which a reader must see.
            infos={name: asdict(infos[name]) for name in self.metrics},
            protocol=meaning,
            protocol_hash=short_hash(meaning),
            table=str(self.table),
            table_sha256=sha256_of(self.folder / self.table) if self.group.leads else "",
            gallery=tuple(gallery),
        )

    @property
    def table(self) -> Path:
        """Where the rows go, within the run's folder."""
        return of_attempt(Path("clips.parquet"), self.attempt)

    def protocol(self) -> dict[str, Any]:
        """Everything these numbers mean, as data."""
        sizes = {shard.size for shard in self.split.shards}
        size = sizes.pop() if len(sizes) == 1 else None
        meaning = protocol(self.options, self.split.name, self.split.digest, size)
        return meaning | {"arithmetic": "float32"}


def prepare_test(
    split: Split,
    config: RunConfig,
    *,
    device: torch.device,
    group: Group,
    folder: Path,
    cache: Path,
    attempt: int,
) -> TestEvaluation:
    """Choose the gallery; call before training. `cache` keeps what is estimated of the clips."""
    return TestEvaluation(
        split=split,
        options=config.data,
        gallery=choose(split, config.evaluation.gallery),
        device=device,
        group=group,
        folder=folder,
        attempt=attempt,
        motions=Motions(cache / "motion", split.digest),
        metrics=config.evaluation.metrics,
    )


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """One row a clip: clip, source, motion, occlusion, then the metrics. Unknown stays null."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tempo.records.columns import numbers, texts

    columns = {
        "clip": texts([row.clip for row in rows]),
        "source": texts([row.source for row in rows]),
        "motion": numbers([row.motion for row in rows]),
        "occlusion": numbers([row.occlusion for row in rows]),
    }
    for name in measured(rows):
        columns[name] = numbers([row.values.get(name) for row in rows])
    buffer = BytesIO()
    pq.write_table(pa.Table.from_arrays(list(columns.values()), list(columns)), buffer)
    write_atomic(path, lambda file: file.write(buffer.getbuffer()))
