"""Name the tables of a study's report, in the order in which they are printed.

A table is a function from a comparison to a `Table`, or to `NotApplicable` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tempo.comparison.comparison import Comparison
from tempo.report.formats.own_parts import ReportParts
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.tables import (
    claims,
    costs,
    differences,
    item_differences,
    paper,
    results,
    set_verdicts,
)

TABLES: Mapping[str, Callable[[Comparison], Table | NotApplicable]] = ReportParts(
    "table",
    {
        "results": results.build,
        paper.NAME: paper.build,
        set_verdicts.NAME: set_verdicts.build,
        "contrasts": differences.contrasts,
        "effects": differences.effects,
        "attribution": differences.attribution,
        "fronts": costs.fronts,
        "costs": costs.build,
        "budgets": costs.budgets,
        "same_size": costs.same_size,
        "learning": costs.learning,
        "strata": differences.strata,
        "fairness": differences.fairness,
        item_differences.NAME: item_differences.from_baseline,
        "claims": claims.build,
    },
)
