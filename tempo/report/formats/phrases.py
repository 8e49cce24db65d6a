"""Words around numbers: names of metrics, kinds of interval, captions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from tempo.compare.statistics.quantities import Interval
from tempo.core.records import MetricInfo

_BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def visible(text: str) -> str:
    """`text` without characters that no file can hold or that turn the words after them round."""
    return "".join("\ufffd" if _unprintable(c) else c for c in text)


def _unprintable(c: str) -> bool:
    return c in _BIDI or (c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cs"})


def axis_label(info: MetricInfo, prefix: str = "") -> str:
    """`PSNR (dB)`: the metric's name, with its unit if it has one."""
    name = f"{prefix}{title(info)}"
    return f"{name} ({info.unit})" if info.unit else name


def title(info: MetricInfo) -> str:
    """How a metric is called in print."""
    return info.label or title_of(info.name)


def title_of(name: str) -> str:
    """A name from records in print: abbreviations as they are known, others in words."""
    known = {
        "psnr": "PSNR",
        "ssim": "SSIM",
        "psnr_uint8": "PSNR, 8 bit",
        "ms_ssim": "MS-SSIM",
        "macs": "MACs",
    }
    return known.get(name, name.replace("_", " "))


def percent(level: float) -> str:
    """`95%` for 0.95."""
    return f"{100 * level:g}%"


def interval_kind(interval: Interval | None, drawn: str = "Interval") -> str:
    """How an interval was made, for a caption; why there is none where there is none."""
    if interval is None:
        return ""
    if interval.low is None:
        return f"No interval: {interval.method}." if interval.method else ""
    return f"{drawn}: {percent(interval.level)}, {interval.method}."


def seeds_range(counts: Iterable[int]) -> str:
    """`n = 3 seeds`, or `n = 1 to 3 seeds` where they differ."""
    found = sorted(set(counts))
    if not found:
        return "n = 0 seeds"
    if len(found) == 1:
        return f"n = {found[0]} seed" + ("s" if found[0] != 1 else "")
    return f"n = {found[0]} to {found[-1]} seeds"


def sentences(*parts: str) -> str:
    """The parts that say something, as one caption."""
    return " ".join(part for part in parts if part)
