"""Draw differences with their intervals: forest plots, and the waterfall of an attribution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Attribution, Contrast, Interval, Verdict, Word
from tempo.comparison.study_changes import Change, Changes
from tempo.report.figures import drawing
from tempo.report.figures.axis_range import Reach, axis_range
from tempo.report.figures.style import BAD, GOOD, QUIET, RULE, TEXT, UNSURE
from tempo.report.formats import numbers, phrases
from tempo.report.formats.cells import Links
from tempo.report.formats.table import NotApplicable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 40
MOST_CHANGES = 60

LOOKS = {
    Word.BETTER: ("^", GOOD.light),
    Word.WORSE: ("v", BAD.light),
    Word.EQUIVALENT: ("s", TEXT.light),
    Word.INCONCLUSIVE: ("o", UNSURE.light),
    Word.INCOMPARABLE: ("x", UNSURE.light),
}
"""The marker and the colour of each verdict."""
LEGEND = "Triangle: better or worse after Holm; square: equivalent; circle: inconclusive."


class ForestRow(NamedTuple):
    """A row: its label, its difference (None leaves the row empty), its verdict, its seeds.

    `values`: what each seed says, as text for the page; `link` leads to the runs.
    """

    label: str
    change: Interval | None
    verdict: Verdict
    seeds: int
    values: tuple[str, ...] = ()
    link: str = ""


def draw(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw each variant minus the baseline in the primary metric."""
    contrasts = {
        each.variant: each
        for each in comparison.contrasts
        if each.metric == comparison.metric and each.difference is not None
    }
    shown = drawing.shown_variants(comparison, contrasts, MOST)
    if not shown.names:
        return NotApplicable("no variant can be paired with the baseline yet")
    info, links = comparison.info(comparison.metric), Links.of(comparison)
    rows = [
        ForestRow(
            shown.labels[name],
            each.difference,
            each.verdict,
            len(each.seeds),
            tuple(seed_differences(each, info.digits)),
            links.to(name),
        )
        for name in shown.names
        for each in [contrasts[name]]
    ]
    figure, (axes,) = drawing.blank(0.75 + 0.22 * len(rows))
    cut, points = _rows(axes, rows, comparison.delta, info.digits)
    axes.set_xlabel(phrases.axis_label(info, "difference in "))
    some = contrasts[shown.names[0]]
    caption = phrases.sentences(
        f"Difference from the baseline ({comparison.baseline}), paired by seed and clip:",
        f"{phrases.seeds_range(len(contrasts[n].seeds) for n in shown.names)},",
        f"{some.clips} clips from {some.sources} sources.",
        phrases.interval_kind(some.difference, "Bar"),
        phrases.no_difference(comparison),
        LEGEND,
        drawing.CUT * cut,
        shown.omitted,
    )
    return drawing.Drawing(figure, caption, points)


def seed_differences(contrast: Contrast, digits: int) -> Iterator[str]:
    """Yield what each seed says of a contrast, with the run behind it."""
    for seed, value, runs in zip(contrast.seeds, contrast.values, contrast.run_ids, strict=True):
        yield f"seed {seed}: {numbers.signed(value, digits)}, run {runs[0]}"


def draw_effects(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Draw main effects, then two-way interactions, of a factorial design."""
    every = (*comparison.main_effects, *comparison.interactions)
    effects = [e for e in every if e.metric == comparison.metric and e.change is not None]
    if not effects:
        return NotApplicable("the design has no factors whose effects can be estimated")
    shown = effects[:MOST]
    labels = numbers.labels([phrases.effect_name(effect) for effect in shown], 34)
    names = [labels[phrases.effect_name(each)] for each in shown]
    rows = [
        ForestRow(name, each.change, each.verdict, _at_least(each.change))
        for name, each in zip(names, shown, strict=True)
    ]
    info = comparison.info(comparison.metric)
    figure, (axes,) = drawing.blank(0.75 + 0.24 * len(rows))
    cut, points = _rows(axes, rows, comparison.delta, info.digits)
    mains = sum(len(effect.factors) == 1 for effect in shown)
    if 0 < mains < len(shown):
        axes.axhline(mains - 0.5, color=QUIET.light, linewidth=0.4, linestyle=(0, (2, 2)))
    axes.set_xlabel(phrases.axis_label(info, "change in "))
    caption = phrases.sentences(
        "Main effects, averaged over the other factors, and below the line two-way interactions",
        "(by how much one factor changes the other's effect).",
        phrases.interval_kind(shown[0].change, "Bar"),
        phrases.no_difference(comparison),
        drawing.CUT * cut,
        f"{MOST} of {len(effects)} effects are shown." if len(effects) > MOST else "",
    )
    return drawing.Drawing(figure, caption, points)


def _at_least(change: Interval | None) -> int:
    """Return how many seeds the degrees of freedom of an interval stand for at least."""
    return 0 if change is None or change.df is None else int(change.df) + 1


def largest_changes(changes: Changes) -> list[Change]:
    """Return the changes with a difference; above the limit, the largest, in the study's order."""
    found = [each for each in changes.changes if each.difference is not None]
    largest = sorted(found, key=lambda each: -abs(each.difference.value if each.difference else 0))
    kept = {each.variant for each in largest[:MOST_CHANGES]}
    return [each for each in found if each.variant in kept]


def change_rows(chosen: Sequence[Change]) -> list[ForestRow]:
    """Return the changes between two studies as rows of a forest."""
    return [
        ForestRow(each.variant, each.difference, each.verdict, _at_least(each.difference))
        for each in chosen
    ]


def draw_changes(changes: Changes) -> drawing.Drawing | NotApplicable:
    """Draw after minus before, one row a variant that both studies have."""
    chosen = largest_changes(changes)
    if not chosen:
        return NotApplicable("no variant has finished runs in both studies")
    labels = numbers.labels([each.variant for each in chosen], 26)
    rows = [row._replace(label=labels[row.label]) for row in change_rows(chosen)]
    figure, (axes,) = drawing.blank(0.75 + 0.22 * len(rows))
    cut, points = _rows(axes, rows, None, changes.info.digits)
    axes.set_xlabel(phrases.axis_label(changes.info, "change in "))
    total = sum(each.difference is not None for each in changes.changes)
    caption = phrases.sentences(
        f"{changes.after} minus {changes.before}, paired by the seeds and clips that both have:",
        f"n = {len(rows)} variants.",
        phrases.interval_kind(chosen[0].difference, "Bar"),
        LEGEND,
        drawing.CUT * cut,
        f"The largest {MOST_CHANGES} of {total}." if total > len(rows) else "",
    )
    return drawing.Drawing(figure, caption, points)


def difference_range(rows: Sequence[ForestRow], delta: float | None) -> tuple[float, float]:
    """Return the ends of an axis of differences: zero, every difference, the sure intervals."""
    changes = [row.change for row in rows if row.change is not None]
    band = [-delta, delta] if delta is not None else []
    reaches = [Reach(row.change.low, row.change.high, row.seeds) for row in rows if row.change]
    return axis_range([0.0, *band, *(each.value for each in changes)], reaches)


def _rows(
    axes: Axes, rows: Sequence[ForestRow], delta: float | None, digits: int
) -> tuple[bool, list[drawing.Point]]:
    """Draw `rows` top to bottom about zero; return whether any is cut off, and their points."""
    if delta is not None:
        axes.axvspan(-delta, delta, color=RULE.light, alpha=0.45, linewidth=0)
    axes.axvline(0, color=QUIET.light, linewidth=0.7)
    ends, cut, points = difference_range(rows, delta), False, []
    for place, row in enumerate(rows):
        change = row.change
        if change is None:
            continue
        marker, colour = LOOKS[row.verdict.word]
        drawing.interval_bars(axes, [(place, change)], colour)
        cut |= drawing.cut_marks(axes, [(place, change)], ends, colour)
        hollow = row.verdict.word is Word.INCONCLUSIVE
        x, y = [change.value], [place]
        drawing.mark_points(axes, x, y, marker, colour, filled=not hollow, markersize=4.6, zorder=3)
        said = f"{row.label}: {numbers.change(change, digits)}, {row.verdict.word.value}"
        text = "\n".join([said, *row.values])
        points.append(drawing.Point(0, change.value, place, text, link=row.link))
    axes.set_xlim(*ends)
    drawing.name_rows(axes, [row.label for row in rows])
    return cut, points


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: from `left`, `change` wide. `kind`: factor, missing or interaction.

    `why`: in a few words why a bar is missing.
    """

    label: str
    left: float
    change: Interval | None
    kind: str
    why: str = ""


def draw_attribution(comparison: Comparison) -> drawing.Drawing | NotApplicable:
    """Stack what each factor adds alone on the start's mean; the remainder is the interaction."""
    found = comparison.attribution
    if found is None:
        return NotApplicable("the study does not ask how one variant becomes another")
    start = _start(found)
    if start is None or found.total is None:
        return NotApplicable("one end of the attribution has not finished")
    bars = stack(found, start)
    figure, (axes,) = drawing.blank(0.75 + 0.24 * (len(bars) + 2))
    digits = comparison.info(found.metric).digits
    _end(axes, 0, start)
    for place, bar in enumerate(bars, start=1):
        _bar(axes, place, bar, digits)
    _end(axes, len(bars) + 1, start + found.total.value)
    ticks = [found.start, *(bar.label for bar in bars), found.end]
    drawing.name_rows(axes, [numbers.shorten(tick, 26) for tick in ticks])
    axes.use_sticky_edges = False
    axes.margins(x=0.12)
    axes.set_xlabel(phrases.axis_label(comparison.info(found.metric)))
    some = next((bar.change for bar in bars if bar.change is not None), None)
    caption = phrases.sentences(
        f"From {found.start} to {found.end}: what each factor adds alone to the start,",
        "and the interaction that is left over (hatched).",
        phrases.interval_kind(some, "Line"),
    )
    return drawing.Drawing(figure, caption)


def _start(found: Attribution) -> float | None:
    """Return the start's mean over the seeds of all terms; a table's mean may be over more."""
    for rung in (*found.add_in, *found.ladder[:1]):  # what each of these adds, it adds to the start
        if rung.change is not None and rung.level is not None:
            return rung.level - rung.change.value
    return None


def stack(found: Attribution, start: float) -> list[Bar]:
    """Return the bars, each from the end of the bar before; an unfinished arm takes no width."""
    bars, at = [], start
    for rung in found.add_in:
        kind, why = ("factor", "") if rung.change else ("missing", rung.note or "not finished")
        bars.append(Bar(rung.factor, at, rung.change, kind, why))
        at += rung.change.value if rung.change else 0.0
    if found.residual is not None:
        bars.append(Bar("interaction", at, found.residual, "interaction"))
    return bars


def _end(axes: Axes, place: int, level: float) -> None:
    axes.plot([level], [place], "D", color=TEXT.light, markersize=4.5)
    axes.axvline(level, color=QUIET.light, linewidth=0.5, linestyle=(0, (2, 2)), zorder=0)


def _bar(axes: Axes, place: int, bar: Bar, digits: int) -> None:
    if bar.change is None:
        options: Any = {"fontsize": 7, "va": "center", "color": QUIET.light}
        drawing.annotate(axes, bar.why, (bar.left, place), (4, 0), **options)
        return
    value = bar.change.value
    colour = GOOD.light if value >= 0 else BAD.light
    paint: dict[str, Any] = {"color": colour, "alpha": 0.75, "linewidth": 0}
    if bar.kind == "interaction":
        paint = {"facecolor": "none", "edgecolor": UNSURE.light, "hatch": "////", "linewidth": 0.7}
    axes.barh(place, value, left=bar.left, height=0.56, **paint)
    low, high = bar.change.low, bar.change.high
    far = bar.left + max(value, 0.0)
    if low is not None and high is not None:
        axes.plot([bar.left + low, bar.left + high], [place] * 2, color=TEXT.light, linewidth=0.8)
        far = max(far, bar.left + high)
    drawing.annotate(
        axes, numbers.signed(value, digits), (far, place), (3, 0), va="center", fontsize=7
    )
