"""Define a drawing, and choose the variants that a figure shows with their labels and styles."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tempo.comparison.comparison import Comparison, Row
from tempo.report.applicability import trained
from tempo.report.figures import style
from tempo.report.formats import numbers

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure. The caption says what is shown, n, and the kind of interval."""

    figure: Figure
    caption: str


@dataclass(frozen=True, slots=True)
class ShownVariants:
    """The variants of a figure, their labels and styles; `omitted` says how many are left out."""

    names: tuple[str, ...]
    labels: Mapping[str, str]
    styles: Mapping[str, style.VariantStyle]
    omitted: str = ""

    def tick_labels(self) -> list[str]:
        """Return the labels of the shown variants, in order."""
        return [self.labels[name] for name in self.names]

    def line(self, name: str) -> dict[str, Any]:
        """Return the options of a variant's line: colour, dash and label."""
        look = self.styles[name]
        return {"color": look.colour, "linestyle": look.dash, "label": self.labels[name]}


def shown_variants(
    comparison: Comparison, among: Iterable[str], limit: int = 7, length: int = 26
) -> ShownVariants:
    """Choose the variants of `among` to draw; above `limit`, the baseline and the highest ranked.

    Colours and labels are the same in every figure of a comparison.
    """
    everyone = [row.variant for row in trained(comparison)]
    wanted = set(among)
    rows = [row for row in trained(comparison) if row.variant in wanted]
    chosen = {row.variant for row in sorted(rows, key=_place)[:limit]}
    names = tuple(row.variant for row in rows if row.variant in chosen)
    omitted = ""
    if len(names) < len(rows):
        omitted = f"Shown: {len(names)} of {len(rows)} variants, the baseline and the best ranked."
    return ShownVariants(
        names=names,
        labels=numbers.labels(everyone, length),
        styles=style.variant_styles(everyone, comparison.baseline),
        omitted=omitted,
    )


def _place(row: Row) -> tuple[bool, float]:
    return (row.role != "baseline", math.inf if row.rank is None else row.rank)
