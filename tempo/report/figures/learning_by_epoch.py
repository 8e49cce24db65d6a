"""Learning curves by epoch, with the seed text's expected points where they apply."""

from __future__ import annotations

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.figures.figure_helpers import Drawing
from tempo.report.figures.learning_curves import draw_by


def draw(comparison: Comparison) -> Drawing | NotApplicable:
    """Learning curves by passes over the training split."""
    return draw_by(comparison, "epochs")
