"""Write numbers: a true minus, units after a thin space, a dash for what is missing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tempo.comparison.statistics.quantities import Estimate, Interval

if TYPE_CHECKING:
    from tempo.core.records import MetricInfo
    from tempo.records.search_record import ObjectiveInfo

MISSING = "—"
MINUS = "\u2212"
THIN = "\u2009"


def fixed(value: float | None, digits: int) -> str:
    """Return `value` with `digits` decimals; a dash for None, words for what is not finite."""
    if value is None:
        return MISSING
    if not math.isfinite(value):
        return "not a number" if math.isnan(value) else ("∞" if value > 0 else MINUS + "∞")
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", MINUS)


def amount(value: float | None, info: MetricInfo | ObjectiveInfo) -> str:
    """Return a value of a metric with its unit, if that has one."""
    return f"{fixed(value, info.digits)} {info.unit}".rstrip()


def signed(value: float | None, digits: int) -> str:
    """Return `fixed` with a plus sign before a positive number."""
    text = fixed(value, digits)
    positive = value is not None and math.isfinite(value) and round(value, digits) > 0
    return f"+{text}" if positive else text


def spread(estimate: Estimate | None, digits: int) -> str:
    """Return `mean ± sd` over seeds, or the mean alone where one seed finished."""
    if estimate is None:
        return MISSING
    mean = fixed(estimate.mean, digits)
    return mean if estimate.sd is None else f"{mean} ± {fixed(estimate.sd, digits)}"


def bounds(low: float | None, high: float | None, digits: int, sign: bool = True) -> str:
    """Return `[low, high]`, or nothing where the data carry no interval."""
    if low is None or high is None:
        return ""
    write = signed if sign else fixed
    return f"[{write(low, digits)}, {write(high, digits)}]"


def change(interval: Interval | None, digits: int) -> str:
    """Return a difference with its interval: `+0.42 [+0.31, +0.53]`."""
    if interval is None:
        return MISSING
    ends = bounds(interval.low, interval.high, digits)
    return f"{signed(interval.value, digits)} {ends}".rstrip()


def count(value: float | None) -> str:
    """Return a count with an SI prefix and three digits: 3.98 M, 12.4 G."""
    if value is None:
        return MISSING
    # From 999.5 on, three digits of the smaller unit would read 1000.
    return _scaled(value, (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)), 0.9995) or three(value)


def _scaled(value: float, units: Sequence[tuple[str, float]], least: float = 1.0) -> str:
    """Return `value` in the first unit of which there is at least `least`, or nothing."""
    found = ((unit, scale) for unit, scale in units if abs(value) >= scale * least)
    return next((f"{three(value / scale)}{THIN}{unit}" for unit, scale in found), "")


def three(value: float | None) -> str:
    """Return three significant digits, without an exponent."""
    if value is None or not math.isfinite(value) or value == 0:
        return fixed(value, 0)
    digits = max(0, 2 - math.floor(math.log10(abs(float(f"{value:.2e}")))))
    return fixed(value, digits)


def memory(value: int | None) -> str:
    """Return bytes in binary units."""
    if value is None:
        return MISSING
    units = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
    return _scaled(value, units) or f"{value}{THIN}B"


def duration(seconds: float | None) -> str:
    """Return seconds in words: 8.4 s, 3 min 20 s, 5 h 02 min, 2 d 3 h."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{three(seconds)}{THIN}s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60}{THIN}min {whole % 60:02d}{THIN}s"
    if whole < 86400:
        return f"{whole // 3600}{THIN}h {whole % 3600 // 60:02d}{THIN}min"
    return f"{whole // 86400}{THIN}d {whole % 86400 // 3600}{THIN}h"


def percent(share: float | None) -> str:
    """Return a share of one as a percentage, never rounded to 0 or 100."""
    if share is None:
        return MISSING
    if 0.99 < share < 1:
        return ">99%"
    if 0 < share < 0.01:
        return "<1%"
    return f"{100 * share:.0f}%"


def shorten(name: str, length: int = 28, head: int | None = None) -> str:
    """Return `name` on one line, at most `length` characters long, the middle left out.

    `head` characters stand before what is left out; without it two thirds.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if len(line) <= length:
        return line
    head = (length - 1) * 2 // 3 if head is None else head
    return f"{line[:head]}…{line[len(line) - (length - 1 - head) :]}"


def labels(names: Sequence[str], length: int = 28) -> dict[str, str]:
    """Return a short label for each name; names that shorten to one text get a number."""
    table: dict[str, str] = {}
    taken: set[str] = set()
    for index, name in enumerate(names):
        label = shorten(name, length)
        if label in taken or not label:
            label = f"{shorten(name, length - 5)} ({index + 1})".strip()
        taken.add(label)
        table[name] = label
    return table


def p_value(p: float | None) -> str:
    """Return a p-value; never zero."""
    if p is None:
        return MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"


_ASCII = str.maketrans({MINUS: "-", THIN: " ", "\N{NO-BREAK SPACE}": " "})


def typed(text: str) -> str:
    """Return text with the minus and the spaces of a keyboard, to be searched and copied."""
    return text.translate(_ASCII)
