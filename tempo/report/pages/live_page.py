"""Compose the page of a study that runs: how far it is, its curves, failures and looks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from tempo.comparison.comparison import Comparison
from tempo.core.counted import counted
from tempo.launch.study_status import UNREADABLE, RunState, StudyStatus
from tempo.records.seed_log import NOT_NEEDED, WAITING, SeedLook
from tempo.report.figures import FIGURES
from tempo.report.figures.export import Made, make
from tempo.report.formats import numbers
from tempo.report.formats.table import Cell, Column, Line, NotApplicable, Table, words
from tempo.report.pages.page import Page, Section, render, text
from tempo.report.pages.summary import Banner, Summary, demonstration

SECTIONS = (
    Section("progress", "Runs", ("table:runs",), unfolded=True),
    Section(
        "curves",
        "Learning curves",
        ({"learning_curves": "by step", "learning_by_time": "by time"},),
        unfolded=True,
    ),
    Section("failures-of-runs", "Failures", ("failures",), about="what failed, and why"),
    Section("looks", "Rule and looks", ("looks",), about="what decides, and who looked when"),
    Section("health", "Training health", ("figure:health",)),
)

DRAWN = ("learning_curves", "learning_by_time", "health")

MANY = 200
"""Runs that are all listed; of more, those that wait or are complete are only counted."""

LOUD = ("running", "stopping", "failed", UNREADABLE, "stopped", "pruned")
"""States of runs that are always listed, in this order."""

ENDED_BADLY = frozenset({"failed", UNREADABLE, "stopped", "pruned"})
"""States of runs that have no result and that no process carries out."""

TONES = {"failed": "worse", UNREADABLE: "worse", "stopped": "inconclusive", "complete": "better"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStudy:
    """A study as it stands at `time` (Unix seconds).

    `comparison` holds curves and failures, and no results; `version` names what was read; `report`
    is when the report that lies beside was written, None without one.
    """

    comparison: Comparison
    status: StudyStatus
    seed_looks: Sequence[SeedLook]
    version: str
    time: float
    report: float | None = None


def live_html(study: LiveStudy) -> str:
    """Return the page of a study that runs as one HTML file, which asks its server what is new."""
    return render(live_page(study))


def sentence_html(study: str, sentence: str, version: str) -> str:
    """Return the page of a study of which there is nothing but a sentence to show, as before its
    start; it asks its server what is new like any other."""
    return render(
        _page(
            study,
            Summary(banners=(), verdict=sentence, notes=(), boxes=()),
            text(
                "live.html",
                version=version,
                over=False,
                share=0.0,
                percent="0 %",
                read=_moment(time.time()),
                report="",
            ),
        )
    )


def live_page(study: LiveStudy) -> Page:
    """Return the page as data."""
    status, comparison = study.status, study.comparison
    over = is_over(status)
    share = _share(status)
    bar = text(
        "live.html",
        version=study.version,
        over=over,
        share=round(share, 4),
        percent=f"{100 * share:.0f}{numbers.THIN}%",
        read=_moment(study.time),
        report="" if study.report is None else _moment(study.report),
    )
    bad = {run.run.run_id for run in status.runs if run.state in ENDED_BADLY}
    failed = [each for each in comparison.failures if each.run_id in bad]
    told = replace(comparison, failures=tuple(failed))
    page = _page(
        comparison.title,
        Summary(
            banners=tuple(_banners(study, len(failed))),
            verdict=_progress(status, over=over),
            notes=(),
            boxes=(),
        ),
        bar,
    )
    return replace(
        page,
        question=comparison.question,
        sections=SECTIONS,
        figures=_figures(comparison),
        tables={"runs": _runs(status, comparison)},
        texts={
            "failures": text(
                "failures.html", links={each.run_id: ("", "") for each in failed}, comparison=told
            )
            if failed
            else "",
            "looks": text(
                "looks.html",
                rule=status.rule,
                seeds=[(_moment(each.time), each.sentence) for each in study.seed_looks],
            ),
        },
        colophon=f"fingerprint {comparison.fingerprint}",
    )


def _page(title: str, summary: Summary, bar: str) -> Page:
    return Page(
        kind="live page",
        title=title,
        question="",
        summary=summary,
        sections=(),
        figures={},
        tables={},
        texts={},
        colophon="no records yet",
        live=bar,
    )


def _figures(comparison: Comparison) -> Mapping[str, Made]:
    """Return the figures of curves, drawn for the page alone."""
    return {name: make(name, FIGURES[name], comparison, ()) for name in DRAWN}


def is_over(status: StudyStatus) -> bool:
    """Whether every run of a study has ended and no later seed or trial may follow."""
    return all(run.ended for run in status.runs) and not status.to_come.runs


def _banners(study: LiveStudy, failed: int) -> Iterator[Banner]:
    if failed:
        are = "is" if failed == 1 else "are"
        said = f"{counted(failed, 'run')} without a result {are} told under Failures below."
        yield Banner("alert", "Not all is well", said)
    yield from demonstration(study.status.profile, "this page")


def _progress(status: StudyStatus, *, over: bool) -> str:
    """Return `3 of 12 runs are complete, 2 running; about 4 min left.`"""
    counts = Counter(run.state for run in status.runs)
    wanted = sum(n for state, n in counts.items() if state not in {WAITING, NOT_NEEDED})
    others = [f"{n} {state}" for state, n in counts.items() if state != "complete"]
    said = ", ".join([f"{counts['complete']} of {counted(wanted, 'run')} are complete", *others])
    if over:
        return f"{said}. Every run has ended."
    left = []
    if status.to_come.runs and status.to_come.stage:
        left.append(status.to_come.stage)
    if status.eta is not None:
        bound = "at most" if status.to_come.runs else "about"
        left.append(f"{bound} {numbers.duration(status.eta)} left")
    elif not counts["running"]:
        left.append("no process carries a run out now")
    return "; ".join([said, *left]) + "."


def _share(status: StudyStatus) -> float:
    """Return the share of all steps that are done; a run without steps counts as one of a mean."""
    wanted = [run for run in status.runs if run.state not in {WAITING, NOT_NEEDED}]
    done = [
        1.0 if run.ended else run.progress.step / run.progress.total if run.progress.total else 0.0
        for run in wanted
    ]
    return sum(done) / len(done) if done else 0.0


def _runs(status: StudyStatus, comparison: Comparison) -> Table | NotApplicable:
    """Return the table of runs: of many, those that need a look."""
    if not status.runs:
        return NotApplicable("the study has no runs yet")
    listed = list(status.runs)
    left_out = 0
    if len(listed) > MANY:
        listed = sorted(
            (run for run in listed if run.state in LOUD), key=lambda run: LOUD.index(run.state)
        )[:MANY]
        left_out = len(status.runs) - len(listed)
    caption = "Every run, with its last validation." + (
        f" {left_out} more are counted above and not listed." if left_out else ""
    )
    digits = next((i.digits for i in comparison.metrics if i.name == status.metric), 2)
    columns = (
        *words("run", "state"),
        Column("step"),
        Column(f"validation {status.metric}"),
        Column("left"),
        Column("attempts"),
        *words("where", "id"),
    )
    return Table("runs", caption, columns, tuple(_line(run, digits) for run in listed))


def _line(run: RunState, digits: int) -> Line:
    progress = run.progress
    why = run.why or run.problem
    steps = f"{progress.step}/{progress.total}" if progress.total else numbers.MISSING
    return Line.of(
        Cell(run.run.title, run.run.title),
        Cell(run.state, run.state, hint=why, tone=TONES.get(run.state, "")),
        Cell(steps, progress.step / progress.total if progress.total else None),
        Cell(numbers.fixed(run.value, digits), run.value),
        Cell(numbers.duration(run.eta) if run.eta is not None else numbers.MISSING, run.eta),
        Cell(str(progress.attempt or numbers.MISSING), float(progress.attempt)),
        Cell(run.where or numbers.MISSING, run.where or None, tone="quiet"),
        Cell(run.run.run_id, run.run.run_id, tone="code"),
        note=why if run.state in {"failed", UNREADABLE, "stopped"} else "",
    )


def _moment(at: float) -> str:
    """Return a time of day with its date, as people of every zone read it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
