"""Build the table of how fast each variant learns: curve height, levels passed, plateau."""

from __future__ import annotations

from collections.abc import Sequence

from tempo.comparison.comparison import Comparison
from tempo.comparison.evidence import Learning, Milestone, Passing
from tempo.report.applicability import NotApplicable
from tempo.report.formats import numbers
from tempo.report.formats.cells import Links
from tempo.report.formats.table import Cell, Column, Line, Table, words

AT_EPOCH = "PSNR at epoch "
"""How the names of milestones by epoch begin."""
NOTED = (
    "Epochs: validation PSNR there, and where it went flat, as runs noted it themselves; means "
    "over seeds"
)


def build(comparison: Comparison) -> Table | NotApplicable:
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
            Cell("still rising" if each.plateau is None else f"{each.plateau}", each.plateau),
            *(_milestone(each, milestone) for milestone in milestones),
        )
        lines.append(Line(cells))
    notes = tuple(sorted({each.definition for each in found if each.definition}))
    notes += (NOTED,) if milestones else ()
    caption = "Speed of learning, from the validation curves."
    return Table("learning", caption, columns, tuple(lines), notes)


def _milestones(found: Sequence[Learning]) -> list[Milestone]:
    """Return one milestone of each name, those by epoch first."""
    seen = {milestone.name: milestone for each in found for milestone in each.milestones}
    by_epoch = {name: each for name, each in seen.items() if name.startswith(AT_EPOCH)}
    ordered = sorted(by_epoch, key=lambda name: int(name.removeprefix(AT_EPOCH)))
    return [seen[name] for name in (*ordered, *(name for name in seen if name not in by_epoch))]


def _short(milestone: Milestone) -> str:
    """Return a heading narrow enough for a page."""
    return milestone.name.removeprefix("PSNR at ").replace("PSNR where the plateau begins", "there")


def _milestone(learning: Learning, milestone: Milestone) -> Cell:
    own = next((each for each in learning.milestones if each.name == milestone.name), None)
    if own is None:
        return Cell("not reached", None, tone="quiet")
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
