"""Learning curves by wall-clock training time."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.learning_curves import draw_by


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Learning curves by seconds of training."""
    if not any(second is not None for curve in comparison.curves for second in curve.seconds):
        return NotApplicable("no run recorded its training time at validation")
    return draw_by(comparison, "seconds")
