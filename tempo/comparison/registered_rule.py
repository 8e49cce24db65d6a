"""Hold a question against the rule that was fixed before the data, and label what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tempo.comparison.fitted_study import FittedStudy
from tempo.comparison.query import Query
from tempo.comparison.statistics.quantities import Kind
from tempo.core.records import Plan
from tempo.core.verdict_rule import Rule
from tempo.records.layout import Store
from tempo.records.verdict_log import VerdictLog, read_log
from tempo.spec.metrics import METRIC_INFOS
from tempo.spec.verdict import know_metrics, listed, rule_of

ONE_BY_ONE = "the runs were chosen one by one, and no rule was fixed for them"
IMPORTED = "the runs were imported, and no rule was fixed for them"
MEANS_ALONE = (
    "the runs were imported with their means alone, so that intervals speak of seeds and not of "
    "clips, and no rule was fixed for them"
)
OF_A_SEARCH = "the variants are trials of a search, and no rule was fixed for them"
SEVERAL = "several studies are compared at once, and each one's rule is for itself alone"


@dataclass(frozen=True, slots=True)
class RegisteredRule:
    """The rule of a study with its log.

    The rule is the last recorded one; of a study that has no record of one, that of its plan.
    `unfixed`: why no rule was fixed for what is compared, a clause; empty where one was.
    """

    rule: Rule
    log: VerdictLog = field(default_factory=VerdictLog)
    unfixed: str = ""

    @classmethod
    def of(cls, store: Store, plan: Plan) -> RegisteredRule:
        """Return the rule and the log of a plan."""
        know_metrics(plan)
        if not plan.spec:
            return cls(rule_of(plan), unfixed=ONE_BY_ONE)
        if plan.spec.get("imported"):
            by_clip = plan.spec["imported"].get("clips")
            return cls(rule_of(plan), unfixed=IMPORTED if by_clip else MEANS_ALONE)
        if plan.spec.get("search"):
            return cls(rule_of(plan), unfixed=OF_A_SEARCH)
        log = read_log(store, plan)
        return cls(log.rules[-1].rule if log.rules else rule_of(plan), log)


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """In what a question departs from the rule: of `every` contrast, or in its choice of metric."""

    registered: RegisteredRule
    metric: str
    every: tuple[str, ...]
    metrics: tuple[str, ...]
    partial: bool

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why answers are exploratory, each a clause; empty where the question is the rule's."""
        return (*self.every, *self.metrics)

    def kind(self, metric: str, *, trained: bool) -> Kind:
        """Return whether the rule covers a contrast, or why it does not."""
        if self.every:
            return "exploratory"
        if metric in self.registered.rule.metrics:
            if not trained:
                return "secondary"
            return "exploratory" if self.partial else "rule"
        return "exploratory" if metric == self.metric else "secondary"

    @property
    def answers_rule(self) -> bool:
        """Whether the rule's own family of contrasts is judged here."""
        return not self.every and not self.partial


def check_rule(registered: RegisteredRule, asked: Query, study: FittedStudy) -> RuleCheck:
    """Say in what `asked`, as it was before the rule filled it in, departs from the rule."""
    shown = [info.name for info in study.infos]
    rule = registered.rule
    missing = [name for name in rule.metrics if name not in shown]
    return RuleCheck(
        registered=registered,
        metric=study.metric,
        every=tuple(_of_every_contrast(registered, asked, study)),
        metrics=tuple(_of_metrics(rule, asked, study, missing)),
        partial=bool(missing),
    )


def _of_every_contrast(
    registered: RegisteredRule, asked: Query, study: FittedStudy
) -> Iterator[str]:
    rule = registered.rule
    if registered.unfixed:
        yield registered.unfixed
    own = rule.delta.get(study.metric)
    if asked.delta is not None and study.metric in rule.delta and asked.delta != own:
        said = "none" if own is None else f"{own:g}"
        yield f"asked with delta {asked.delta:g}; the rule says {said}"
    if asked.level is not None and asked.level != rule.level:
        yield f"asked with level {asked.level:g}; the rule says {rule.level:g}"
    if study.baseline != rule.baseline and not registered.unfixed:
        yield f"asked against {study.baseline}; the rule says {rule.baseline}"
    if asked.where is not None:
        yield f"asked of the runs with `{asked.where.text}`; the rule takes all"
    if asked.at.kind != "final":
        yield f"asked at {asked.at}; the rule says the {rule.on} clips at the end"


def _of_metrics(rule: Rule, asked: Query, study: FittedStudy, missing: list[str]) -> Iterator[str]:
    own = listed([METRIC_INFOS.get(name).title for name in rule.metrics])
    if study.metric not in rule.metrics:
        if asked.metric is None:
            yield f"no run has {own}, by which the rule decides"
        else:
            yield f"asked in {study.infos[0].title}; the rule says {own}"
    elif missing:
        left = listed([METRIC_INFOS.get(name).title for name in missing])
        yield f"asked without {left}; the rule says {own}"
