"""Two made-up studies: a variant better, one worse, one the same, one that cannot be judged."""

from __future__ import annotations

from dataclasses import replace

from tempo.comparison import study_changes as c
from tempo.comparison.statistics import quantities as q
from tempo.core.records import MetricInfo

PSNR = MetricInfo(name="psnr", unit="dB", better="higher", digits=2, definition="mean RGB PSNR")


def _change(name: str, value: float, half: float, word: q.Word) -> c.Change:
    return c.Change(
        variant=name,
        metric="psnr",
        before=30.0,
        after=30.0 + value,
        difference=q.Interval(
            value=value, low=value - half, high=value + half, method="paired t over seeds"
        ),
        p_adjusted=0.02,
        verdict=q.Verdict(word=word, reason="as the interval says"),
        same_runs=False,
        config={"recipe.lr": (1e-4, 2e-4)},
        runs_before=(f"b{name}0", f"b{name}1"),
        runs_after=(f"a{name}0", f"a{name}1"),
    )


def changes() -> c.Changes:
    """Seven variants, so that the table can be filtered."""
    made = [
        _change("V2", 0.52, 0.2, q.Word.BETTER),
        _change("V3", -0.81, 0.3, q.Word.WORSE),
        _change("se=off", 0.05, 0.4, q.Word.INCONCLUSIVE),
        _change("wide", 0.9, 0.1, q.Word.BETTER),
        _change("deep", 0.01, 0.02, q.Word.EQUIVALENT),
        replace(_change("same", 0.0, 0.0, q.Word.EQUIVALENT), same_runs=True, config={}),
        replace(
            _change("lost", 0.0, 0.0, q.Word.INCONCLUSIVE),
            after=None,
            difference=None,
            p_adjusted=None,
            verdict=q.Verdict(word=q.Word.INCONCLUSIVE, reason="no finished run after: lost"),
            runs_after=(),
        ),
    ]
    return c.Changes(
        before="january",
        after="february",
        metric="psnr",
        added=("new",),
        removed=("old",),
        changes=tuple(made),
        spec={"recipe.lr": (1e-4, 2e-4), "evaluation.gallery": (None, 4)},
        info=PSNR,
    )


def hostile(labels: tuple[str, ...]) -> c.Changes:
    """Names that try to break the page."""
    one = changes()
    renamed = tuple(
        replace(each, variant=f"{labels[i % len(labels)]} {i}")
        for i, each in enumerate(one.changes)
    )
    return replace(
        one, before=labels[0], after=labels[4], changes=renamed, added=labels, removed=labels
    )
