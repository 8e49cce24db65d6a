"""What the seed text claims of V2 and V3, as data. An expectation, never a result.

Source: the V3 upgrade note that Tempo starts from. Its protocol is Vimeo-90K triplets, 100 epochs,
base width 64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tempo.compare.comparison import Comparison, Row
from tempo.report import upgrade_costs as costs
from tempo.report.formats import numbers


@dataclass(frozen=True, slots=True)
class Point:
    """An expected PSNR range (dB) of `variant` at `epoch`."""

    variant: str
    epoch: float
    low: float
    high: float


EXPECTED = (
    Point("V2", 20, 30, 30),
    Point("V2", 50, 31, 31),
    Point("V2", 100, 32, 32),
    Point("V3", 20, 31, 31),
    Point("V3", 50, 33, 34),
    Point("V3", 100, 34, 35),
)


def find(comparison: Comparison, version: str) -> Row | None:
    """The row that is plain V2 or V3 by its name (`v2`, `tempo_v2`), or None."""
    for row in comparison.rows:
        name = row.variant.lower().replace("-", "_").removeprefix("tempo_")
        if row.role != "reference" and name == version.lower():
            return row
    return None


def on_vimeo(comparison: Comparison) -> bool:
    """Whether the study's clips are those that the claims are about."""
    data = comparison.spec.get("data")
    return isinstance(data, dict) and data.get("kind") == "vimeo90k"


def expected_points(comparison: Comparison) -> tuple[Point, ...]:
    """The points to mark beside learning curves: only where the same thing is measured."""
    if not on_vimeo(comparison):
        return ()
    return tuple(point for point in EXPECTED if find(comparison, point.variant))


Measure = Callable[[Comparison], str | None]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: what is expected, under which protocol, and what measures it.

    `measure` writes what a comparison measured of it, or is None where the study does not
    follow the protocol.
    """

    quantity: str
    expected: str
    protocol: str
    measured_by: str
    measure: Measure


def _never(comparison: Comparison) -> None:
    return None


def _quality(metric: str, digits: int) -> Measure:
    def measure(comparison: Comparison) -> str | None:
        if not (on_vimeo(comparison) and _epochs(comparison) >= 100 and _base(comparison) == 64):
            return None
        found = [
            f"{version} {numbers.spread(row.estimates.get(metric), digits)}"
            for version in ("V2", "V3")
            if (row := find(comparison, version)) and metric in row.estimates
        ]
        return ", ".join(found) or None

    return measure


def _gain(metric: str, digits: int) -> Measure:
    def measure(comparison: Comparison) -> str | None:
        old, new = find(comparison, "V2"), find(comparison, "V3")
        if _quality(metric, digits)(comparison) is None or old is None or new is None:
            return None
        contrast = new.contrasts.get(metric)
        if contrast is None or contrast.baseline != old.variant:
            return None
        return numbers.change(contrast.difference, digits)

    return measure


def _section(comparison: Comparison, *path: str) -> Any:
    value: Any = comparison.spec
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _base(comparison: Comparison) -> Any:
    return _section(comparison, "arch", "base_channels")


def _epochs(comparison: Comparison) -> float:
    """The epochs that validation reached, or 0 before there is any."""
    return max((curve.epochs[-1] for curve in comparison.curves if curve.epochs), default=0.0)


_VIMEO = "Vimeo-90K triplet test split, 100 epochs, base 64"
_LADDER = "ablations/v2_to_v3.yaml"
_COSTS = "experiments/memory_speed.yaml"
_PRECISION = "ablations/precision.yaml or experiments/memory_speed.yaml"
_GPU = "same batch, crop and precision, one GPU, base 64"

CLAIMS = (
    Claim("PSNR", "V2 32.0 dB, V3 34–35 dB", _VIMEO, _LADDER, _quality("psnr", 2)),
    Claim("PSNR, V3 over V2", "+2–3 dB", _VIMEO, _LADDER, _gain("psnr", 2)),
    Claim("PSNR at epochs 20, 50, 100, V2", "30, 31, 32 dB", _VIMEO, _LADDER, _never),
    Claim("PSNR at epochs 20, 50, 100, V3", "31, 33–34, 34–35 dB", _VIMEO, _LADDER, _never),
    Claim("SSIM", "V2 0.930, V3 0.95–0.96", _VIMEO, _LADDER, _quality("ssim", 4)),
    Claim("SSIM, V3 over V2", "+0.02–0.03", _VIMEO, _LADDER, _gain("ssim", 4)),
    Claim(
        "parameters", "V2 about 3 M, V3 about 12 M (4 times)", "base 64", _LADDER, costs.parameters
    ),
    Claim(
        "residual convolutions in the encoder",
        "V2 about 10, V3 about 56",
        "6 blocks a scale",
        "tests/models/test_structure.py",
        _never,
    ),
    Claim(
        "step time, V3 against V2",
        "about 1.5 times (speed 0.6–0.7 times)",
        "same batch, crop and precision, one device, base 64",
        _COSTS,
        costs.speed,
    ),
    Claim("memory, 256 × 256", "about 4 times; batch 4 → 2", _GPU, _COSTS, costs.memory(256)),
    Claim(
        "memory, 448 × 256",
        "about 4 times; batch 2 → 1",
        f"{_GPU}; a crop of 336 × 336, which has about as many pixels",
        _COSTS,
        costs.memory(336),
    ),
    Claim("memory, 512 × 512", "about 4 times; batch 1", _GPU, _COSTS, costs.memory(512)),
    Claim("bf16 AMP", "30–40% faster", "V3, one GPU, base 64", _PRECISION, costs.mixed_precision),
    Claim("torch.compile", "10–20% faster", "V3, one GPU, base 64", _COSTS, costs.compiled),
)
