"""The first screen as data: one sentence with its numbers, the first table, each warning once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.comparison.comparison import Comparison
from tempo.comparison.statistics.quantities import Contrast, Verdict, Word
from tempo.report.figures.axis_range import Reach, axis_range
from tempo.report.formats.answer_sentence import answer_sentence
from tempo.report.pages.answer import MOST_ROWS, answer_table
from tempo.report.pages.headlines import sort_headline
from tempo.report.pages.strips import ticks
from tempo.report.pages.study_page import study_summary

from . import sample

WORSE, EQUIVALENT, INCONCLUSIVE = Word.WORSE, Word.EQUIVALENT, Word.INCONCLUSIVE


def judged(whole: Comparison, words: Sequence[Word]) -> Comparison:
    """The study with these words as the verdicts of its variants, in their order."""
    names = [row.variant for row in whole.trained if row.role != "baseline"]
    told = dict(zip(names, words, strict=True))

    def with_word(each: Contrast) -> Contrast:
        return replace(each, verdict=Verdict(word=told[each.variant], reason="given"))

    rows = tuple(
        replace(row, contrasts={k: with_word(v) for k, v in row.contrasts.items()})
        for row in whole.rows
    )
    return replace(whole, rows=rows, contrasts=tuple(map(with_word, whole.contrasts)))


def test_the_sentence_names_what_was_decided_with_its_numbers(whole: Comparison) -> None:
    one = answer_sentence(judged(whole, (INCONCLUSIVE, EQUIVALENT, WORSE, INCONCLUSIVE)))
    assert one.startswith("Against se=on,dilation=mixed (27.61 dB) in PSNR on the test clips: ")
    assert "se=off,dilation=plain is worse by 0.40 dB [0.20, 0.60]; " in one
    assert "se=on,dilation=plain (−0.15 dB [−0.33, +0.03]) is equivalent; " in one
    assert one.endswith(
        "se=off,dilation=mixed (−0.18 dB [−0.34, −0.02]) and tempo_v2 (−0.55 dB [−0.77, −0.33]) "
        "are inconclusive."
    )


def test_the_sentence_counts_where_there_are_many_of_a_kind(whole: Comparison) -> None:
    every = answer_sentence(judged(whole, [INCONCLUSIVE] * 4))
    assert every.endswith(": all 4 variants are inconclusive, between −0.55 and −0.15 dB.")
    worse = answer_sentence(judged(whole, [WORSE] * 4))
    assert ": worse are tempo_v2 by 0.55 dB [0.33, 0.77] and " in worse
    assert worse.endswith(" and 1 more variant.")


def test_a_study_of_one_variant_says_its_value(whole: Comparison, bare: Comparison) -> None:
    alone = replace(whole, rows=whole.rows[:1], contrasts=())
    said = answer_sentence(alone)
    assert said.startswith("se=on,dilation=mixed reaches 27.61 ± 0.02 dB PSNR on the test clips")
    assert answer_sentence(bare) == "No run has finished yet."
    assert answer_table(bare) is None


def test_the_first_table_has_each_row_with_its_verdict_and_its_piece_of_the_forest(
    whole: Comparison,
) -> None:
    table = answer_table(whole)
    assert table is not None
    assert [row.name.text for row in table.rows] == [row.variant for row in whole.rows]
    assert [row.verdict.text.split("\N{NO-BREAK SPACE}")[-1] for row in table.rows[:5]] == [
        "baseline", "worse", "inconclusive", "worse", "worse",
    ]  # fmt: skip
    for row, contrast in zip(table.rows[1:5], whole.contrasts, strict=True):
        change, strip = contrast.difference, row.strip
        assert change is not None
        assert strip.low is not None and strip.at is not None and strip.high is not None
        assert 0 <= strip.low < strip.at < strip.high <= 100
        # Places on the strip are to zero as the differences are to zero.
        scale = (strip.at - table.ticks.zero) / change.value
        assert (strip.low - table.ticks.zero) / scale == pytest.approx(change.low, abs=2e-3)
        assert "run " in strip.told and "seed 0: " in strip.told


def test_a_reference_far_off_stands_at_the_edge_with_its_number(whole: Comparison) -> None:
    far = replace(
        whole.contrasts[0],
        variant="nearest",
        difference=replace(whole.contrasts[0].difference, value=-7.1, low=-8.0, high=-6.2),
    )
    rows = tuple(
        replace(row, contrasts={"psnr": far}) if row.variant == "nearest" else row
        for row in whole.rows
    )
    before, after = answer_table(whole), answer_table(replace(whole, rows=rows))
    assert before is not None and after is not None
    # The variants keep most of the axis: it grows by the room for the number alone.
    first, second = (table.rows[4].strip for table in (before, after))
    assert second.high - second.low > 0.85 * (first.high - first.low)
    strip = after.rows[-1].strip
    assert (strip.at, strip.off, strip.text) == (None, "low", "−7.10")


def test_of_many_variants_the_best_stand_in_the_first_table(tmp_path: Path) -> None:
    names = [f"variant {index:02d}" for index in range(30)]
    many = sample.comparison(tmp_path, names, gallery=0)
    table = answer_table(many)
    assert table is not None
    assert len(table.rows) == MOST_ROWS + 2
    assert table.rest == "18 more of the 30 variants are in the table of all results."


def test_an_interval_of_two_seeds_does_not_set_the_scale() -> None:
    three = [Reach(0.0, 0.2, 3), Reach(0.2, 0.4, 3)]
    wide = axis_range([0.1, 0.3], [*three, Reach(-9.0, 9.0, 2)])
    assert wide == axis_range([0.1, 0.3], three)
    low, high = axis_range([0.1, 0.3], [Reach(-9.0, 9.0, 2), Reach(-8.0, 9.0, 2)])
    assert low < -0.1 and high > 0.5  # there is room to see that they go on
    assert high - low < 1


def test_one_wide_interval_does_not_set_the_scale() -> None:
    narrow = [Reach(-0.1, 0.1, 3), Reach(0.0, 0.2, 3), Reach(0.1, 0.3, 3)]
    assert axis_range([0.0, 0.2], [*narrow, Reach(-5.0, 5.0, 3)]) == axis_range([0.0, 0.2], narrow)


def test_ticks_are_round_and_hold_zero() -> None:
    found = ticks((-0.83, 0.21), 0.05)
    assert [text for _, text in found.labels] == ["−0.8", "−0.6", "−0.4", "−0.2", "0.0", "+0.2"]
    assert found.zero == pytest.approx(100 * 0.83 / 1.04, abs=0.01)


LEARNED = "Learned nothing over averaging: no trained variant beats it by 0.02 dB."
AGAINST = "Against se=on,dilation=mixed in PSNR: worse: tempo_v2."
NOISE = "Two means of three seeds differ by up to 0.11 dB by seed alone."
CAREFUL = "The 4 clips come from 4 sources: so few hardly show how sources differ."
SSIM = "Against se=on,dilation=mixed in SSIM: worse: tempo_v2."
ALIKE = "Not alike: the device differed between runs."


def test_each_sentence_of_the_headline_stands_at_one_place(whole: Comparison) -> None:
    said = (LEARNED, AGAINST, SSIM, NOISE, ALIKE, CAREFUL)
    found = sort_headline(replace(whole, headline=said))
    assert found.lead == (LEARNED,)
    assert [note.text for note in found.notes] == [SSIM, ALIKE, CAREFUL]
    assert [note.link for note in found.notes] == ["", "#fairness", ""]
    assert NOISE in found.precision
    assert AGAINST not in (*found.lead, *found.precision)


def test_what_is_incomplete_stands_in_the_banner_alone(partial: Comparison) -> None:
    short = "Incomplete: se=off,dilation=mixed (2 of 3 seeds)."
    summary = study_summary(replace(partial, headline=(short, AGAINST)))
    (banner,) = (each for each in summary.banners if each.title == "Partial")
    assert banner.text.endswith(short)
    assert short not in [*summary.lead, *(note.text for note in summary.notes)]
