"""Check the upgrade note's claims against a study, and build the table of both.

Costs are compared between rows that were set to the same but for one thing, so a factorial over
size, precision and compilation answers once for each of its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tempo.comparison.comparison import Comparison, Row
from tempo.core.config_diff import flatten
from tempo.report import upgrade_note_claims as expected
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Line, NotApplicable, Table, words

VERSIONS = ("V2", "V3")
SPEEDS = {"precision": ("fp32", "bf16"), "compiled": ("off", "default")}
"""The settings that a claim of speed is about, slow and fast."""


def build(comparison: Comparison) -> Table | NotApplicable:
    """Return one line a claim that was measured; expected and measured never share a column."""
    found = [(claim, measured(claim, comparison)) for claim in expected.CLAIMS]
    lines = tuple(
        Line.of(
            Cell(claim.quantity),
            Cell(claim.expected, tone="expected"),
            Cell(said, link="#runs"),
            Cell(claim.protocol, tone="quiet"),
        )
        for claim, said in found
        if said is not None
    )
    if not lines:
        return NotApplicable(
            "the study measures nothing that the upgrade note of V3 expects, under its protocol"
        )
    caption = (
        "What the upgrade note of V3 expects of V2 and V3. Expectations are not results: a claim "
        "counts as measured only where this study follows its protocol."
    )
    columns = words("quantity", "expected", "measured", "protocol")
    return Table("claims", caption, columns, lines, tuple(_elsewhere(found)))


def _elsewhere(found: Sequence[tuple[expected.Claim, str | None]]) -> Iterator[str]:
    """Yield which claims are not measured by this study, and by what they are."""
    rest: dict[str, list[str]] = {}
    for claim, said in found:
        if said is None:
            rest.setdefault(claim.measured_by, []).append(claim.quantity)
    for by, quantities in rest.items():
        yield f"Not measured here, but by {by}: {'; '.join(quantities)}"


def measured(claim: expected.Claim, comparison: Comparison) -> str | None:
    """Return what a study measured of a claim, or why it could not; None where its protocol is
    another one."""
    whole = claim.check in {"quality", "gain"}
    if claim.check is None or (whole and not _same_protocol(comparison)):
        return None
    return "; ".join(dict.fromkeys(_CHECKS[claim.check](comparison, claim))) or None


def _same_protocol(comparison: Comparison) -> bool:
    epochs = max((curve.epochs[-1] for curve in comparison.curves if curve.epochs), default=0.0)
    width = _map(comparison.spec.get("arch")).get("base_channels")
    return expected.on_vimeo(comparison) and epochs >= expected.EPOCHS and width == expected.BASE


def _quality(comparison: Comparison, claim: expected.Claim) -> Iterator[str]:
    digits = _digits(comparison, claim.metric)
    found = [
        f"{version} {numbers.spread(row.estimates.get(claim.metric), digits)}"
        for version in VERSIONS
        if (row := expected.find_version(comparison, version)) and claim.metric in row.estimates
    ]
    yield ", ".join(found)


def _gain(comparison: Comparison, claim: expected.Claim) -> Iterator[str]:
    """Yield the contrast of V3 with V2, where V2 is the baseline."""
    old, new = (expected.find_version(comparison, version) for version in VERSIONS)
    contrast = new.contrasts.get(claim.metric) if new else None
    if old is not None and contrast is not None and contrast.baseline == old.variant:
        yield numbers.change(contrast.difference, _digits(comparison, claim.metric))


def _digits(comparison: Comparison, metric: str) -> int:
    return next((each.digits for each in comparison.metrics if each.name == metric), 2)


@dataclass(frozen=True, slots=True)
class CostRow:
    """A row with its network's version and what decides its cost.

    `crop` in pixels; `precision` and `compiled` as the spec names them.
    """

    row: Row
    version: str
    crop: Any
    batch: Any
    precision: Any
    compiled: Any

    @property
    def about(self) -> str:
        """Return `256 px, bf16`, and how the network was compiled if it was."""
        parts = [f"{self.crop}\N{NO-BREAK SPACE}px", str(self.precision)]
        return ", ".join(parts if self.compiled in {None, "off"} else [*parts, "compiled"])

    @property
    def on_gpu(self) -> bool:
        """Return whether the row ran on a GPU whose memory and speed the claims are about."""
        return not (self.row.cost.device or "cpu").lower().startswith(("cpu", "mps"))

    def agrees(self, other: CostRow, differ: str) -> bool:
        """Return whether both ran on one device and were set to the same but for `differ`."""
        same = {"version", "crop", "batch", "precision", "compiled"} - {differ}
        return self.row.cost.device == other.row.cost.device and all(
            getattr(self, name) == getattr(other, name) for name in same
        )


def cost_rows(comparison: Comparison) -> Iterator[CostRow]:
    """Yield every row that is a plain V2 or V3 of the claims' width."""
    for row in comparison.rows:
        version = _version(comparison, row)
        if row.role == "reference" or not version:
            continue
        told = _settings(comparison, row)
        if told.get("arch.base_channels") == expected.BASE:
            names = ("recipe.crop", "recipe.batch", "recipe.precision", "runtime.compile")
            yield CostRow(row, version, *map(told.get, names))


def pairs(
    comparison: Comparison, differ: str, ends: tuple[str, str]
) -> Iterator[tuple[CostRow, CostRow]]:
    """Yield the pairs of rows, in the order of `ends`, that differ in `differ` alone."""
    found = list(cost_rows(comparison))
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            by = {getattr(one, differ): one, getattr(other, differ): other}
            if set(by) == set(ends) and one.agrees(other, differ):
                yield by[ends[0]], by[ends[1]]


def _version(comparison: Comparison, row: Row) -> str:
    """Return V2 or V3 by name or level, V3 where nothing of its network varies, or nothing."""
    named = next(filter(None, map(expected.plain_version, (row.variant, *row.levels.values()))), "")
    if named:
        return named
    varied = any(
        path.startswith("arch")
        for factor, label in row.levels.items()
        for path in _level(comparison, factor, label)
    )
    attention = _map(_map(comparison.spec.get("arch")).get("se")).get("kind")
    return "V3" if row.levels and not varied and attention == "squeeze_excite" else ""


def _settings(comparison: Comparison, row: Row) -> dict[str, Any]:
    """Return the dotted fields of the row's configuration: the spec's, its levels', its own."""
    found: dict[str, Any] = {}
    for name in ("arch", "recipe", "runtime"):
        found |= flatten(_map(comparison.spec.get(name)), name)
    for factor, label in row.levels.items():
        found |= _level(comparison, factor, label)
    own = _map(_map(comparison.spec.get("variants")).get(row.variant))
    return found | flatten(_map(own.get("set")))


def _level(comparison: Comparison, factor: str, label: str) -> dict[str, Any]:
    fields = _map(_map(comparison.spec.get("factors")).get(factor))
    value, path = _map(fields.get("levels")).get(label), fields.get("path")
    return {str(path): value} if path else flatten(_map(value))


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _parameters(comparison: Comparison, _: expected.Claim) -> Iterator[str]:
    """Yield the parameters of both versions, and their ratio where both are here."""
    found = {each.version: each.row.cost.parameters for each in cost_rows(comparison)}
    known = {name: count for name in VERSIONS if (count := found.get(name)) is not None}
    text = ", ".join(f"{name} {numbers.count(value)}" for name, value in known.items())
    old, new = (known.get(name) for name in VERSIONS)
    yield f"{text} ({_times(new, old)})" if old and new else text


def _step_times(comparison: Comparison, _: expected.Claim) -> Iterator[str]:
    for old, new in pairs(comparison, "version", VERSIONS):
        a, b = old.row.cost.step_ms, new.row.cost.step_ms
        if a and b:
            yield (
                f"V2 {numbers.three(a)} ms/step, V3 {numbers.three(b)} ms/step: {_times(b, a)} as "
                f"long ({old.about}; {old.row.cost.device})"
            )


def _memory(comparison: Comparison, claim: expected.Claim) -> Iterator[str]:
    """Yield the peak GPU memory of V2 and V3 at square crops of the claim's size."""
    for old, new in pairs(comparison, "version", VERSIONS):
        a, b = old.row.cost.peak_memory, new.row.cost.peak_memory
        if old.crop != claim.crop or not a or not b:
            continue
        if not old.on_gpu:
            yield "not measured: no GPU"
        else:
            yield (
                f"V2 {numbers.memory(a)}, V3 {numbers.memory(b)}: {_times(b, a)} ({old.about}, "
                f"batch {old.batch})"
            )


def _faster(comparison: Comparison, claim: expected.Claim) -> Iterator[str]:
    """Yield how much faster V3 steps on a GPU in bf16 than in fp32, or compiled than not."""
    differ, ends = claim.check or "", SPEEDS[claim.check or ""]
    for before, after in pairs(comparison, differ, ends):
        slow, fast = before.row.cost.step_ms, after.row.cost.step_ms
        if slow and fast and before.version == "V3" and before.on_gpu:
            about = before.about if differ == "compiled" else f"{before.crop} px"
            yield (
                f"{numbers.three(slow)} → {numbers.three(fast)} ms/step: "
                f"{numbers.signed(100 * (slow / fast - 1), 0)}% speed ({about})"
            )


def _times(new: float, old: float) -> str:
    """Return `1.5×`, to two significant digits below ten."""
    ratio = new / old
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:.0f}×"


_CHECKS: dict[expected.Check, Callable[[Comparison, expected.Claim], Iterator[str]]] = {
    "quality": _quality,
    "gain": _gain,
    "parameters": _parameters,
    "step time": _step_times,
    "memory": _memory,
    "precision": _faster,
    "compiled": _faster,
}
