"""Store protocol cards: one number each, with everything that it means and how to compute it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tempo.core.errors import RecordError
from tempo.core.identity import short_hash
from tempo.core.records import MetricInfo
from tempo.records.events import decode, encode
from tempo.records.field_types import build
from tempo.records.files import read_object, write_json
from tempo.records.method_results.evaluations import EvaluationRecord

FORMAT = 1

PRIVATE = ("host", "pid")
"""Of an evaluation's environment, what a card that is handed on does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtocolCard:
    """One metric of one method on one test set.

    `asked` is how the method was named, `on` how the test set was, and `options` are those of the
    evaluation: what is needed to compute `value` again. `identity` is what decides the method's
    pictures, `checkpoints` are its files with their SHA-256.
    """

    method: str
    asked: str
    identity: Mapping[str, Any]
    checkpoints: tuple[Mapping[str, Any], ...]
    on: str
    test_set: str
    clips: int
    broken: Mapping[str, str]
    protocol: Mapping[str, Any]
    protocol_hash: str
    metric: MetricInfo
    value: float
    options: Mapping[str, Any]
    tempo: str
    environment: Mapping[str, Any]
    format: int = FORMAT

    def save(self, path: Path) -> None:
        """Write the card as JSON."""
        write_json(path, encode(asdict(self)))


def own_protocol(record: EvaluationRecord, metric: str) -> dict[str, Any]:
    """Return the protocol of one metric: weights that only other metrics look through left out."""
    fields: dict[str, Any] = json.loads(json.dumps(encode(record.protocol)))
    others = fields.pop("perceptual", {})
    return fields | ({"perceptual": {metric: others[metric]}} if metric in others else {})


def make_card(
    record: EvaluationRecord,
    metric: str,
    *,
    asked: str,
    on: str,
    options: Mapping[str, Any],
    tempo: str,
) -> ProtocolCard:
    """Return the card of one metric that an evaluation has a value of."""
    protocol = own_protocol(record, metric)
    return ProtocolCard(
        method=record.method,
        asked=asked,
        identity=record.identity,
        checkpoints=record.checkpoints,
        on=on,
        test_set=record.test_set,
        clips=record.clips,
        broken=record.broken,
        protocol=protocol,
        protocol_hash=short_hash(protocol),
        metric=record.infos[metric],
        value=record.values[metric],
        options=options,
        tempo=tempo,
        environment={k: v for k, v in record.environment.items() if k not in PRIVATE},
    )


def load_card(path: Path) -> ProtocolCard:
    """Read the card at `path`.

    Raises:
        RecordError: when there is none, it cannot be read, or a newer Tempo wrote it.
    """
    given = read_object(path)
    if isinstance(given.get("format"), int) and given["format"] > FORMAT:
        raise RecordError(
            f"{path} is a protocol card of format {given['format']}, and this Tempo reads "
            f"{FORMAT}: verify it with a newer one"
        )
    try:
        return build(ProtocolCard, decode(given))
    except ValueError as error:
        raise RecordError(f"{path} is no protocol card: {error}") from error


def card_text(card: ProtocolCard) -> str:
    """Return the card as a page of Markdown."""
    info = card.metric
    unit = f" {info.unit}" if info.unit else ""
    lines = [
        f"# {info.label} of {card.method} on {card.test_set}",
        "",
        f"**{card.value:.{info.digits}f}{unit}** over {card.clips} clips "
        f"({info.better} is better; in full {card.value!r})",
        "",
        f"{info.label}: {info.definition}.",
        "",
        "| protocol | |",
        "|---|---|",
        *(f"| {name} | {_cell(value)} |" for name, value in card.protocol.items()),
        f"| hash | {card.protocol_hash} |",
        "",
        "| method | |",
        "|---|---|",
        f"| asked for as | {_cell(card.asked)} |",
        *(f"| {name} | {_cell(value)} |" for name, value in card.identity.items()),
        *(f"| SHA-256 of {_cell(each['path'])} | {each['sha256']} |" for each in card.checkpoints),
        "",
        f"Computed by Tempo {card.tempo} on {_cell(card.environment)}.",
    ]
    if card.broken:
        lines += ["", f"Left out, because they cannot be read: {', '.join(card.broken)}."]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_cell(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    return str(value).replace("|", "\\|").replace("\n", " ")
