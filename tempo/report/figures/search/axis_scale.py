"""Scale the axes of a search: place a parameter's value, and cut off trials far outside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import quantiles

from tempo.records.search_record import ParameterInfo


def fraction(parameter: ParameterInfo, value: str | float) -> float:
    """Return where `value` lies in the parameter's range, from 0 to 1; levels in equal steps."""
    if parameter.levels:
        last = max(1, len(parameter.levels) - 1)
        known = value in parameter.levels
        return parameter.levels.index(str(value)) / last if known else math.nan
    if parameter.low is None or parameter.high is None or isinstance(value, str):
        return math.nan
    low, high, at = parameter.low, parameter.high, float(value)
    if parameter.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low) if high > low else 0.5


def window(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of an axis: all values up to three quartile ranges outside the quartiles."""
    if len(values) < 4:
        low, high = min(values), max(values)
    else:
        first, _, third = quantiles(values, n=4, method="inclusive")
        reach = 3 * (third - first)
        low, high = max(min(values), first - reach), min(max(values), third + reach)
    pad = 0.06 * (high - low) or max(1e-9, abs(high) * 0.01)
    return low - pad, high + pad
