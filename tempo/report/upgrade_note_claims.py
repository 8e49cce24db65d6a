"""State what the V3 upgrade note claims of V2 and V3, as data: expectations, never results.

The note's protocol is Vimeo-90K triplets, 100 epochs, base width 64. `tables/claims.py` checks the
claims against a study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tempo.comparison.comparison import Comparison, Row

BASE = 64
"""The width (channels at full resolution) that the claims are about."""
EPOCHS = 100

Check = Literal["quality", "gain", "parameters", "step time", "memory", "precision", "compiled"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: what is expected, under which protocol, and which spec or test measures it.

    `check` names how a study is asked, None where no comparison holds the answer; `metric` and
    `crop` (pixels) are what the check is about.
    """

    quantity: str
    expected: str
    protocol: str
    measured_by: str
    check: Check | None = None
    metric: str = ""
    crop: int = 0


_VIMEO = "Vimeo-90K triplet test split, 100 epochs, base 64"
_LADDER = "ablations/v2_to_v3.yaml"
_COSTS = "experiments/memory_speed.yaml"
_PRECISION = "ablations/precision.yaml or experiments/memory_speed.yaml"
_GPU = "same batch, crop and precision, one GPU, base 64"
_TIMES = "same batch, crop and precision, one device, base 64"
_AS_MANY = f"{_GPU}; a crop of 336 × 336, which has about as many pixels"
_CONVOLUTIONS = ("6 blocks a scale", "tests/models/test_structure.py")

CLAIMS = (
    Claim("PSNR", "V2 32.0 dB, V3 34–35 dB", _VIMEO, _LADDER, "quality", "psnr"),
    Claim("PSNR, V3 over V2", "+2–3 dB", _VIMEO, _LADDER, "gain", "psnr"),
    Claim("PSNR at epochs 20, 50, 100, V2", "30, 31, 32 dB", _VIMEO, _LADDER),
    Claim("PSNR at epochs 20, 50, 100, V3", "31, 33–34, 34–35 dB", _VIMEO, _LADDER),
    Claim("SSIM", "V2 0.930, V3 0.95–0.96", _VIMEO, _LADDER, "quality", "ssim"),
    Claim("SSIM, V3 over V2", "+0.02–0.03", _VIMEO, _LADDER, "gain", "ssim"),
    Claim("parameters", "V2 about 3 M, V3 about 12 M (4 times)", "base 64", _LADDER, "parameters"),
    Claim("residual convolutions in the encoder", "V2 about 10, V3 about 56", *_CONVOLUTIONS),
    Claim("step time, V3 against V2", "about 1.5 times (speed 0.6–0.7 times)", _TIMES, _COSTS,
          "step time"),
    Claim("memory, 256 × 256", "about 4 times; batch 4 → 2", _GPU, _COSTS, "memory", crop=256),
    Claim("memory, 448 × 256", "about 4 times; batch 2 → 1", _AS_MANY, _COSTS, "memory", crop=336),
    Claim("memory, 512 × 512", "about 4 times; batch 1", _GPU, _COSTS, "memory", crop=512),
    Claim("bf16 AMP", "30–40% faster", "V3, one GPU, base 64", _PRECISION, "precision"),
    Claim("torch.compile", "10–20% faster", "V3, one GPU, base 64", _COSTS, "compiled"),
)  # fmt: skip


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


def plain_version(label: str) -> str:
    """Return `V2` or `V3` where a name (`v2`, `tempo_v2`) says that and no more, else nothing."""
    name = label.lower().replace("-", "_").removeprefix("tempo_")
    return name.upper() if name in {"v2", "v3"} else ""


def find_version(comparison: Comparison, version: str) -> Row | None:
    """Return the row that is plain V2 or V3 by its name, or None."""
    return next((r for r in comparison.trained if plain_version(r.variant) == version), None)


def on_vimeo(comparison: Comparison) -> bool:
    """Return whether the study's clips are those that the claims are about."""
    data = comparison.spec.get("data")
    return isinstance(data, dict) and data.get("kind") == "vimeo90k"


def expected_points(comparison: Comparison) -> tuple[Point, ...]:
    """Return the points to mark beside learning curves: only where the same thing is measured."""
    if not on_vimeo(comparison):
        return ()
    return tuple(point for point in EXPECTED if find_version(comparison, point.variant))
