"""Write the page of two studies, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tempo.comparison.statistics.quantities import Word
from tempo.comparison.study_changes import Change, Changes
from tempo.report.document import write_page
from tempo.report.figures.export import FORMATS, plates
from tempo.report.figures.forest import change_rows, difference_range, draw_changes
from tempo.report.formats import numbers
from tempo.report.formats.cells import change_cell, verdict_cell
from tempo.report.formats.phrases import title
from tempo.report.formats.table import Cell
from tempo.report.pages.answer import Answer, AnswerRow
from tempo.report.pages.page import Page, Section, text
from tempo.report.pages.strips import strip, ticks
from tempo.report.pages.summary import Box, Remark, Summary
from tempo.report.tables.changes import CHANGES_TABLES

SECTIONS = (
    Section("changes", "All changes", ("figure:changes", "table:changes")),
    Section("moved", "Added and removed", ("table:moved",)),
    Section("differs", "What the studies ask for", ("table:spec", "table:config")),
    Section("studies", "Both studies", ("boxes",), about="their runs, what came and went"),
    Section("runs", "Runs", ("runs",), about="every run of both studies"),
    Section("reproduction", "Reproduction", ("reproduction",), about="the command"),
)


def write_changes_report(
    changes: Changes, folder: Path, *, command: str = "", formats: Sequence[str] = tuple(FORMATS)
) -> Path:
    """Write `index.html`, `report.md`, `figures/` and `tables/` of two studies; return the page.

    Args:
        command: the command that writes this page again, for its last section.
        formats: of the figures beside the page, of `png`, `pdf` and `svg`.
    """
    summary = changes_summary(changes)
    page = Page(
        kind="two studies",
        title=f"{changes.before} to {changes.after}",
        question=f"What got better or worse in {title(changes.info)}?",
        summary=summary,
        sections=SECTIONS,
        figures=plates({"changes": draw_changes}, changes, formats),
        tables={name: build(changes) for name, build in CHANGES_TABLES.items()},
        texts={
            "runs": text("changes_runs.html", changes=changes),
            "reproduction": text("changes_reproduction.html", command=command) if command else "",
            "boxes": text("boxes.html", boxes=summary.boxes),
        },
        colophon=f"{changes.before}, {changes.after}",
    )
    return write_page(page, folder)


def changes_summary(changes: Changes) -> Summary:
    """Return what opens the page: the verdict, both studies, what came, went and differs."""
    same = sum(each.same_runs for each in changes.changes)
    return Summary(
        banners=(),
        verdict=verdict(changes),
        answer=_answer(changes),
        notes=tuple(Remark(sentence, is_warning=False) for sentence in _largest(changes)),
        boxes=(
            Box(
                "Studies",
                {
                    "before": changes.before,
                    "after": changes.after,
                    "metric": title(changes.info),
                    "in both": str(len(changes.changes)),
                    "same runs": str(same),
                },
            ),
            Box(
                "Added and removed",
                {"added": ", ".join(changes.added), "removed": ", ".join(changes.removed)}
                if changes.added or changes.removed
                else {},
                empty="Both studies have the same variants.",
            ),
            Box(
                "Differs in the spec",
                remarks=tuple(Remark(path, "#table-spec") for path in changes.spec),
                empty="The specs ask for the same.",
            ),
        ),
    )


MOST_ROWS = 12


def _answer(changes: Changes) -> Answer | None:
    """Return the table that opens the page: the largest decided changes, then the other ones."""
    if not changes.changes:
        return None
    info, digits = changes.info, changes.info.digits
    order = [Word.WORSE, Word.BETTER, Word.EQUIVALENT, Word.INCONCLUSIVE, Word.INCOMPARABLE]
    places = {each.variant: place for place, each in enumerate(changes.changes)}
    ranked = sorted(changes.changes, key=lambda e: (order.index(e.verdict.word), -_size(e)))
    chosen = ranked[:MOST_ROWS]
    ends = difference_range(change_rows(chosen), None)
    rows = []
    for each in chosen:
        link, word = f"#v{places[each.variant]}", each.verdict.word
        verdict = Cell("the same runs", tone="quiet")
        if not each.same_runs:
            verdict = verdict_cell(each.verdict, link, brief=True)
        told = f"{each.variant}: {numbers.change(each.difference, digits)}, {word.value}"
        rows.append(
            AnswerRow(
                Cell(each.variant, each.variant, link),
                verdict,
                change_cell(each.difference, digits, link),
                strip(each.difference, word, ends, digits, told),
                tuple(Cell(numbers.fixed(v, digits), v) for v in (each.before, each.after)),
            )
        )
    unit = f" ({info.unit})" if info.unit else ""
    left = len(ranked) - len(chosen)
    return Answer(
        caption=f"{title(info)}: Δ is {changes.after} minus {changes.before}, paired by the seeds "
        "and clips that both have. What got worse stands first.",
        change=f"Δ {title(info)}{unit}",
        others=("before", "after"),
        rows=tuple(rows),
        ticks=ticks(ends, None),
        rest=f"{left} more variants are in the table of all changes." if left else "",
        more="#changes",
    )


def verdict(changes: Changes) -> str:
    """Return one sentence: how many variants got better, worse, and the rest."""
    if not changes.changes:
        return "The studies have no variant in common."
    judged = [each for each in changes.changes if not each.same_runs]
    if not judged:
        return "Nothing changed: every variant that both studies have is the same runs."
    words = []
    for word in Word:
        count = sum(each.verdict.word == word for each in judged)
        if count:
            words.append(
                f"{count} {'got ' if word in {Word.BETTER, Word.WORSE} else ''}{word.value}"
            )
    total = len(changes.changes)
    same = total - len(judged)
    if same:
        words.append(f"{same} {'is' if same == 1 else 'are'} the same runs")
    noun = "variant" if total == 1 else "variants"
    return f"In {title(changes.info)}, of {total} {noun} in both studies: {', '.join(words)}."


def _largest(changes: Changes) -> Iterator[str]:
    """Yield the largest change each way among those with a settled verdict."""
    for word in (Word.BETTER, Word.WORSE):
        settled = [each for each in changes.of(word) if each.difference and not each.same_runs]
        if settled:
            yield _sentence(max(settled, key=_size), word, changes)


def _size(each: Change) -> float:
    return abs(each.difference.value) if each.difference else 0.0


def _sentence(each: Change, word: Word, changes: Changes) -> str:
    unit = f" {changes.info.unit}" if changes.info.unit else ""
    text = numbers.change(each.difference, changes.info.digits)
    what = "gain" if word == Word.BETTER else "loss"
    return f"Largest {what}: {each.variant}, {text}{unit}."
