"""The tables of a report, in the order in which they are printed."""

from __future__ import annotations

from collections.abc import Callable

from tempo.compare.comparison import Comparison
from tempo.report.applicability import NotApplicable
from tempo.report.formats.table import Table
from tempo.report.tables import (
    attribution,
    budgets,
    claims,
    contrasts,
    costs,
    effects,
    fairness,
    fronts,
    learning,
    results,
    strata,
)

Build = Callable[[Comparison], Table | NotApplicable]

TABLES: dict[str, Build] = {
    "results": results.build,
    "contrasts": contrasts.build,
    "effects": effects.build,
    "attribution": attribution.build,
    "fronts": fronts.build,
    "costs": costs.build,
    "budgets": budgets.build,
    "learning": learning.build,
    "strata": strata.build,
    "fairness": fairness.build,
    "claims": claims.build,
}
