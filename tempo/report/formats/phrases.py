"""Name metrics, costs and effects in print, and word what captions say of intervals and seeds."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import GalleryClip
from tempo.comparison.statistics.quantities import Effect, Interval
from tempo.core.records import MetricInfo
from tempo.records.search_record import ObjectiveInfo

_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_TITLES = {
    "psnr": "PSNR",
    "ssim": "SSIM",
    "psnr_uint8": "PSNR, 8 bit",
    "ms_ssim": "MS-SSIM",
    "macs": "MACs",
}
COST_NAMES = {
    "parameters": "parameters",
    "macs": "MACs",
    "peak_memory": "peak memory",
    "step_ms": "step time",
    "device_hours": "device hours",
    "latency_ms": "time of a frame",
}
METHODS = {"fanova": "fANOVA", "ped_anova": "PED-ANOVA"}
"""How the two methods of a parameter's importance are called."""


def visible(text: str) -> str:
    """Return `text` without characters that no file can hold or that reverse the words after."""
    return "".join("\ufffd" if _unprintable(c) else c for c in text)


def _unprintable(c: str) -> bool:
    return c in _BIDI or (c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cs"})


def axis_label(info: MetricInfo | ObjectiveInfo, prefix: str = "") -> str:
    """Return `PSNR (dB)`: the metric's name, with its unit if the metric has one."""
    name = f"{prefix}{title(info)}"
    return f"{name} ({info.unit})" if info.unit else name


def title(info: MetricInfo | ObjectiveInfo) -> str:
    """Return how a metric or an objective is called in print."""
    label = info.label if isinstance(info, MetricInfo) else ""
    return label or title_of(info.name)


def title_of(name: str) -> str:
    """Return a recorded name in print: abbreviations as they are known, others in words."""
    return _TITLES.get(name, name.replace("_", " "))


def effect_name(effect: Effect) -> str:
    """Return `se: on vs off`, or `se × dilation` for an interaction."""
    if len(effect.factors) == 1:
        level, reference = effect.terms
        return f"{effect.factors[0]}: {level} vs {reference}"
    return " × ".join(effect.factors)


def percent(level: float) -> str:
    """Return `95%` for 0.95."""
    return f"{100 * level:g}%"


def interval_kind(interval: Interval | None, drawn: str = "Interval") -> str:
    """Return how an interval was made, for a caption; the reason where there is none."""
    if interval is None:
        return ""
    if interval.low is None:
        return f"No interval: {interval.method}." if interval.method else ""
    return f"{drawn}: {percent(interval.level)}, {interval.method}."


def no_difference(comparison: Comparison, where: str = " (shaded)") -> str:
    """Return what counts as no difference, for a caption; nothing where no such band is set."""
    if comparison.delta is None:
        return ""
    unit = comparison.info(comparison.metric).unit
    return f"Within ±{comparison.delta:g} {unit} counts as no difference{where}."


def seeds_range(counts: Iterable[int]) -> str:
    """Return `n = 3 seeds`, or `n = 1 to 3 seeds` where they differ."""
    found = sorted(set(counts))
    if not found:
        return "n = 0 seeds"
    if len(found) == 1:
        return f"n = {found[0]} seed" + ("s" if found[0] != 1 else "")
    return f"n = {found[0]} to {found[-1]} seeds"


def sentences(*parts: str) -> str:
    """Return the parts that are not empty, as one caption."""
    return " ".join(part for part in parts if part)


PROPERTIES = {
    "motion": ("motion", "px"),
    "occlusion": ("occlusion", "share of pixels"),
    "target_time": ("time of the target", "0 and 1: the outer frames"),
}
"""What a recorded property of clips is called, and its unit."""


def property_title(name: str, *, unit: bool = False) -> str:
    """Return what a property of clips is called, with its unit where that is asked for."""
    words, measured_in = PROPERTIES.get(name, (name.replace("_", " "), ""))
    return f"{words} ({measured_in})" if unit and measured_in else words


def span(low: float, high: float) -> str:
    """Return the bounds of a bin, or the value that both are."""
    return f"{low:.3g}" if low == high else f"{low:.2g}–{high:.2g}"


def told_properties(clip: GalleryClip) -> list[str]:
    """Return what is known of a clip, such as `motion 2.3`; a target half-way is not told."""
    return [
        f"{property_title(name)} {value:.3g}"
        for name, value in clip.properties.items()
        if name != "target_time" or value != 0.5
    ]
