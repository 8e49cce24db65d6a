"""Build the tables of cost (of a variant, at equal budgets, fronts) and of speed of learning."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.evidence import BudgetView, Learning, Milestone, ParetoPoint, Passing
from tempo.report.formats import numbers
from tempo.report.formats.cells import NONE, Links, estimate_cell
from tempo.report.formats.phrases import COST_NAMES, sentences, title
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table, words


def build(comparison: Comparison) -> Table | NotApplicable:
    """Return the costs of the trained variants."""
    rows = [row for row in comparison.trained if row.cost.parameters is not None]
    if not rows:
        return NotApplicable("no run has recorded its cost yet")
    links, size = Links.of(comparison), _mac_size(rows)
    timed = next((row.cost.latency_at for row in rows if row.cost.latency_at), "")
    columns = (
        *words("variant"),
        Column("parameters"),
        Column("MACs", hint=size),
        Column("step", "ms"),
        Column("one frame", "ms", hint=timed),
        Column("peak memory"),
        Column("one run"),
        Column("processor", hint="user and system time of one run, its evaluation included"),
        Column("compilation", hint="of one run, all its attempts, apart from the training time"),
        Column("cold compilation", hint="one compilation that had to build something"),
        Column("warm compilation", hint="one compilation that found everything in the cache"),
        Column("device hours", "h"),
        Column("hours behind", "h", hint="of the runs whose weights it takes"),
        Column("gain per hour", comparison.info(comparison.metric).unit + "/h"),
        *words("device"),
    )
    caption = sentences(
        "Cost of each variant, means over its finished seeds.",
        f"MACs: one forward pass over {size}." if size else "",
        f"One frame: predicted at {timed}, all networks timed in turn." if timed else "",
    )
    lines = tuple(_costs(row, links) for row in rows)
    return Table("costs", caption, columns, lines).without_empty_columns()


def _costs(row: Row, links: Links) -> Line:
    cost, link = row.cost, links.to(row.variant)
    return Line.of(
        links.name(row.variant),
        Cell(numbers.count(cost.parameters), cost.parameters, link),
        Cell(numbers.count(cost.macs), cost.macs, link),
        Cell(numbers.three(cost.step_ms), cost.step_ms, link),
        Cell(numbers.three(cost.latency_ms), cost.latency_ms, link),
        Cell(numbers.memory(cost.peak_memory), cost.peak_memory, link),
        Cell(numbers.duration(cost.train_seconds), cost.train_seconds, link),
        Cell(numbers.duration(cost.cpu_seconds), cost.cpu_seconds, link),
        Cell(numbers.duration(cost.compile_seconds), cost.compile_seconds, link),
        Cell(numbers.duration(cost.cold_compile_seconds), cost.cold_compile_seconds, link),
        Cell(numbers.duration(cost.warm_compile_seconds), cost.warm_compile_seconds, link),
        Cell(numbers.three(cost.device_hours), cost.device_hours, link),
        Cell(numbers.three(cost.hours_behind), cost.hours_behind, link),
        Cell(numbers.three(cost.gain_per_hour), cost.gain_per_hour, link),
        Cell(cost.device or "", cost.device),
    )


def _mac_size(rows: list[Row]) -> str:
    size = next((row.cost.mac_size for row in rows if row.cost.mac_size), None)
    return f"{size[0]} × {size[1]} pixels" if size else ""


SIZE = "parameters"
"""The one budget at which variants are read after training, and so on the split of the results."""


def budgets(comparison: Comparison) -> Table | NotApplicable:
    """Return each variant on validation at equal steps, wall-clock, device hours: a column each."""
    views = [view for view in comparison.budgets if view.budget != SIZE]
    if not views:
        return NotApplicable("no validation curve reaches a budget that all variants share")
    name, split = title(comparison.info(comparison.metric)), _split(views[0])
    caption = (
        f"At equal budgets: {name} on {split}; mean ± standard deviation over seeds. A value read "
        "in mid-schedule understates what a shorter schedule would reach."
    )
    return _budgets("budgets", caption, comparison, views)


def same_size(comparison: Comparison) -> Table | NotApplicable:
    """Return the results of the variants that are about as large as the baseline."""
    views = [view for view in comparison.budgets if view.budget == SIZE]
    found = sum(each is not None for view in views for each in view.values.values())
    if found < 2:
        return NotApplicable("no other variant has about as many parameters as the baseline")
    name, split = title(comparison.info(comparison.metric)), _split(views[0])
    caption = (
        f"At equal size: {name} on {split}, after training; mean ± standard deviation over seeds."
    )
    return _budgets("same_size", caption, comparison, views)


def _split(view: BudgetView) -> str:
    return "the test clips" if view.split == "test" else "the validation clips"


def _budgets(name: str, caption: str, comparison: Comparison, views: Sequence[BudgetView]) -> Table:
    links, infos = Links.of(comparison), {info.name: info for info in comparison.metrics}
    digits = {view.metric: infos[view.metric].digits if view.metric in infos else 3
              for view in views}  # fmt: skip
    lines = tuple(
        Line.of(
            links.name(variant),
            *(
                estimate_cell(
                    view.values.get(variant),
                    digits[view.metric],
                    links.to(variant),
                    "never got that far",
                )
                for view in views
            ),
        )
        for variant in (row.variant for row in comparison.trained)
    )
    columns = (*words("variant"), *(Column(_budget(view), hint=view.note) for view in views))
    notes = tuple(f"{view.budget}: {view.note}" for view in views if view.note)
    return Table(name, caption, columns, lines, notes)


def _budget(view: BudgetView) -> str:
    amount = numbers.count(view.at) if view.at >= 1e4 else f"{float(f'{view.at:.3g}'):g}"
    return f"{view.budget}: {amount}" + ("" if view.unit == view.budget else f" {view.unit}")


def fronts(comparison: Comparison) -> Table | NotApplicable:
    """Return how likely no cheaper variant is as good: one column a cost."""
    views = [view for view in comparison.pareto if view.points]
    if not views:
        return NotApplicable("no variant has both a result and a recorded cost")
    links = Links.of(comparison)
    by_cost = [{point.variant: point for point in view.points} for view in views]
    columns = (*words("variant"), *(Column(COST_NAMES.get(view.cost, view.cost)) for view in views))
    lines = tuple(
        Line((links.name(name), *(_chance(points.get(name), links) for points in by_cost)))
        for name in (row.variant for row in comparison.trained)
        if any(name in points for points in by_cost)
    )
    caption = (
        "The chance that nothing cheaper is as good, given the noise; •: on the front by the means."
    )
    return Table("fronts", caption, columns, lines)


def _chance(point: ParetoPoint | None, links: Links) -> Cell:
    if point is None:
        return NONE
    text = ("• " if point.member else "") + numbers.percent(point.probability)
    return Cell(text, point.probability, links.to(point.variant))


NOTED = "Epochs and ends of stages: validation PSNR there, as runs noted it; means over seeds"
RISING = "still rising"


def learning(comparison: Comparison) -> Table | NotApplicable:
    """Return one line a variant, for the primary metric."""
    found = [each for each in comparison.learning if each.metric == comparison.metric]
    if not found:
        return NotApplicable("no validation curve is long enough")
    info = comparison.info(comparison.metric)
    links, milestones = Links.of(comparison), _milestones(found)
    levels = sorted({passing.level for each in found for passing in each.passings})
    columns = (
        *words("variant"),
        Column("mean height of curve", info.unit),
        *(
            Column(f"steps to {numbers.fixed(level, info.digits)}", hint="median over seeds")
            for level in levels
        ),
        Column("plateau from step"),
        Column("that is epoch"),
        *(Column(_short(each), each.unit, hint=each.name) for each in milestones),
    )
    lines = []
    for each in found:
        passings = {passing.level: passing for passing in each.passings}
        area = each.area.value if each.area else None
        cells = (
            links.name(each.variant),
            Cell(numbers.fixed(area, info.digits), area),
            *(_passing(passings.get(level)) for level in levels),
            Cell(RISING if each.plateau is None else f"{each.plateau}", each.plateau),
            _epoch(each),
            *(_milestone(each, milestone) for milestone in milestones),
        )
        lines.append(Line(cells))
    notes = tuple(sorted({each.definition for each in found if each.definition}))
    notes += (NOTED,) if milestones else ()
    caption = "Speed of learning, from the validation curves."
    return Table("learning", caption, columns, tuple(lines), notes).without_empty_columns()


def _epoch(each: Learning) -> Cell:
    """Return the epoch of a plateau, which is the same place of the same curve as its step."""
    if each.plateau_epoch is None:
        return NONE
    return Cell(numbers.fixed(each.plateau_epoch, 1), each.plateau_epoch)


def _milestones(found: Sequence[Learning]) -> list[Milestone]:
    """Return one milestone of each name, in order: epochs, then ends of stages."""
    seen = {milestone.name: milestone for each in found for milestone in each.milestones}
    return sorted(seen.values(), key=lambda milestone: milestone.place)


def _short(milestone: Milestone) -> str:
    return milestone.name.removeprefix("PSNR at ")


def _milestone(learning: Learning, milestone: Milestone) -> Cell:
    own = next((each for each in learning.milestones if each.name == milestone.name), None)
    if own is None:
        # A variant without stages has no end of one, and every complete run reached those it has.
        at_epoch = milestone.place[0] == 0
        return Cell("not reached", None, tone="quiet") if at_epoch else NONE
    seeds = "1 seed" if own.seeds == 1 else f"mean of {own.seeds} seeds"
    return Cell(numbers.fixed(own.value, 2 if own.unit else 1), own.value, hint=seeds)


def _passing(passing: Passing | None) -> Cell:
    if passing is None or passing.step is None:
        reached = f"{passing.passed} of {passing.seeds} seeds get there" if passing else ""
        return Cell("not reached", None, hint=reached, tone="quiet")
    return Cell(
        f"{passing.step:.0f}",
        passing.step,
        hint=f"{passing.passed} of {passing.seeds} seeds; {numbers.duration(passing.seconds)}",
    )
