"""Summarise a search for its page: the best trial, and its value on fresh seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tempo.comparison.comparison import Comparison
from tempo.records.search_record import Confirmation, Estimate, SearchSummary
from tempo.report import search_trials as of
from tempo.report.formats import numbers
from tempo.report.pages.study_summary import study_summary
from tempo.report.pages.summary import Banner, Box, Remark, Summary, demonstration
from tempo.report.tables.search_tables import interval, spending


def search_summary(summary: SearchSummary, comparison: Comparison | None) -> Summary:
    """Return what opens the page of a search; warnings of its confirming study included."""
    first = study_summary(comparison).banners if comparison else ()
    warned = tuple(banner for banner in first if banner.tone == "alert")
    return Summary(
        banners=(
            *_partial(summary),
            *warned,
            *demonstration(summary.profile, "the report of a search"),
        ),
        verdict=verdict(summary),
        also=tuple(_also(summary)),
        boxes=(
            Box("Search", _facts(summary)),
            Box("Budget used", _used(summary)),
            Box("Failed", remarks=_failed(summary), empty="No trial failed."),
        ),
    )


def _partial(summary: SearchSummary) -> Iterator[Banner]:
    if not summary.over:
        begun = len(of.numbered(summary))
        yield Banner(
            "alert",
            "Partial",
            f"{begun} trials so far. The budget is not spent, or the confirmation has not "
            "finished; run the search again to go on, then rebuild this page.",
        )


def verdict(summary: SearchSummary) -> str:
    """Return one sentence: the winner in the search, on fresh seeds, against the baselines."""
    if not summary.best and not summary.front:
        return "No trial has run all its seeds yet."
    if len(summary.objectives) > 1:
        return _several(summary)
    info, name = summary.objectives[0], summary.best[0]
    trial = summary.trial(name)
    value = f"{numbers.fixed(of.finished(trial), info.digits)} {info.unit}".strip()
    count = len(of.numbered(summary))
    said = f"{name} is the best of {count} trials: {value} {of.title(info)} in the search"
    found = best(summary)
    if found is None or found.fresh is None:
        return f"{said}, not confirmed on fresh seeds."
    fresh, n = interval(found.fresh, info.digits), found.fresh.count
    unit = f" {info.unit}" if info.unit else ""
    said += f", {fresh}{unit} on {n} fresh seed{'' if n == 1 else 's'}"
    against = ", ".join(
        f"{interval(gain, info.digits, sign=True)}{unit} against {other}"
        for other, gain in found.gain.items()
    )
    return f"{said}; {against}." if against else f"{said}."


def best(summary: SearchSummary) -> Confirmation | None:
    """Return the confirmation of the winner; None where the winner was not run again."""
    wanted = {*summary.best[:1]}
    return next((each for each in summary.confirmed if each.trial in wanted), None)


def _several(summary: SearchSummary) -> str:
    names = [of.title(info) for info in summary.objectives]
    joined = f"{', '.join(names[:-1])} and {names[-1]}"
    ends = []
    for index, info in enumerate(summary.objectives):
        values = [
            v for n in summary.front if (v := of.finished(summary.trial(n), index)) is not None
        ]
        if values:
            low, high = (numbers.fixed(end, info.digits) for end in (min(values), max(values)))
            ends.append(f"{of.title(info)} {low} to {high} {info.unit}".strip())
    count = len(of.numbered(summary))
    return (
        f"{len(summary.front)} of {count} trials are on the Pareto front of {joined}: "
        f"{', '.join(ends)}."
    )


def _also(summary: SearchSummary) -> Iterator[str]:
    info, found = summary.objectives[0], best(summary)
    if found is None or found.fresh is None:
        if summary.best:
            yield "The best of many noisy values is optimistic; fresh seeds would say by how much."
        return
    if found.shrinkage is not None:
        text = interval(found.shrinkage, info.digits, sign=True)
        unit = f" {info.unit}" if info.unit else ""
        yield f"Shrinkage from the search to fresh seeds: {text}{unit}; {_fell(found.shrinkage)}."
    for other, gain in found.gain.items():
        yield f"Against {other}, paired by fresh seed: {_shown(gain, info.better == 'higher')}."


def _fell(shrinkage: Estimate) -> str:
    """Return what a shrinkage shows; negative means that the search was optimistic."""
    low, high = shrinkage.low, shrinkage.high
    if low is None or high is None:
        return "one fresh seed carries no interval"
    if low <= 0 <= high:
        return "the interval holds zero, so these seeds do not show that the search was optimistic"
    return "the search was optimistic" if high < 0 else "the search was pessimistic"


def _shown(gain: Estimate, more_is_better: bool) -> str:
    """Return what the interval of a difference shows."""
    if gain.low is None or gain.high is None:
        return "one seed carries no interval, so nothing is shown"
    if gain.low <= 0 <= gain.high:
        return "the interval holds zero, so no difference is shown"
    return "better" if (gain.low > 0) == more_is_better else "worse"


def _facts(summary: SearchSummary) -> dict[str, str]:
    directions = {"higher": "more is better", "lower": "less is better"}
    facts = {of.title(info): directions[info.better] for info in summary.objectives}
    facts |= {
        "sampler": summary.sampler,
        "pruner": summary.pruner,
        "seeds each": str(len(summary.seeds)),
        "parameters": str(len(summary.space)),
    }
    if summary.constraints:
        facts["constraints"] = "; ".join(summary.constraints)
    return facts


def _used(summary: SearchSummary) -> dict[str, str]:
    facts = {}
    for name, allowed, used in spending(summary):
        spent = numbers.MISSING if used is None else f"{used:.4g}"
        limit = "" if allowed is None else f" of {allowed:.4g}"
        facts[name.replace("_", " ")] = f"{spent}{limit}"
    words = ["raced out" if each.raced else each.state for each in summary.trials]
    facts |= {word: str(count) for word, count in Counter(words).items()}
    if summary.rejected:
        facts["proposals not trained"] = str(sum(summary.rejected.values()))
    return facts


def _failed(summary: SearchSummary) -> tuple[Remark, ...]:
    links = of.trial_links(summary)
    return tuple(
        Remark(f"{each.variant}: {each.note or 'failed'}", links.to(each.variant))
        for each in summary.trials
        if each.state == "failed"
    )
