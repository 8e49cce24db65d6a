"""Verify a protocol card: compute its number anew and say what differs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tempo.core.errors import RecordError, SpecError
from tempo.records.events import encode
from tempo.records.method_results.protocol_cards import ProtocolCard, load_card, own_protocol
from tempo.workflow.evaluation import evaluate
from tempo.workflow.method_results.protocol_cards import OPTIONS

if TYPE_CHECKING:
    from tempo.records.method_results.evaluations import EvaluationRecord
    from tempo.workflow.observer import Observer


@dataclass(frozen=True, slots=True, kw_only=True)
class CardCheck:
    """What computing the number of a card again gave.

    Attributes:
        card: the card.
        value: the number as computed now; None where the metric has no value any more.
        differences: what else is not as the card says: fields of the protocol, a sentence each.
        notes: what differs without changing what the number means, such as the method's version.

    >>> import tempo
    >>> found = tempo.evaluate("nearest", on="ablations/v2_to_v3.yaml:smoke", metrics="psnr")
    >>> [card] = found.save_cards("build/cards/nearest.json")
    >>> check = tempo.verify_card(card)
    >>> check.difference, check.tolerance, check.differences
    (0.0, 0.001, ())
    """

    card: ProtocolCard
    value: float | None
    differences: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def difference(self) -> float | None:
        """The number as computed now less that of the card; 0 for equal infinities or two NaN."""
        if self.value is None:
            return None
        told = self.card.value
        if self.value == told or (math.isnan(self.value) and math.isnan(told)):
            return 0.0
        return self.value - told

    @property
    def tolerance(self) -> float:
        """A tenth of the last digit that tables show: what other machines may give otherwise."""
        return float(10.0 ** -(self.card.metric.digits + 1))

    @property
    def equal(self) -> bool:
        """Whether the number is that of the card, with the same meaning."""
        gap = self.difference
        return not self.differences and gap is not None and abs(gap) <= self.tolerance

    def __str__(self) -> str:
        return "\n".join((self._verdict(), *self.differences, *self.notes))

    def _verdict(self) -> str:
        info, gap = self.card.metric, self.difference
        unit = f" {info.unit}" if info.unit else ""
        what = f"{info.label} of {self.card.method} on {self.card.test_set}"
        told = f"{self.card.value:.{info.digits + 2}f}{unit}"
        if gap is None:
            return f"Differs: {what} cannot be computed here, and the card says {told}."
        now = f"{self.value:.{info.digits + 2}f}{unit}"
        if gap == 0:
            number = f"{what} is {now}, exactly as the card says"
        else:
            number = f"{what} is {now}, the card says {told}: a difference of {gap:+.4g}{unit}"
        if self.equal:
            return f"Equal: {number}" + ("." if gap == 0 else f", within {self.tolerance:g}.")
        if gap == 0 or abs(gap) <= self.tolerance:
            return f"Differs: {number}, but not under the same protocol."
        return f"Differs: {number}."


def verify_card(path: str | Path, *, observer: Observer | None = None, **options: Any) -> CardCheck:
    """Compute the number of a protocol card again and compare. Nothing is recorded.

    Args:
        path: the card, as `tempo evaluate --card` and `Evaluations.save_cards` write it.
        observer: receives progress; default: a progress bar.
        options: `records`, `cache`, `roots`, `backbones`, `device` and `threads`, as of
            `tempo.evaluate`: where things are, and on what to compute.

    Raises:
        RecordError: when there is no such card, or its method is not in these records.
        SpecError: for an option that the card itself decides.

    >>> import tempo
    >>> found = tempo.evaluate("average", on="ablations/v2_to_v3.yaml:smoke", metrics="psnr")
    >>> [card] = found.save_cards("build/cards/average.json")
    >>> tempo.verify_card(card).equal
    True
    """
    card = load_card(Path(path))
    for name in sorted({*options} & {*OPTIONS, "metrics", "again", "into", "check"}):
        raise SpecError(f"{name} stands in the card, so it cannot be chosen when it is verified")
    chosen = {name: card.options[name] for name in OPTIONS if name in card.options}
    with TemporaryDirectory() as folder:
        found = evaluate(
            card.asked,
            card.on,
            observer=observer,
            metrics=[card.metric.name],
            check=0,
            into=Path(folder),
            **chosen,
            **options,
        )
    record = next((each for each in found.records if each.method == card.method), None)
    if record is None:
        raise RecordError(f"{path}: {card.asked} is no longer a method called {card.method}")
    return CardCheck(
        card=card,
        value=record.values.get(card.metric.name),
        differences=tuple(_differences(card, record)),
        notes=tuple(_notes(card, record)),
    )


def _differences(card: ProtocolCard, record: EvaluationRecord) -> Iterator[str]:
    """Yield a sentence for each field of the protocol that is another one now."""
    now, told = own_protocol(record, card.metric.name), _plain(card.protocol)
    for name in dict.fromkeys((*told, *now)):
        if told.get(name) != now.get(name):
            what = "the clips are others" if name == "split_digest" else "another protocol"
            yield f"{what}: {name} is {now.get(name)} here, and {told.get(name)} in the card."
    if card.clips != record.clips:
        yield f"another number of clips: {record.clips} here, and {card.clips} in the card."
    if record.infos.get(card.metric.name, card.metric) != card.metric:
        yield f"another definition of {card.metric.name}: {card.metric.definition} in the card."
    if why := record.not_applicable.get(card.metric.name):
        yield f"{why}."


def _notes(card: ProtocolCard, record: EvaluationRecord) -> Iterator[str]:
    now, told = _plain(record.identity), _plain(card.identity)
    for name in dict.fromkeys((*told, *now)):
        if told.get(name) != now.get(name):
            yield (
                f"The method is not the same: {name} is {now.get(name)} here, and "
                f"{told.get(name)} in the card."
            )


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(encode(value)))
    return plain
