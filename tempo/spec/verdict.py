"""Define the rule that the verdicts of a study follow, and its defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from tempo.core.plugins.loading import load_of
from tempo.core.records import MetricInfo, Plan
from tempo.core.verdict_rule import Rule, Spending, share
from tempo.spec.metrics import METRIC_INFOS
from tempo.spec.options import ListOf, Section

DECIBELS = 0.05
SIMILARITY = 0.001
"""Default half-widths of `equivalent`: of metrics in dB, and of structural similarities."""


class VerdictSection(Section):
    """What is asked of the results, and with which error rate: fixed before the first result.

    Nothing here changes a run, nor its identity.
    """

    metric: str | None = Field(None, description="the metric that decides; null is psnr")
    metrics: Annotated[tuple[str, ...], ListOf] = Field(
        (), description="several metrics that decide, as one family with one error rate"
    )
    delta: float | dict[str, float] | None = Field(
        None,
        description="half-width of equivalent, of the first metric or by metric; null is 0.05 dB, "
        "0.001 of a structural similarity, none of others",
    )
    alpha: float = Field(0.05, gt=0, lt=0.5, description="error rate over all contrasts")
    power: float = Field(0.8, ge=0.5, lt=1, description="the probability that detects means")
    on: Literal["test"] = Field("test", description="the clips that judge")
    spending: Spending = Field(
        "obrien_fleming", description="how the error rate is spread over looks"
    )

    @field_validator("metric")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            METRIC_INFOS.get(value)
        return value

    @field_validator("metrics")
    @classmethod
    def _known_once(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for name in value:
            METRIC_INFOS.get(name)
        if len(set(value)) != len(value):
            raise ValueError(f"metrics are named once each, not {', '.join(value)}")
        if value and info.data.get("metric") is not None:
            raise ValueError(
                "the rule has `metric` for one metric or `metrics` for several, not both; write "
                f"metrics: [{', '.join(dict.fromkeys((info.data['metric'], *value)))}]"
            )
        return value

    @field_validator("delta", mode="before")
    @classmethod
    def _widths(cls, value: Any, info: ValidationInfo) -> Any:
        """Check the half-widths here: of a number or a mapping pydantic would name both."""
        if value is None:
            return None
        if not isinstance(value, Mapping):
            return _width(value)
        names = info.data.get("metrics") or (info.data.get("metric") or "psnr",)
        readable = {"metric", "metrics"} <= info.data.keys()
        for name in value:
            METRIC_INFOS.get(name)
            if readable and name not in names:
                raise ValueError(
                    f"delta names {name!r}, which is no metric of the rule ({', '.join(names)})"
                )
        return {name: _width(each) for name, each in value.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that decide, the first of which the table is ranked by."""
        return self.metrics or (self.metric or "psnr",)

    @property
    def widths(self) -> dict[str, float | None]:
        """The half-width of equivalent of each metric that decides; None where there is none."""
        given = self.delta if isinstance(self.delta, dict) else {self.names[0]: self.delta}
        found = {name: given.get(name) for name in self.names}
        return {
            name: default_delta(METRIC_INFOS.get(name)) if each is None else each
            for name, each in found.items()
        }


def _width(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"delta is a difference above 0, or one by metric, not {value!r}")  # noqa: TRY004
    if not value > 0:
        raise ValueError(f"delta is a difference above 0, not {value:g}")
    return float(value)


def default_delta(info: MetricInfo) -> float | None:
    """Return the half-width of equivalent where none was stated; None for most metrics."""
    if info.unit == "dB":
        return DECIBELS
    return SIMILARITY if "ssim" in info.name.lower() else None


def know_metrics(plan: Plan) -> None:
    """Import the plug-ins of a plan where its rule decides by a metric of one.

    Raises:
        PluginError: when one is gone or fails.
    """
    section = dict(plan.spec.get("verdict") or {})
    names = [section.get("metric"), *(section.get("metrics") or ())]
    if any(name is not None and name not in METRIC_INFOS for name in names):
        load_of(plan.spec)


def rule_of(plan: Plan) -> Rule:
    """Return the rule of a plan: of its section `verdict`, or the default rule without one."""
    know_metrics(plan)
    section = VerdictSection.model_validate(dict(plan.spec.get("verdict") or {}))
    trained = (each.name for each in plan.variants if each.role != "reference")
    baseline = plan.baseline or next(trained, None)
    return Rule(
        metrics=section.names,
        delta=section.widths,
        alpha=section.alpha,
        power=section.power,
        on=section.on,
        spending=section.spending,
        baseline=baseline,
        sentence=_sentence(section, baseline),
    )


def _sentence(section: VerdictSection, baseline: str | None) -> str:
    infos = [METRIC_INFOS.get(name) for name in section.names]
    several = len(infos) > 1
    within = [
        f"{section.widths[info.name]:g} {info.unit}".strip()
        + (f" ({info.title})" if several else "")
        for info in infos
        if section.widths[info.name] is not None
    ]
    contrasts = "all contrasts in all of them together" if several else "all contrasts"
    return "".join(
        (
            f"{listed([info.title for info in infos])} on the {section.on} clips, ",
            f"{share(section.alpha)} error rate over {contrasts}",
            f", equivalent within {listed(within)}" if within else "",
            f", against {baseline}" if baseline else "",
        )
    )


def listed(names: list[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
