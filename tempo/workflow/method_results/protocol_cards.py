"""Write a protocol card for each number of an evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import SpecError
from tempo.core.identity import file_name
from tempo.core.version import VERSION
from tempo.records.method_results.protocol_cards import (
    ProtocolCard,
    card_text,
    make_card,
)

if TYPE_CHECKING:
    from tempo.records.method_results.evaluations import EvaluationRecord

OPTIONS = ("precision", "tile", "overlap", "tta", "rounded", "plugins")
"""The options of an evaluation that a number depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a method, a test set and metrics were named, and the options of the evaluation.

    `method` is None for a Python function, which another process cannot find again.
    """

    method: str | None
    on: str
    metrics: tuple[str, ...]
    options: Mapping[str, Any]


def save_cards(
    path: Path, records: Sequence[EvaluationRecord], asked: Sequence[Asked]
) -> list[Path]:
    """Write a card for each number, as JSON and beside it as Markdown; return the JSON files.

    One number is written to `path` itself; of several, each to a file whose name goes on with
    method, test set and metric.

    Raises:
        SpecError: when `path` is no .json file, or a method is a Python function.
    """
    check_card(path)
    cards = list(_cards(records, asked))
    if not cards:
        raise SpecError("there is no number to write a protocol card of")
    paths = []
    for card in cards:
        parts = map(file_name, (card.method, card.test_set, card.metric.name))
        place = path if len(cards) == 1 else path.with_stem("-".join((path.stem, *parts)))
        place.parent.mkdir(parents=True, exist_ok=True)
        card.save(place)
        place.with_suffix(".md").write_text(card_text(card), encoding="utf-8")
        paths.append(place)
    return paths


def check_card(path: Path) -> None:
    """Raise SpecError unless a protocol card can be called so."""
    if path.suffix != ".json":
        raise SpecError(f"a protocol card is written as a .json file, and {path} is none")


def _cards(records: Sequence[EvaluationRecord], asked: Sequence[Asked]) -> Iterator[ProtocolCard]:
    for record, how in zip(records, asked, strict=True):
        if how.method is None:
            raise SpecError(
                f"no protocol card can be written of {record.method}: it is a Python function, "
                "which nobody could find again; name it as package.module:name"
            )
        for metric in (name for name in how.metrics if name in record.values):
            yield make_card(
                record,
                metric,
                asked=how.method,
                on=how.on,
                options=dict(how.options),
                tempo=VERSION,
            )
