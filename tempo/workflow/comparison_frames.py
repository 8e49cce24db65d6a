"""Turn comparisons into DataFrames: contrasts, on all test sets too, and the table of a paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from tempo.comparison.comparison import Comparison


def contrast_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row a variant and metric; see `Comparison.contrasts`."""
    import pandas as pd

    return pd.DataFrame(list(_contrasts(comparison)))


def test_set_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row a test set, variant and metric; see `Comparison.test_set_contrasts`."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for each in comparison.test_sets:
        found = _contrasts(each.found) if each.found is not None else iter(())
        rows += [{"test_set": each.name, **row} for row in found]
    return pd.DataFrame(rows)


def paper_frame(comparison: Comparison) -> pd.DataFrame:
    """Return one row a variant or method; see `Comparison.paper_table`."""
    import pandas as pd

    from tempo.report.tables.paper import data

    return pd.DataFrame(data(comparison).records())


def _contrasts(comparison: Comparison) -> Iterator[dict[str, Any]]:
    for row in comparison.rows:
        for contrast in row.contrasts.values():
            change = contrast.difference
            yield {
                "variant": contrast.variant,
                "baseline": contrast.baseline,
                "metric": contrast.metric,
                "difference": change.value if change else None,
                "low": change.low if change else None,
                "high": change.high if change else None,
                "level": change.level if change else None,
                "p": contrast.p,
                "p_adjusted": contrast.p_adjusted,
                "verdict": contrast.verdict.word.value,
                "kind": contrast.kind,
                "reason": contrast.verdict.reason,
                "delta": contrast.delta,
                "family": contrast.family,
                "seeds": len(contrast.seeds),
                "planned_seeds": contrast.planned_n,
                "clips": contrast.clips,
                "sources": contrast.sources,
            }
