"""What the figures and tables of a search show equals its record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tempo.core.errors import NotApplicableError
from tempo.records.search_record import Importance, SearchSummary
from tempo.report import search_trials as of
from tempo.report.figures import SEARCH_FIGURES
from tempo.report.figures.drawing import Drawing
from tempo.report.figures.export import figure_of, report_style
from tempo.report.figures.search import trial_values as marks
from tempo.report.figures.search.parameters import line
from tempo.report.figures.search.trial_values import fraction, window
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.pages.search_page import search_summary, verdict
from tempo.report.tables.search_tables import SEARCH_TABLES

from . import sample_search

ONE = sample_search.summary()
TWO = sample_search.two_objectives()


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    with report_style():
        yield


def drawn(name: str, summary: SearchSummary) -> Any:
    made = SEARCH_FIGURES[name](summary)
    assert isinstance(made, Drawing), made
    return made


def series(axes: Any) -> dict[str, list[tuple[float, float]]]:
    """Points by label."""
    return {
        str(each.get_label()): list(zip(each.get_xdata(), each.get_ydata(), strict=True))
        for each in axes.lines
    }


def table(name: str, summary: SearchSummary = ONE) -> Table:
    made = SEARCH_TABLES[name](summary)
    assert isinstance(made, Table), made
    return made


def test_history_shows_every_trial_once_as_what_it_is() -> None:
    shown = series(drawn("history", ONE).figure.axes[0])
    own = of.numbered(ONE)
    complete = {(t.number, t.values[0]) for t in own if marks.kind_of(t, ONE) == "complete"}
    assert set(shown["complete"]) == complete
    pruned = {(t.number, t.curve[-1][1]) for t in own if t.state == "pruned" and not t.raced}
    assert set(shown["pruned"]) == pruned
    assert {x for x, _ in shown["failed"]} == {t.number for t in own if t.state == "failed"}
    best = ONE.trial(ONE.best[0])
    assert shown["best"] == [(best.number, best.values[0])]


def test_the_best_so_far_never_falls_and_ends_at_the_winner() -> None:
    steps = series(drawn("history", ONE).figure.axes[0])["best so far"]
    heights = [float(y) for _, y in steps]
    assert heights == sorted(heights)
    assert heights[-1] == ONE.trial(ONE.best[0]).values[0]


def test_the_best_so_far_falls_where_less_is_better() -> None:
    macs = series(drawn("history", TWO).figure.axes[1])["best so far"]
    heights = [float(y) for _, y in macs]
    assert heights == sorted(heights, reverse=True)


def test_confirmation_shows_search_and_fresh_with_its_interval() -> None:
    axes = drawn("confirmation", ONE).figure.axes[0]
    shown = series(axes)
    assert [x for x, _ in shown["search"]] == [each.search.mean for each in ONE.confirmed]
    fresh = [each.fresh for each in ONE.confirmed]
    assert [x for x, _ in shown["fresh seeds"]] == [each.mean for each in fresh if each]
    bars = {tuple(each.get_xdata()) for each in axes.lines if len(each.get_xdata()) == 2}
    assert {(each.low, each.high) for each in fresh if each} <= bars


def test_importance_shows_shares_of_both_methods_largest_first() -> None:
    axes = drawn("importance", ONE).figure.axes[0]
    shares = [x for x, _ in series(axes)["fANOVA"]]
    assert shares == sorted(e.share for e in ONE.importances if e.evaluator == "fanova")[::-1]
    assert next(tick.get_text() for tick in axes.get_yticklabels()) == "lr"


def test_importance_stands_beside_the_level_of_noise() -> None:
    axes = drawn("importance", ONE).figure.axes[0]
    levels = series(axes)["noise alone, fANOVA"]
    assert [x for x, _ in levels] == [0.2] * 4
    made = table("importance")
    rows = {(line.cells[0].text, line.cells[2].text): line.cells[-1].text for line in made.lines}
    assert rows["lr", "fANOVA"] == "above noise"
    assert rows["se", "fANOVA"] == "above noise"
    assert rows["dilation", "fANOVA"] == "not distinguishable from noise"
    assert "share of the variance of a sample" in made.caption


def test_importance_of_an_old_record_claims_no_level_of_noise() -> None:
    fields = {"evaluator", "objective", "parameter", "share", "low", "high"}
    old = [{name: getattr(each, name) for name in fields} for each in ONE.importances]
    one = replace(ONE, importances=tuple(Importance(**each) for each in old))
    made = table("importance", one)
    assert {line.cells[-1].text for line in made.lines} == {"level of noise not computed"}
    assert "share of the sum over all factors" in made.caption
    assert "one time in 20" not in made.caption
    assert not any("noise" in label for label in series(drawn("importance", one).figure.axes[0]))


def test_the_front_is_the_summarys_front() -> None:
    shown = series(drawn("front", TWO).figure.axes[0])
    front = [TWO.trial(name) for name in TWO.front]
    assert set(shown["on the front"]) == {(t.values[1], t.values[0]) for t in front}


def test_a_parallel_line_goes_through_the_parameters_of_its_trial() -> None:
    trial = ONE.trial(ONE.best[0])
    heights = line(ONE, trial, (30.0, 32.0))
    assert heights[0] == pytest.approx((np.log10(float(trial.params["lr"])) + 5) / 2)
    assert heights[2] == (0.0 if trial.params["se"] == "on" else 1.0)
    assert heights[-1] == pytest.approx((trial.values[0] - 30) / 2)
    without = next(t for t in ONE.trials if t.params.get("se") == "off")
    assert np.isnan(line(ONE, without, (30.0, 32.0))[4])


def test_slices_have_a_panel_a_parameter_and_log_axes_where_the_search_has_them() -> None:
    panels = [axes for axes in drawn("slices", ONE).figure.axes if axes.get_visible()]
    assert [axes.get_xlabel() for axes in panels] == [each.name for each in ONE.space]
    assert [axes.get_xscale() for axes in panels] == ["log"] + ["linear"] * 4
    trial = ONE.trial(ONE.best[0])
    assert series(panels[0])["best"] == [(trial.params["lr"], trial.values[0])]


def test_pruned_curves_end_early() -> None:
    axes = drawn("intermediate", ONE).figure.axes[0]
    curves = {tuple(zip(*each.get_data(), strict=True)) for each in axes.lines}
    assert curves == {each.curve for each in ONE.trials if each.curve}
    assert {curve[-1][0] for curve in curves} == {100, 200}


def test_a_search_that_has_only_begun_says_why_there_is_nothing() -> None:
    empty = sample_search.empty()
    for draw in SEARCH_FIGURES.values():
        assert isinstance(draw(empty), NotApplicable)
    assert verdict(empty) == "No trial has run all its seeds yet."


def test_the_verdict_holds_search_fresh_and_gain() -> None:
    said = verdict(ONE)
    found = ONE.confirmed[0]
    assert found.fresh is not None
    for value in (found.search.mean, found.fresh.mean, found.gain["V3"].mean):
        assert f"{value:.2f}" in said
    assert "on the test clips +0.31 [+0.19, +0.43] dB against V3 (better)" in said


def test_the_page_says_what_every_interval_of_the_confirmation_covers() -> None:
    said = " ".join(note.text for note in search_summary(ONE, None).notes)
    for words in (
        "Against V3: better (+0.310 dB, adjusted p = 0.004); the interval covers fresh seeds and "
        "the draw of the test clips, which chose nothing.",
        "(the interval covers seeds alone, on validation).",
    ):
        assert words in said
    caption = table("confirmation").caption
    for words in (
        "Minus: the interval covers fresh seeds and the draw of the test clips, which chose",
        "Fresh: the interval covers fresh seeds alone, on validation.",
        "Shrinkage: the interval covers seeds alone, on validation.",
        "it describes and decides nothing",
    ):
        assert words in caption
    drawing = SEARCH_FIGURES["confirmation"](ONE)
    assert isinstance(drawing, Drawing)
    assert "it covers fresh seeds alone, on validation." in drawing.caption


def test_what_has_no_verdict_says_why() -> None:
    few = replace(sample_search.GAIN, count=2, word="", reason="2 pairs of fresh seeds are too few")
    best = replace(ONE.confirmed[0], gain={"V3": few}, without_gain={"V2": "no seed is shared"})
    one = replace(ONE, confirmed=(best, *ONE.confirmed[1:]))
    made = table("confirmation", one)
    headings = [column.label for column in made.columns]
    words = [made.lines[0].cells[headings.index(f"against {name}")].text for name in ("V3", "V2")]
    assert words == ["no verdict", "no verdict"]
    assert made.footnotes == (
        f"{best.trial} against V3 has no verdict: 2 pairs of fresh seeds are too few.",
        f"{best.trial} against V2 has no verdict: no seed is shared.",
    )
    said = " ".join(note.text for note in search_summary(one, None).notes)
    assert "Against V2: no verdict (no seed is shared)." in said
    assert "Against V3: no verdict (2 pairs of fresh seeds are too few)" in said
    assert "(no verdict)" in verdict(one)


def test_the_table_of_trials_has_the_winner_first_and_every_parameter() -> None:
    made = table("trials")
    first, headings = made.lines[0], [column.label for column in made.columns]
    assert len(made.lines) == len(ONE.trials)
    assert first.cells[0].text == ONE.best[0]
    assert first.cells[headings.index("lr")].value == ONE.trial(ONE.best[0]).params["lr"]
    keys = [line.cells[headings.index("PSNR")] for line in made.lines]
    done = [cell.value for cell in keys if not cell.text.startswith("(") and cell.value is not None]
    assert done == sorted(done, reverse=True)
    assert all(cell.link.startswith("#t") for cell in keys)


def test_the_confirmation_table_has_shrinkage_and_gain() -> None:
    made = table("confirmation")
    headings = [column.label for column in made.columns]
    best = made.lines[0].cells
    assert best[headings.index("shrinkage")].value == pytest.approx(-0.12)
    assert best[headings.index("minus V3, test")].text == "+0.31 [+0.19, +0.43]"
    assert best[headings.index("against V3")].text == "better"
    assert "Holm" not in made.caption, "one comparison is no family"
    assert made.lines[1].cells[headings.index("minus V3, test")].value is None


def test_refused_proposals_are_counted_by_reason_and_budgets_told() -> None:
    assert [(line.cells[0].text, line.cells[1].value) for line in table("rejected").lines] == [
        ("parameters <= 40M is broken", 4),
        ("arch.blocks: too deep", 1),
    ]
    spent = {
        line.cells[0].value: [c.value for c in line.cells[1:]] for line in table("budget").lines
    }
    assert spent == {"trials": [40.0, 40.0], "device_hours": [2.0, 1.25], "hours": [None, 0.7]}


def test_one_bad_trial_does_not_flatten_the_others() -> None:
    low, high = window([*np.linspace(30, 30.4, 9), -5.0])
    assert 20 < low < 30
    assert 30.4 < high < 31
    assert fraction(ONE.space[0], 1e-4) == pytest.approx(0.5)


def test_a_figure_of_a_search_is_drawn_by_its_name() -> None:
    assert figure_of(SEARCH_FIGURES, "history", ONE).axes
    with pytest.raises(NotApplicableError, match="'front': the search has one objective"):
        figure_of(SEARCH_FIGURES, "front", ONE)
