"""What a study measured of the seed text's claims on parameters, memory and speed.

Rows are paired by what they were set to, so a factorial over size, precision and compilation
answers once for each of its cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tempo.compare.comparison import Comparison, Row
from tempo.core.config_diff import flatten
from tempo.report.formats import numbers

BASE = 64
"""The width (channels at full resolution) that the claims are about."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A row with its network's version and what decides its cost.

    `crop` in pixels; `precision` and `compiled` as the spec names them.
    """

    row: Row
    version: str
    base: Any
    crop: Any
    batch: Any
    precision: Any
    compiled: Any

    @property
    def about(self) -> str:
        """`256 px, bf16`, and how it was compiled if it was."""
        parts = [f"{self.crop}\N{NO-BREAK SPACE}px", str(self.precision)]
        return ", ".join(parts if self.compiled in {None, "off"} else [*parts, "compiled"])


def cells(comparison: Comparison) -> Iterator[Cell]:
    """Every row that is a plain V2 or V3 of the claims' width."""
    for row in comparison.rows:
        version = version_of(comparison, row)
        if row.role == "reference" or version is None:
            continue
        told = settings(comparison, row)
        if told.get("arch.base_channels") == BASE:
            yield Cell(
                row,
                version,
                BASE,
                told.get("recipe.crop"),
                told.get("recipe.batch"),
                told.get("recipe.precision"),
                told.get("runtime.compile"),
            )


def version_of(comparison: Comparison, row: Row) -> str | None:
    """`V2` or `V3` by the row's name or one of its levels, or because all rows of the study are V3
    and nothing of its network is varied; else None."""
    for label in (row.variant, *row.levels.values()):
        name = label.lower().replace("-", "_").removeprefix("tempo_")
        if name in {"v2", "v3"}:
            return name.upper()
    varied = any(
        path.startswith("arch")
        for name in row.levels
        for path in _level(comparison, name, row.levels[name])
    )
    attention = _map(_map(_map(comparison.spec).get("arch")).get("se")).get("kind")
    plain = bool(row.levels) and not varied and attention == "squeeze_excite"
    return "V3" if plain else None


def settings(comparison: Comparison, row: Row) -> dict[str, Any]:
    """Dotted fields of the row's configuration: the spec's, its levels' and its own."""
    found: dict[str, Any] = {}
    for name in ("arch", "recipe", "runtime"):
        found |= flatten(_map(comparison.spec.get(name)), name)
    for factor, label in row.levels.items():
        found |= _level(comparison, factor, label)
    listed = _map(_map(comparison.spec.get("variants")).get(row.variant))
    return found | flatten(_map(listed.get("set")))


def _level(comparison: Comparison, factor: str, label: str) -> dict[str, Any]:
    """What a level of a factor sets."""
    fields = _map(_map(comparison.spec.get("factors")).get(factor))
    value = _map(fields.get("levels")).get(label)
    path = fields.get("path")
    return {str(path): value} if path else flatten(_map(value))


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _twins(comparison: Comparison, same: tuple[str, ...]) -> Iterator[tuple[Cell, Cell]]:
    """Pairs of cells on one device that agree in the fields `same`, in the study's order."""
    found = list(cells(comparison))
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            device = one.row.cost.device == other.row.cost.device
            if device and all(getattr(one, name) == getattr(other, name) for name in same):
                yield one, other


def versions(comparison: Comparison) -> Iterator[tuple[Cell, Cell]]:
    """V2 and V3 at the same crop, batch, precision and compilation, on one device."""
    for one, other in _twins(comparison, ("crop", "batch", "precision", "compiled")):
        if {one.version, other.version} == {"V2", "V3"}:
            yield (one, other) if one.version == "V2" else (other, one)


def parameters(comparison: Comparison) -> str | None:
    """Parameters of both at the claims' width, and their ratio where both are here."""
    found = {each.version: each.row.cost.parameters for each in cells(comparison)}
    known = {name: found[name] for name in ("V2", "V3") if found.get(name) is not None}
    if not known:
        return None
    text = ", ".join(f"{name} {numbers.count(value)}" for name, value in known.items())
    old, new = known.get("V2"), known.get("V3")
    return f"{text} ({times(new, old)})" if old and new else text


def speed(comparison: Comparison) -> str | None:
    """Step times of V2 and V3, and how much longer V3's are."""
    said = [
        f"V2 {numbers.three(a)} ms/step, V3 {numbers.three(b)} ms/step: {times(b, a)} as long "
        f"({old.about}; {old.row.cost.device})"
        for old, new in versions(comparison)
        if (a := old.row.cost.step_ms) and (b := new.row.cost.step_ms)
    ]
    return "; ".join(said) or None


def memory(crop: int) -> Callable[[Comparison], str | None]:
    """Peak GPU memory of V2 and V3 at crops of `crop` x `crop` pixels."""

    def measure(comparison: Comparison) -> str | None:
        said = [
            f"V2 {numbers.memory(a)}, V3 {numbers.memory(b)}: {times(b, a)} ({old.about}, "
            f"batch {old.batch})"
            for old, new in versions(comparison)
            if old.crop == crop
            and _on_gpu(old)
            and (a := old.row.cost.peak_memory)
            and (b := new.row.cost.peak_memory)
        ]
        return "; ".join(said) or None

    return measure


def mixed_precision(comparison: Comparison) -> str | None:
    """How much faster V3 steps in bf16 than in fp32."""
    same = ("version", "crop", "batch", "compiled")
    return _faster(comparison, same, "precision", ("fp32", "bf16"))


def compiled(comparison: Comparison) -> str | None:
    """How much faster V3 steps when compiled."""
    same = ("version", "crop", "batch", "precision")
    return _faster(comparison, same, "compiled", ("off", "default"))


def _faster(
    comparison: Comparison, same: tuple[str, ...], field: str, ends: tuple[str, str]
) -> str | None:
    said = []
    for pair in _twins(comparison, same):
        by = {getattr(each, field): each for each in pair}
        if set(by) != set(ends) or pair[0].version != "V3" or not _on_gpu(pair[0]):
            continue
        slow, fast = (by[end].row.cost.step_ms for end in ends)
        if slow and fast:
            about = by[ends[0]].about if field == "compiled" else f"{by[ends[0]].crop} px"
            said.append(
                f"{numbers.three(slow)} → {numbers.three(fast)} ms/step: "
                f"{numbers.signed(100 * (slow / fast - 1), 0)}% speed ({about})"
            )
    return "; ".join(said) or None


def _on_gpu(cell: Cell) -> bool:
    device = (cell.row.cost.device or "cpu").lower()
    return not device.startswith(("cpu", "mps"))


def times(new: float, old: float) -> str:
    """`1.5×`, to two significant digits below ten."""
    ratio = new / old
    return f"{ratio:.1f}×" if ratio < 10 else f"{ratio:.0f}×"
