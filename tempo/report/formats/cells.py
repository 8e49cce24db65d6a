"""Make the cells of a study's tables: names that link to runs, means, differences, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Contrast, Estimate, Interval, Verdict, Word
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell

MARKS = {
    Word.BETTER: "▴",
    Word.WORSE: "▾",
    Word.EQUIVALENT: "≈",
    Word.INCONCLUSIVE: "○",
    Word.INCOMPARABLE: "×",
}
"""The shape of each verdict, for readers who do not see its colour."""

NONE = Cell(numbers.MISSING, tone="quiet")
"""The cell of a number that is missing."""


@dataclass(frozen=True, slots=True)
class Links:
    """Map a variant or a trial to the place on the page that lists its runs."""

    places: Mapping[str, str]

    @classmethod
    def of(cls, comparison: Comparison) -> Links:
        """Return the places of a comparison's rows."""
        return cls({row.variant: f"#v{index}" for index, row in enumerate(comparison.rows)})

    def to(self, variant: str | None) -> str:
        """Return the fragment of a variant: a number, because a label may hold anything."""
        return self.places.get(variant or "", "#runs")

    def name(self, variant: str) -> Cell:
        """Return the cell that names a variant."""
        return Cell(variant, variant, self.to(variant))


def estimate_cell(
    estimate: Estimate | None, digits: int, link: str = "", missing: str = ""
) -> Cell:
    """Return mean ± standard deviation, with each seed's value as hint."""
    if estimate is None:
        return Cell(numbers.MISSING, None, link, missing)
    pairs = zip(estimate.seeds, estimate.values, strict=True)
    hint = "; ".join(
        ("" if seed is None else f"seed {seed}: ") + numbers.fixed(value, digits)
        for seed, value in pairs
    )
    return Cell(numbers.spread(estimate, digits), estimate.mean, link, hint)


def change_cell(change: Interval | None, digits: int, link: str = "", hint: str = "") -> Cell:
    """Return a difference with its interval."""
    return Cell(numbers.change(change, digits), change.value if change else None, link, hint)


def verdict_cell(verdict: Verdict, link: str = "", *, brief: bool = False) -> Cell:
    """Return a mark and a word, and unless `brief` the chance that more seeds decide."""
    word, chance = verdict.word.value, verdict.chance
    text = f"{MARKS[verdict.word]}\N{NO-BREAK SPACE}{word}"
    if chance is not None and not brief:
        text += f", {chance.mean:.0%} chance by {chance.seeds} seeds"
    return Cell(text, word, link, verdict.reason, word)


def contrast_cell(contrast: Contrast, link: str = "", *, brief: bool = False) -> Cell:
    """Return the verdict of a contrast, labelled where the study's rule does not ask for it.

    A word that an earlier look found says with how many seeds, as its difference is of those.
    """
    cell, beside = verdict_cell(contrast.verdict, link, brief=brief), kind_of(contrast)
    return replace(cell, text=f"{cell.text} {beside}") if beside else cell


def kind_of(contrast: Contrast) -> str:
    """Return with how many seeds a standing word was found, and the kind of contrast where that is
    neither the rule's nor that of all contrasts on further test sets."""
    found = contrast.decided_at
    at = f"at {found} seeds" if found is not None and found < len(contrast.seeds) else ""
    kind = "" if contrast.kind in ("rule", "test sets") else f"({contrast.kind})"
    return " ".join(filter(None, (at, kind)))
