"""Where variants differ from the baseline: by motion, occlusion and texture."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.report.figures.frame import Drawing
from tempo.report.figures.strata import draw_of
from tempo.report.parts import NotApplicable


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Each variant minus the baseline in each stratum."""
    return draw_of(comparison, "differences")
