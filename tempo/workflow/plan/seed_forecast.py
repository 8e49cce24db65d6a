"""Forecast a plan's seeds, runs and hours, and its chance to decide, at stated differences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tempo.core.records import Plan
from tempo.core.seed_stages import FEWEST, SeedStages
from tempo.spec.verdict import rule_of
from tempo.workflow.plan.seed_noise import SeedNoise

if TYPE_CHECKING:
    import pandas as pd

    from tempo.comparison.statistics.seed_forecast import SeedForecast

MULTIPLES = (0.0, 1.0, 2.0, 4.0)
"""True differences at which a plan is forecast, in multiples of the rule's delta."""

UNIT = 0.05
"""dB that stand in for a delta where the rule has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanForecast:
    """What becomes of a plan, by simulation from the seed noise that is recorded.

    Attributes:
        noise: the seed noise that the forecast starts from.
        rows: one a true difference, which all contrasts then have.
        first, most: fewest and most seeds of a variant.
        trained: trained variants, the control included.
    """

    noise: SeedNoise
    rows: tuple[SeedForecast, ...]
    first: int
    most: int
    trained: int

    @property
    def most_runs(self) -> int:
        """Trained runs if every variant gets every seed."""
        return self.trained * self.most

    def table(self, device_hours: float | None = None) -> pd.DataFrame:
        """One row a true difference: expected seeds and runs, and the chances of a verdict.

        Args:
            device_hours: what all runs cost, for a column of the hours that are expected.
        """
        import pandas as pd

        rows: list[dict[str, float]] = []
        for each in self.rows:
            row = {
                "difference": each.difference,
                "seeds": each.seeds,
                "most_seeds": float(self.most),
                "runs": each.share * self.most_runs,
                "most_runs": float(self.most_runs),
                "different": each.different,
                "equivalent": each.equivalent,
                "decided": each.decided,
            }
            if device_hours is not None:
                row["device_hours"] = each.share * device_hours
            rows.append(row)
        return pd.DataFrame(rows)

    def to_json(self) -> Mapping[str, Any]:
        """The forecast as JSON values."""
        return {
            "noise": asdict(self.noise),
            "rows": [asdict(each) for each in self.rows],
            "most_runs": self.most_runs,
        }


def forecast_plan(plan: Plan, noise: SeedNoise | None) -> PlanForecast | None:
    """The forecast of a plan; None where nothing tells the noise or nothing can be decided.

    The noise is of PSNR on given test clips: the draw of the clips comes on top.
    """
    trained = sum(variant.role != "reference" for variant in plan.variants)
    seeds = len({run.seed for run in plan.runs} - {None})
    rule = rule_of(plan)
    if noise is None or trained < 2 or seeds < FEWEST or rule.metrics[0] != "psnr":
        return None
    from tempo.comparison.statistics.design_simulation import JudgingRule
    from tempo.comparison.statistics.power import expected_noise
    from tempo.comparison.statistics.seed_forecast import forecast_seeds

    stages = plan.stages or SeedStages(first=seeds, last=seeds)
    delta = rule.delta.get("psnr")
    rows = forecast_seeds(
        expected_noise(seed_sd=math.sqrt(2) * noise.sd, variants=trained),
        trained - 1,
        stages,
        JudgingRule(delta=delta, alpha=rule.alpha, spending=rule.spending),
        [multiple * (delta or UNIT) for multiple in MULTIPLES],
    )
    return PlanForecast(noise=noise, rows=rows, first=stages.first, most=seeds, trained=trained)
