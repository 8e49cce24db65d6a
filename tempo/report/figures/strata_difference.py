"""Where variants differ from the baseline: by motion, occlusion and texture."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.strata_lines import draw_of


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Each variant minus the baseline in each stratum."""
    return draw_of(comparison, "differences")
