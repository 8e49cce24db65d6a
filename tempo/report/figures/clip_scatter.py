"""Draw one variant against the baseline, clip by clip."""

from __future__ import annotations

from typing import Any

from tempo.comparison.comparison import Comparison
from tempo.report.applicability import NotApplicable, trained
from tempo.report.figures.axes import blank
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.style import COLUMN, QUIET, SERIES
from tempo.report.formats import numbers
from tempo.report.formats.phrases import sentences, title


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Draw the best-ranked variant that is not the baseline, against the baseline."""
    table, metric = comparison.clip_table, comparison.metric
    base = comparison.baseline
    values = table.values.get(metric, {}) if table else {}
    rival = rival_of(comparison, set(values))
    if table is None or base is None or base not in values or rival is None:
        return NotApplicable("per-clip values of the baseline and a second variant are needed")
    figure, (axes,) = blank(2.9, width=COLUMN)
    ends = (min(*values[base], *values[rival]), max(*values[base], *values[rival]))
    axes.axline((ends[0], ends[0]), slope=1, color=QUIET.light, linewidth=0.6, zorder=1)
    motion = table.properties.get("motion")
    options: Any = {"s": 11, "linewidths": 0, "alpha": 0.85, "zorder": 2}
    if motion is None:
        axes.scatter(values[base], values[rival], color=SERIES[0].light, **options)
    else:
        dots = axes.scatter(values[base], values[rival], c=motion, cmap="cividis", **options)
        figure.colorbar(dots, ax=axes, label="motion (px)", shrink=0.7, aspect=24, pad=0.02)
    info = comparison.info(metric)
    unit = f" ({info.unit})" if info.unit else ""
    axes.set_xlabel(f"{numbers.shorten(base, 32)}{unit}")
    axes.set_ylabel(f"{numbers.shorten(rival, 32)}{unit}")
    axes.set_aspect("equal", adjustable="datalim")
    axes.grid()
    caption = sentences(
        f"{title(info)} of each {comparison.split} clip (n = {len(table.clips)}), averaged over",
        f"seeds: {rival}, the best ranked beside the baseline, against {base}.",
        "Above the line the variant is better."
        if info.better == "higher"
        else "Below the line the variant is better.",
    )
    return Drawing(figure, caption)


def rival_of(comparison: Comparison, have: set[str]) -> str | None:
    """Return the best-ranked variant among `have` beside the baseline, or None."""
    rows = [r for r in trained(comparison) if r.variant in have and r.role != "baseline"]
    ranked = sorted(rows, key=lambda row: float("inf") if row.rank is None else row.rank)
    return ranked[0].variant if ranked else None
