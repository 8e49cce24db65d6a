"""Print the results of a study in a terminal: the answer, the table that fits, the verdicts on
further test sets, what to know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, RenderableType
from rich.text import Text

from tempo.cli.render.answer import lead, remaining
from tempo.cli.render.column_blocks import test_set_parts
from tempo.cli.render.fitted_table import FittedColumn, column, grid, lay_out
from tempo.cli.render.tables import COLOURS, plain
from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.sections.sentence_openings import RANK_TESTS
from tempo.report.formats import numbers
from tempo.report.formats.answer_sentence import LONGEST
from tempo.report.formats.cells import contrast_cell
from tempo.report.formats.phrases import percent, title
from tempo.report.formats.table import Cell
from tempo.report.tables.results import printed

LEAST_NAME = 16
"""Characters of a variant's name before further columns get room."""

LEAST_GROUP = 8
"""The same of a group's label."""

LAST_LINES = 3
"""Lines of a terminal that are left for the place of the report and the prompt."""

BACKGROUND = ("Numbers are of", "Rule, ", RANK_TESTS)
"""How notes begin that a page may say alone, beside what noise and power say."""


def print_results(comparison: Comparison, console: Console, *, on_page: bool = False) -> None:
    """Print the answer in a sentence, a row a variant, and what a reader of them must know.

    In a terminal too low for all that, the answer stays in sight: with `on_page`, the page alone
    says what the rule, the noise and the numbers are.
    """
    question = " ".join(comparison.question.split())
    heading = plain(": ".join(filter(None, (comparison.title, question))), "bold")
    layout = lay_out(list(_columns(comparison)), console.width)
    said: list[RenderableType] = [
        heading,
        *map(plain, lead(comparison)),
        Text(),
        grid(layout),
        Text(),
        *test_set_parts(comparison, console.width),
    ]
    notes = list(_notes(comparison, layout.left_out))
    if on_page and console.is_terminal:
        room = console.height - _lines(console, said) - LAST_LINES
        if _lines(console, map(plain, notes)) > room:
            background = {each.sentence for each in comparison.noise}
            background |= {each.sentence for each in comparison.power}
            notes = [n for n in notes if n not in background and not n.startswith(BACKGROUND)]
            notes.append("The page says more of the rule, the noise and what the numbers mean.")
    for part in [*said, *map(plain, notes)]:
        console.print(part)


def _lines(console: Console, parts: Iterable[RenderableType]) -> int:
    return sum(len(console.render_lines(part)) for part in parts)


def _columns(comparison: Comparison) -> Iterator[FittedColumn]:
    """Yield the columns in their order, each with how soon it gets room."""
    table, rows = printed(comparison), comparison.rows
    cells = {
        each.label: [_text(line.cells[index]) for line in table.lines]
        for index, each in enumerate(table.columns)
    }
    headings = {each.label: each.heading for each in table.columns}
    if "group" in cells:
        yield column("group", cells["group"], least=LEAST_GROUP, grow=2)
    names = [plain(_name(row)) for row in rows]
    yield column("variant", names, least=LEAST_NAME, grow=2)
    first, *others = [each for each in cells if each.startswith(_titles(comparison))]
    yield _metric(comparison, headings[first], cells[first])
    change = f"Δ {title(comparison.info(comparison.metric))}"
    if change in cells:
        yield column(headings[change], cells[change], kind="number")
    if "verdict" in cells:
        brief = [_text(_verdict(row, comparison)) for row in rows]
        pairs = zip(cells["verdict"], brief, strict=True)
        whole = [cell if cell.plain else short for cell, short in pairs]
        yield FittedColumn(heading="verdict", forms=[(0, brief), (4, whole)])
    places = {"seeds": 3} | {label: place for place, label in enumerate(others, 5)}
    for label in ("time", "parameters", "#"):
        places[label] = len(places) + 5
    for label, place in places.items():
        if label in cells:
            name = label.strip("↑↓# ")
            yield column(headings[label], cells[label], place, kind="number", left_out=name)


def _titles(comparison: Comparison) -> tuple[str, ...]:
    return tuple(f"{title(info)} " for info in comparison.metrics)


def _metric(comparison: Comparison, heading: str, cells: Sequence[Text]) -> FittedColumn:
    """Return the primary metric: the mean always, its standard deviation where there is room."""
    means = [Text(cell.plain.partition(" ± ")[0], style=cell.style) for cell in cells]
    return FittedColumn(heading=heading, forms=[(0, means), (1, cells)], numeric=True)


def _name(row: Row) -> str:
    return f"{row.variant} (reference)" if row.role == "reference" else row.variant


def _verdict(row: Row, comparison: Comparison) -> Cell:
    """Return the verdict without chances, and of a reference without its being secondary."""
    if row.role == "baseline":
        return Cell("baseline", tone="quiet")
    contrast = row.contrasts.get(comparison.metric)
    if contrast is None:
        return Cell("")
    cell = contrast_cell(contrast, brief=True)
    if row.role == "reference":
        return Cell(cell.text.removesuffix(" (secondary)"), cell.value, tone=cell.tone)
    return cell


def _text(cell: Cell) -> Text:
    return plain(cell.text, COLOURS.get(cell.tone, ""))


def _notes(comparison: Comparison, left_out: Sequence[str]) -> Iterator[str]:
    """Yield what was found and what is missing, then what the numbers mean."""
    if left_out:
        yield f"A wider terminal shows more, and --csv all: {', '.join(left_out)}."
    yield from remaining(comparison)
    for failed in comparison.failures:
        yield (
            f"{failed.status.capitalize()}: {numbers.shorten(failed.variant, LONGEST)} "
            f"s{failed.seed}, {numbers.shorten(failed.message, 120)}"
        )
    yield from (f"May change: {each}." for each in comparison.stale)
    for info in comparison.metrics:
        if not any(info.name in row.estimates for row in comparison.rows):
            yield f"{title(info)} is not applicable: no clip has a value ({info.definition})."
    yield _meaning(comparison)


def _meaning(comparison: Comparison) -> str:
    protocols = comparison.protocols
    hashes = [
        f"{each.hash}{'' if each.ranked or len(protocols) == 1 else ' (not ranked)'}"
        for each in protocols
    ]
    said = f"Numbers are of {comparison.at}; mean ± standard deviation over seeds"
    if comparison.baseline is not None:
        said += f"; {percent(comparison.level)} intervals over all differences (Holm)"
    return f"{said}. Protocol {', '.join(hashes)}." if hashes else f"{said}."
