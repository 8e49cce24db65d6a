"""Put the curves and costs of pairs of runs side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from tempo.comparison.differences.difference import AmountChange, CurveParting
from tempo.records.memory.kept_curves import Points, columns, names_of
from tempo.records.run_record import RunRecord

Pair = tuple[str, RunRecord, RunRecord]
"""What people call the pair, then both runs."""


def partings(pair: Pair) -> Iterator[CurveParting]:
    """Yield where the training loss of a pair parts, and its first validation metric."""
    title, before, after = pair
    loss = [_by_step(run.train, "loss") for run in (before, after)]
    yield from _parting(title, "train loss", loss[0], loss[1])
    known = [names_of(run.validations) for run in (before, after)]
    metric = next((name for name in ("psnr", *known[0]) if all(name in each for each in known)), "")
    if metric:
        values = [_by_step(run.validations, metric) for run in (before, after)]
        yield from _parting(title, f"validation {metric}", values[0], values[1])


def _by_step(points: Points, name: str) -> Mapping[int, float]:
    """Return a value of a curve by step, where it is there."""
    return dict(zip(*columns(points, name, ("step",)), strict=True))


def _parting(
    title: str, curve: str, before: Mapping[int, float], after: Mapping[int, float]
) -> Iterator[CurveParting]:
    steps = sorted(before.keys() & after.keys())
    if not steps:
        return
    parted = next((step for step in steps if not _equal(before[step], after[step])), None)
    last = steps[-1]
    equal = [step for step in steps if parted is None or step < parted]
    yield CurveParting(
        pair=title,
        curve=curve,
        points=len(steps),
        step=parted,
        equal_until=equal[-1] if equal else None,
        before=None if parted is None else before[parted],
        after=None if parted is None else after[parted],
        last_step=last,
        at_end=after[last] - before[last],
    )


def _equal(before: float, after: float) -> bool:
    """Whether two numbers are the same; two that are no numbers are."""
    return before == after or (math.isnan(before) and math.isnan(after))


COSTS = (
    ("parameters", ""),
    ("MACs", ""),
    ("steps", ""),
    ("training", "s"),
    ("device-hours", "h"),
    ("processor time", "s"),
    ("peak memory", "MiB"),
    ("one step", "ms"),
    ("wait for data", "ms"),
)
"""What is compared of costs, with its unit."""


def _cost(run: RunRecord) -> dict[str, float | None]:
    model, ended = run.model, [each.finish for each in run.lineage if each.finish]
    peak = max((each.peak_memory for each in ended), default=0)
    return {
        "parameters": model.parameters if model else None,
        "MACs": model.macs if model else None,
        "steps": run.step or None,
        "training": run.train_seconds if run.attempts else None,
        "device-hours": run.device_hours if run.attempts else None,
        "processor time": run.cpu_seconds,
        "peak memory": peak / 2**20 if peak else None,
        "one step": _mean(columns(run.train, "step_ms")[0]),
        "wait for data": _mean(columns(run.train, "data_ms")[0]),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    # Not fmean, which raises for infinities of both signs: their mean is no number.
    return sum(known) / len(known) if known else None


def cost_changes(
    before: Sequence[RunRecord], after: Sequence[RunRecord], variant: str = ""
) -> tuple[AmountChange, ...]:
    """Return what the runs of both sides cost, means over those that recorded it."""
    was, now = [_cost(run) for run in before], [_cost(run) for run in after]
    found = [
        AmountChange(
            name=name,
            unit=unit,
            before=_mean([each[name] for each in was]),
            after=_mean([each[name] for each in now]),
            variant=variant,
        )
        for name, unit in COSTS
    ]
    return tuple(each for each in found if each.before is not None or each.after is not None)


def result_changes(
    before: Sequence[RunRecord], after: Sequence[RunRecord], variant: str = ""
) -> tuple[AmountChange, ...]:
    """Return the mean of each test metric over the runs of both sides that have it."""
    tests = [[run.test for run in side if run.test] for side in (before, after)]
    names = dict.fromkeys(name for side in tests for test in side for name in test.values)
    infos = {name: dict(test.infos.get(name, {})) for side in tests for test in side
             for name in test.values}  # fmt: skip
    return tuple(
        AmountChange(
            name=name,
            unit=str(infos[name].get("unit", "")),
            before=_mean([test.values.get(name) for test in tests[0]]),
            after=_mean([test.values.get(name) for test in tests[1]]),
            variant=variant,
        )
        for name in names
    )
