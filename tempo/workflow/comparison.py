"""Compare recorded results, and offer the comparison as DataFrames, figures and verdicts."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from html import escape
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tempo.core.catalog import unknown
from tempo.core.errors import PluginError, UnknownNameError
from tempo.core.plugins.loading import load_of
from tempo.core.records import Plan
from tempo.core.verdict_rule import Rule
from tempo.records.layout import Store, default_root
from tempo.records.memory.derived_values import remembering

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from tempo.comparison.comparison import Comparison as ComparisonData
    from tempo.comparison.gate import Outcome
    from tempo.comparison.query import Query
    from tempo.comparison.statistics.quantities import Contrast, Interval, Kind, Word


def compare(
    names: str | Sequence[str],
    *,
    records: str | Path | None = None,
    profile: str | None = None,
    on: str | None = None,
    **question: Any,
) -> Comparison:
    """Compare the recorded results of studies, folders of records or single runs, offline.

    Args:
        names: studies, folders of records, run ids or how they begin; several are put together.
        records: folder of the records (default: `$TEMPO_RECORDS` or `records`).
        profile: which plan of a study (default: the last one that was run).
        on: a further test set of the study (default: its own test clips).
        question: `metric` ("psnr", or several: "psnr,ssim"), `baseline` (a variant), `at`
            ("final", "best-val" or a step), `where` ("se = on and seed < 3"), `group_by`
            (a factor), `delta` (half-width of `equivalent`), `level` (coverage of intervals),
            `passing` (levels, "30,31.5"), `attribution` (from, to). What is not given is as the
            study's rule says; what is asked otherwise is answered and labelled exploratory.

    Raises:
        RecordError: a name is neither a study nor a folder nor a run.

    >>> import tempo
    >>> comparison = tempo.compare("v2_to_v3", metric="ssim", baseline="V2")
    >>> comparison.metric, comparison.baseline
    ('ssim', 'V2')
    """
    from tempo.workflow.names import select

    chosen = [names] if isinstance(names, str) else list(names)
    root = default_root() if records is None else Path(records)
    return compare_plans(select(chosen, root, profile), on=on, **question)


def compare_plans(
    plans: Sequence[tuple[Store, Plan]], *, on: str | None = None, **question: Any
) -> Comparison:
    """Compare the recorded results of plans, each in its records; see `compare`.

    Where the verdicts of a study's own rule are among the answers, that is a look, and recorded.
    """
    known = list(signature(make_query).parameters)
    for name in question:
        if name not in known:
            raise UnknownNameError(unknown("argument of a comparison", name, known))
    query = make_query(**question)
    for _, plan in plans:
        # For its figures and tables; what cannot be done without is asked for again.
        with suppress(PluginError):
            load_of(plan.spec)
    return _compared(plans, query, on)


def _compared(plans: Sequence[tuple[Store, Plan]], query: Query, on: str | None) -> Comparison:
    """Return the comparison that `query` asks for; a look at the rule's verdicts is recorded."""
    from tempo.workflow.verdicts import record_look

    with ExitStack() as stack:
        for store, _ in plans:
            stack.enter_context(remembering(store.root))
        data = _data(plans, query, on)
        if len(plans) == 1:
            data = record_look(*plans[0], data, "compare")
    return Comparison(data, plans, query)


def _data(plans: Sequence[tuple[Store, Plan]], query: Query, on: str | None) -> ComparisonData:
    from tempo.comparison.build import compare_all, compare_on

    if on is None:
        return compare_all(list(plans), query)
    if len(plans) != 1:
        raise UnknownNameError(
            f"a test set is one of a single study, and {len(plans)} studies are compared; name "
            f"the one to look at on {on!r}"
        )
    return compare_on(*plans[0], on, query)


def make_query(
    *,
    metric: str | Sequence[str] | None = None,
    baseline: str | None = None,
    at: str | int = "final",
    where: str | None = None,
    group_by: str | None = None,
    delta: float | None = None,
    level: float | None = None,
    passing: str | Iterable[float] | None = None,
    attribution: Sequence[str] | None = None,
    detail: Literal["table", "full"] = "full",
) -> Query:
    """The question to the records, from values as the API and the command line take them."""
    from tempo.comparison.query import parse_query

    metrics = metric if metric is None or isinstance(metric, str) else ",".join(metric)
    if passing is not None and not isinstance(passing, str):
        passing = ",".join(f"{value:g}" for value in passing)
    return parse_query(
        baseline=baseline,
        metrics=metrics,
        at=str(at),
        where=where,
        group_by=group_by,
        delta=delta,
        level=level,
        passing=passing,
        attribution=attribution,
        detail=detail,
    )


class Verdict:
    """What a contrast with the baseline says.

    Attributes:
        word: `better`, `worse`, `equivalent`, `inconclusive` or `incomparable`.
        reason: why this word was chosen.
        interval: the difference from the baseline with its interval, in the metric's unit;
            None when nothing can be paired.
        kind: `rule`, `secondary` or `exploratory`, by what the study's rule asks.

    >>> import tempo
    >>> verdict = tempo.compare("v2_to_v3", baseline="V2").verdict("V3")
    >>> verdict.word.value, verdict.interval.value > 0
    ('inconclusive', True)
    """

    def __init__(self, contrast: Contrast) -> None:
        self.contrast = contrast
        self.word: Word = contrast.verdict.word
        self.reason: str = contrast.verdict.reason
        self.interval: Interval | None = contrast.difference
        self.kind: Kind = contrast.kind

    def __str__(self) -> str:
        head = f"{self.contrast.variant} against {self.contrast.baseline}: {self.word}"
        head += "" if self.kind == "rule" else f" ({self.kind})"
        change = self.interval
        if change is None:
            return f"{head} ({self.reason})"
        text = f"{change.value:+.4g}"
        if change.low is not None and change.high is not None:
            text += f" [{change.low:+.4g}, {change.high:+.4g}]"
        return f"{head}, {self.contrast.metric} {text} ({self.reason})"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


class Comparison:
    """The results of a study side by side, each with its verdict against the baseline.

    Attributes:
        data: the whole comparison as frozen records, as reports are made from.
        plans: the records and plans that were compared.
        query: what was asked of them.

    >>> import tempo
    >>> comparison = tempo.compare("v2_to_v3", baseline="V2")
    >>> list(comparison.contrasts().columns[:5])
    ['variant', 'baseline', 'metric', 'difference', 'low']
    >>> comparison.clips()[["variant", "clip", "psnr"]].shape[1]
    3
    >>> comparison.figure("forest").get_axes() != []
    True
    """

    def __init__(
        self, data: ComparisonData, plans: Sequence[tuple[Store, Plan]], query: Query
    ) -> None:
        self.data, self.plans, self.query = data, tuple(plans), query

    @property
    def study(self) -> str:
        """The study's name."""
        return self.data.study

    @property
    def metric(self) -> str:
        """The primary metric."""
        return self.data.metric

    @property
    def baseline(self) -> str | None:
        """The control variant."""
        return self.data.baseline

    @property
    def rule(self) -> Rule:
        """The rule that the study's verdicts follow: metrics, delta, error rate, baseline."""
        return self.data.rule

    @property
    def exploratory(self) -> tuple[str, ...]:
        """In what the question departs from the rule; empty where it is the rule's own."""
        return self.data.exploratory

    def looks(self) -> pd.DataFrame:
        """One row a recorded look and contrast of the rule: time, by, variant, seeds, word ...

        The same data, shown again under the same rule, are not another look.
        """
        from tempo.workflow.verdicts import looks_frame

        return looks_frame(self.data.looks)

    def table(self) -> pd.DataFrame:
        """One row a variant: the numbers of `compare.py --csv`, at full precision.

        Missing values are missing, never zero. Costs are in seconds, hours and bytes.
        """
        import pandas as pd

        from tempo.report.tables.results import data

        return pd.DataFrame(data(self.data).records())

    def contrasts(self) -> pd.DataFrame:
        """One row a variant and metric: the difference from the baseline, interval and verdict.

        `p_adjusted` is after Holm's correction over `family`; the verdict uses the adjusted one.
        `kind`: `rule` where the study's rule asks for the contrast, `secondary` beside it,
        `exploratory` where it was asked otherwise.
        """
        from tempo.workflow.comparison_frames import contrast_frame

        return contrast_frame(self.data)

    @property
    def test_sets(self) -> tuple[str, ...]:
        """The further test sets of the study, by the names that `on` takes."""
        return tuple(each.name for each in self.data.test_sets)

    def on(self, test_set: str) -> Comparison:
        """The whole comparison on a further test set, with the verdicts of all sets together.

        Raises:
            UnknownNameError: several studies are compared, each of which has sets of its own.
            TempoError: the study has no such set, or nothing has finished there.
        """
        return _compared(self.plans, self.query, test_set)

    def test_set_contrasts(self) -> pd.DataFrame:
        """One row a test set, variant and metric, with the columns of `contrasts`.

        All of them are one family of contrasts, beside that of the study's own test clips.
        """
        from tempo.workflow.comparison_frames import test_set_frame

        return test_set_frame(self.data)

    def paper_table(self) -> pd.DataFrame:
        """One row a variant or method: by test set and metric the mean, its verdict and its mark.

        `_mark` is `best`, `not worse` (a paired test does not tell it from the best), `worse`, or
        missing where the row is not ranked; then parameters, MACs and latency.
        """
        from tempo.workflow.comparison_frames import paper_frame

        return paper_frame(self.data)

    def clips(self) -> pd.DataFrame:
        """One row a run and clip: variant, seed, run_id, clip, source, motion and every metric.

        Raises:
            RecordError: a table of clips was altered since the run was evaluated.
        """
        import pandas as pd

        frames = []
        for run in self.data.runs:
            frame = clip_frame(run.folder)
            if frame is not None:
                frame.insert(0, "run_id", run.run_id)
                frame.insert(0, "seed", run.seed)
                frame.insert(0, "variant", run.variant)
                frames.append(frame)
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def curves(self) -> pd.DataFrame:
        """One row a variant, quantity and step: mean over seeds, band and number of seeds.

        `split` is `val` (metrics of validation) or `train` (loss, gradient norm ...).
        """
        import pandas as pd

        rows = [
            {
                "variant": curve.variant,
                "name": curve.name,
                "split": curve.split,
                "step": step,
                "epoch": curve.epochs[index],
                "seconds": curve.seconds[index],
                "mean": curve.mean[index],
                "low": curve.low[index],
                "high": curve.high[index],
                "seeds": curve.counts[index],
            }
            for curve in (*self.data.curves, *self.data.health)
            for index, step in enumerate(curve.steps)
        ]
        return pd.DataFrame(rows)

    def verdict(self, variant: str, metric: str | None = None) -> Verdict:
        """The verdict on `variant` against the baseline, in the primary metric by default.

        Raises:
            UnknownNameError: no such variant, or the variant has no contrast in the metric.
        """
        names = [row.variant for row in self.data.rows]
        if variant not in names:
            raise UnknownNameError(unknown("variant", variant, names))
        found = self.data.row(variant).contrasts
        name = metric or self.metric
        if name not in found:
            if variant == self.baseline:
                raise UnknownNameError(f"{variant!r} is the baseline, with which others compare")
            raise UnknownNameError(unknown("metric with a contrast", name, found))
        return Verdict(found[name])

    def gate(self, rule: str) -> tuple[Outcome, ...]:
        """Hold every trained variant to a rule, such as "sure(psnr) >= baseline - 0.05".

        An outcome has `variant`, `passed` and a `sentence`; what is missing does not pass.

        Raises:
            TempoError: the rule cannot be read, or names no metric or variant of the table.
        """
        from tempo.comparison.gate import check, control_of, parse_gate

        gate = parse_gate(rule)
        control = control_of(self.data, gate)
        if control is None:
            return check(self.data, gate)
        query = replace(self.query, baseline=control, detail="table")
        return check(_data(self.plans, query, self.data.test_set), gate)

    def figure(self, name: str) -> Figure:
        """Draw a figure of the report (`forest`, `learning_curves`, `pareto` ...).

        Raises:
            UnknownNameError: no figure is called so; names the figures.
            NotApplicableError: the figure does not apply to this comparison, with the reason.
        """
        from tempo.report.figures import draw

        figure = draw(self.data, name)
        _show_figures_in_notebooks()
        return figure

    def with_weights(self, say: Callable[[str], object] = lambda _: None) -> Comparison:
        """Return this comparison with how far the weights of variants are from the baseline's.

        Its page tells that among what variants differ in. A process that loads torch reads the
        checkpoints of every pair of runs of one seed. `say` is told that this takes a while.

        >>> import tempo
        >>> found = tempo.compare("v2_to_v3", baseline="V2").with_weights()
        >>> found.data.from_baseline[0].weights[0].relative > 0
        True
        """
        from tempo.workflow.inspection.weight_distances import measure_from_baseline

        return Comparison(measure_from_baseline(self.data, say), self.plans, self.query)

    def report(self, folder: str | Path = "reports") -> Path:
        """Write page, figures and tables below `folder`; returns the page."""
        from tempo.workflow.reports import write_page

        return write_page(self.data, self.plans, Path(folder))

    def __str__(self) -> str:
        import pandas as pd

        from tempo.report.tables.results import printed

        table = printed(self.data)
        rows = [[cell.text for cell in line.cells] for line in table.lines]
        frame = pd.DataFrame(rows, columns=[column.heading for column in table.columns])
        return "\n".join([frame.to_string(index=False), *table.footnotes])

    def __repr__(self) -> str:
        return f"<Comparison of {self.study}, {len(self.data.rows)} rows, {self.metric}>"

    def _repr_html_(self) -> str:
        from tempo.report.formats.writers import to_html
        from tempo.report.tables.results import printed

        return to_html(printed(self.data))


def clip_frame(folder: Path) -> pd.DataFrame | None:
    """The table of test clips in a run's folder; None without a test evaluation.

    Raises:
        RecordError: the table is not the one that was evaluated.
    """
    from tempo.records.files import inside
    from tempo.records.memory.clip_tables import read_table
    from tempo.records.run_record import read_result

    test = read_result(folder).test
    if test is None:
        return None
    frame: pd.DataFrame = read_table(inside(folder, test.table), test.table_sha256).to_pandas()
    return frame


def _show_figures_in_notebooks() -> None:
    """Have a notebook show figures as pictures; pyplot would do so, and open windows elsewhere."""
    if "IPython" in sys.modules:
        from IPython import get_ipython
        from IPython.core.pylabtools import select_figure_formats

        if (shell := get_ipython()) is not None:
            select_figure_formats(shell, {"png"})
