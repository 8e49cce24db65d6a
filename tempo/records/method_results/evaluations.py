"""Store evaluations outside training: one method on one test set, in a folder of its own.

<folder>/   evaluation.json, clips.parquet, gallery/; rows.jsonl while it is not done
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.core.errors import RecordError
from tempo.core.records import MetricInfo
from tempo.records.events import decode, encode
from tempo.records.field_types import build
from tempo.records.files import inside, read_object, sha256_of, write_json

NAME, TABLE = "evaluation.json", "clips.parquet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What half precision or tiling changed: mean metrics less those of float32 on whole frames,
    over `clips` of the gallery; `problem` says why nothing was measured."""

    clips: int
    differences: Mapping[str, float]
    flagged: tuple[str, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """One method on one test set.

    `protocol` is everything a number means, hashed in `protocol_hash`. `asked_hash` is that of the
    set with all its clips: it differs when clips in `broken` (clip to reason) were left out.
    `identity` is what decided the method's pictures; `checkpoints` are its files with their
    SHA-256. `values` are means over clips; a metric in `not_applicable` has no meaning here, for
    the reason given. Paths are relative to the record's folder, but for those of checkpoints.
    """

    method: str
    identity: Mapping[str, Any]
    run_id: str | None
    checkpoints: tuple[Mapping[str, Any], ...]
    test_set: str
    protocol: Mapping[str, Any]
    protocol_hash: str
    asked_hash: str
    clips: int
    broken: Mapping[str, str]
    values: Mapping[str, float]
    infos: Mapping[str, MetricInfo]
    not_applicable: Mapping[str, str]
    table: str
    table_sha256: str
    gallery: tuple[Mapping[str, str], ...]
    compared: Compared | None
    environment: Mapping[str, Any]
    notes: tuple[str, ...]
    started: float
    seconds: float

    def save(self, folder: Path) -> None:
        """Write the record, whose presence marks the evaluation as complete."""
        write_json(folder / NAME, encode(asdict(self)))


def load_evaluation(folder: Path) -> EvaluationRecord:
    """Read the record in `folder`.

    Raises:
        RecordError: when there is none, or it cannot be read.
    """
    path = folder / NAME
    try:
        return build(EvaluationRecord, decode(read_object(path)))
    except ValueError as error:
        raise RecordError(f"{path} is no record of an evaluation: {error}") from error


def is_whole(folder: Path, record: EvaluationRecord) -> bool:
    """Whether the table of clips is present and unchanged."""
    try:
        return sha256_of(inside(folder, record.table)) == record.table_sha256
    except RecordError:
        return False
