"""Record rules and looks: the rule when a study starts, a look whenever its verdicts are shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from tempo.core.records import Plan
from tempo.core.verdict_rule import same_rule
from tempo.records.event_log import is_complete
from tempo.records.layout import Store
from tempo.records.verdict_log import (
    By,
    Look,
    LookedContrast,
    RuleEntry,
    VerdictLog,
    append,
    append_look,
    log_path,
    read_log,
)
from tempo.spec.verdict import rule_of

if TYPE_CHECKING:
    import pandas as pd

    from tempo.comparison.comparison import Comparison


def record_rule(store: Store, plan: Plan, say: Callable[[str], object]) -> None:
    """Record the rule of a plan, unless it is the one that was recorded last.

    Called when a study starts, and when a spec that may have been edited is compared. `say` is
    told when the folder of records cannot be written; nothing else stops for that. A search has no
    rule: its trials are chosen by their results.

    Raises:
        RecordError: when the log is damaged.
    """
    if plan.spec.get("search"):
        return
    rule, rules = rule_of(plan), read_log(store, plan).rules
    if rules and same_rule(rules[-1].rule, rule):
        return
    runs = plan.distinct_runs
    complete = sum(is_complete(store.run_dir(run.run_id)) for run in runs)
    entry = RuleEntry(time=time.time(), rule=rule, complete=complete, runs=len(runs))
    try:
        append(store, plan, entry)
    except OSError as error:
        say(_unrecorded("The rule", store, plan, error))


def record_look(store: Store, plan: Plan, comparison: Comparison, by: By) -> Comparison:
    """Record that the verdicts of a comparison are shown; return it with what was recorded.

    A comparison without a verdict of the study's rule is no look, and the same data under the same
    rule are looked at once, however often they are shown. Where the folder of records cannot be
    written, the comparison says so.

    Raises:
        RecordError: when the log is damaged.
    """
    look = comparison.look
    if look is None:
        return comparison
    known = VerdictLog(comparison.looks).look_at(look.data, look.rule)
    if known is not None:
        return replace(comparison, look=known)
    try:
        made = append_look(store, plan, replace(look, by=by))
    except OSError as error:
        said = _unrecorded("This look", store, plan, error)
        return replace(comparison, headline=(*comparison.headline, said))
    looks = comparison.looks if made in comparison.looks else (*comparison.looks, made)
    return replace(comparison, look=made, looks=looks)


def _unrecorded(what: str, store: Store, plan: Plan, error: OSError) -> str:
    path = log_path(store, plan)
    return (
        f"{what} could not be recorded in {path} ({error.strerror or error}), so later looks "
        "will not count it; make the folder of records writable."
    )


def looks_frame(looks: Sequence[Look]) -> pd.DataFrame:
    """Return one row a look and contrast, as `Comparison.looks` shows them."""
    import pandas as pd

    columns = [each.name for each in fields(LookedContrast) if each.name != "pairs"]
    rows = [
        {
            "time": None if look.time is None else pd.Timestamp(look.time, unit="s", tz="UTC"),
            "by": look.by,
            **{name: getattr(contrast, name) for name in columns},
        }
        for look in looks
        for contrast in look.contrasts
    ]
    return pd.DataFrame(rows, columns=["time", "by", *columns])
