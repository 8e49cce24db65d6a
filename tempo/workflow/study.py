"""Open a study: one spec, its plan, its records, and everything that can be done with them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import SpecError
from tempo.core.records import Plan, shallow
from tempo.ledger.folder_use import using
from tempo.spec.load import LoadedStudy
from tempo.spec.load import load_study as load_spec
from tempo.spec.study import StudySpec
from tempo.workflow.observer import Observer, shown
from tempo.workflow.plan.study_plan import StudyPlan, make_plan, price_study, study_plan
from tempo.workflow.run_options import RunOptions, options_from

if TYPE_CHECKING:
    from tempo.launch.retention.expired import Found
    from tempo.workflow.comparison import Comparison
    from tempo.workflow.control import Status
    from tempo.workflow.execution.execution import Outcome
    from tempo.workflow.execution.pool_setup import Wanted
    from tempo.workflow.live.watch import LivePage


def load_study(
    spec: str | Path,
    *,
    profile: str | None = None,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    **options: Any,
) -> Study:
    """Load a study from its YAML spec.

    Args:
        spec: the spec's file.
        profile: the overlay of `profiles:` to apply (smoke, demo, full ...).
        overrides: values of the spec by their path, as `{"recipe.lr": 1e-3}`, or as texts
            `recipe.lr=1e-3`, which are read as YAML.
        options: fields of `RunOptions`: `records`, `reports`, `cache`, `slots`, `mlflow` ...

    Raises:
        SpecError: naming the place of everything in the spec that breaks a rule.

    >>> import tempo
    >>> study = tempo.load_study("ablations/se_dilation.yaml", profile="smoke")
    >>> study.name, study.spec.seeds
    ('se_dilation', (0,))
    """
    texts = override_texts(overrides)
    loaded = load_spec(Path(spec), profile=profile, overrides=texts)
    call = f"tempo.load_study({str(spec)!r}, profile={profile!r}).run()"
    given = {"command": call, "overrides": tuple(texts)} | options
    return Study(loaded, options_from(RunOptions, given))


def override_texts(overrides: Mapping[str, Any] | Sequence[str]) -> list[str]:
    """Overrides in the form `key.path=value`, the value as YAML.

    >>> override_texts({"recipe.lr": 1e-3, "arch.se": None})
    ['recipe.lr=0.001', 'arch.se=null']
    """
    if not isinstance(overrides, Mapping):
        return list(overrides)
    # JSON is YAML; the spec's loader reads it with its own places and checks.
    try:
        return [f"{path}={json.dumps(value)}" for path, value in overrides.items()]
    except TypeError as error:
        raise SpecError(
            f"overrides hold YAML values (numbers, texts, lists ...): {error}"
        ) from error


class Study:
    """One question, its spec and all its runs.

    Nothing is computed, started or written before a method asks for it.

    Attributes:
        loaded: the spec with the place of every value.
        options: how the study is carried out.

    >>> import tempo
    >>> study = tempo.load_study("ablations/v2_to_v3.yaml", profile="smoke", mlflow="off")
    >>> study.run().complete
    True
    >>> study.compare().verdict("V3").word
    <Word.INCONCLUSIVE: 'inconclusive'>
    """

    def __init__(self, loaded: LoadedStudy, options: RunOptions) -> None:
        self.loaded, self.options = loaded, options

    @property
    def name(self) -> str:
        """The study's name, by which records and reports call it."""
        return self.spec.study

    @property
    def spec(self) -> StudySpec:
        """The validated spec, profile and overrides applied."""
        return self.loaded.spec

    @property
    def is_search(self) -> bool:
        """Whether the spec asks for a hyperparameter search."""
        return self.spec.search is not None

    @cached_property
    def expanded(self) -> Plan:
        """The plan: variants, runs and exclusions.

        Worked out once, and anew after `run` and `price`, whose results a plan may depend on (a
        greedy ladder, equal GPU-hours).
        """
        return make_plan(self.loaded, self.options)

    def with_options(self, **changes: Any) -> Study:
        """The same study under other options."""
        if not changes:
            return self
        return Study(self.loaded, options_from(RunOptions, shallow(self.options) | changes))

    def plan(self, *, counts: bool = False, architectures: bool = False) -> StudyPlan:
        """The plan with what is recorded of each run; nothing is run.

        Args:
            counts: add parameters, MACs and activation memory of each variant (imports torch).
            architectures: add each network stage by stage (imports torch).
        """
        return study_plan(self.expanded, self.options, counts=counts, architectures=architectures)

    def price(self, *, again: bool = False, observer: Observer | None = None) -> StudyPlan:
        """The plan with what each variant and the study will cost on this machine.

        A few real steps are trained of every variant that has no price on this device, or of
        `again` all. See `StudyPlan.costs` and `StudyPlan.device_hours`.
        """
        plan, bill = price_study(self.loaded, self.options, shown(observer), again=again)
        self.__dict__.pop("expanded", None)
        return study_plan(plan, self.options, bill=bill)

    def run(
        self,
        *,
        observer: Observer | None = None,
        wanted: Wanted | None = None,
        **changes: Any,
    ) -> Outcome:
        """Carry out every run that has no result, then compare and report.

        Stop with Ctrl-C (in a notebook: interrupt) and call again: the study continues from its
        checkpoints, bit for bit as if never stopped.

        Args:
            observer: receives progress; default: a progress bar in terminals and notebooks.
            wanted: says of each planned run whether to carry the run out; default: all.
            changes: fields of `RunOptions` for this call, such as `slots=2`.

        Raises:
            MissingError: this machine lacks something that the study needs; nothing was begun.
            SpecError: a variant does not work, or the spec is of a search (`tempo.search`).
        """
        from tempo.workflow.execution.execution import execute

        study = self.with_options(**changes)
        if study.is_search:
            raise SpecError(f"{self.loaded.source} is a search: carry it out by `tempo.search`")
        try:
            with using(study.options.records, study.options.cache):
                return execute(study.expanded, study.options, shown(observer), wanted)
        finally:
            self.__dict__.pop("expanded", None)

    def retry(self, *, observer: Observer | None = None, **changes: Any) -> Outcome:
        """Carry out the failed runs again, and no other; then compare and report."""
        from tempo.workflow.control import has_failed

        return self.run(observer=observer, wanted=has_failed, **changes)

    def evaluate(self, *, observer: Observer | None = None, **changes: Any) -> Outcome:
        """Evaluate the finished runs on the test sets of the spec, and train none; then report.

        What `evaluation.test_sets` and `evaluation.methods` name is judged once for each run: an
        evaluation that was stopped goes on where it was, one that is recorded is not repeated.
        `run` does the same beside training.

        Raises:
            SpecError: the spec names no further test sets.
            MissingError: a set, or a folder of pictures, is not on this machine.
        """
        if not self.expanded.test_sets:
            raise SpecError(
                f"{self.loaded.source} names no test sets to evaluate on: add "
                "`evaluation: {test_sets: [vimeo90k, snu_film:hard]}`"
            )
        own = {each.run_id for each in self.expanded.evaluations}
        return self.run(observer=observer, wanted=lambda _, run: run.run_id in own, **changes)

    def tend(self, *, observer: Observer | None = None, **changes: Any) -> Outcome:
        """Follow the runs that a cluster has to their end, as `run(wait=True)`, but without
        checking anything before: join jobs, submit again what was lost, compare and report.

        Raises:
            SpecError: the launcher (of the study's options, or of `changes`) has no cluster.
        """
        from tempo.workflow.execution.tending import tend

        study = self.with_options(**changes)
        try:
            with using(study.options.records, study.options.cache):
                return tend(study.expanded, study.options, shown(observer))
        finally:
            self.__dict__.pop("expanded", None)

    def dry_run(self, **changes: Any) -> str:
        """The commands, or for a cluster the scripts, that `run` would execute; nothing is run."""
        from tempo.workflow.execution.launch_setup import launch_lines

        study = self.with_options(**changes)
        return "\n".join(launch_lines(study.expanded, study.options))

    def status(self, *, metric: str = "psnr") -> Status:
        """The state of every run, from the records and the ledger."""
        from tempo.workflow.control import status_of

        return status_of(self.expanded, self.options.store, metric)

    def watch(self, *, port: int | None = None, metric: str = "psnr") -> LivePage:
        """Serve the study's page to browsers of this machine; see `tempo.watch`.

        Call it before `run`, and open its `address`: the page follows the study.
        """
        from tempo.workflow.live.watch import DEFAULT, watch

        return watch(
            self.name,
            profile=self.loaded.profile or DEFAULT,
            records=self.options.records,
            reports=self.options.reports,
            metric=metric,
            port=port,
        )

    def stop(self) -> list[str]:
        """Ask the study's running workers to write a checkpoint and leave.

        Returns:
            The ids of the runs that are being carried out and were asked.
        """
        from tempo.workflow.control import planned_so_far, stop_runs

        store = self.options.store
        found = stop_runs(planned_so_far(self.expanded, store), store)
        return [run.run_id for run in found.asked]

    def apply_keep(self) -> Found:
        """Remove now what the study's keep policy lets go, as `run` does when runs end.

        The policy is the spec's `keep:`, over that of the user's profile. What results, reports,
        other runs and evaluations need stays.

        Returns:
            What was removed: `expired`, a record a file, its `bytes` in all, and in `problems` why
            something could not be judged or removed.

        >>> import tempo
        >>> study = tempo.load_study("ablations/v2_to_v3.yaml", profile="smoke", mlflow="off",
        ...                          overrides={"keep.checkpoints": "best"})
        >>> study.apply_keep().problems
        ()
        """
        from tempo.spec.user.user_profile import load_user_profile
        from tempo.workflow.disk.keeping import apply_keep

        profile = load_user_profile().keep
        return apply_keep(self.options.store, self.expanded, self.options.reports, profile)

    def compare(self, **question: Any) -> Comparison:
        """Compare the results recorded so far; see `tempo.compare` for the arguments.

        Where the spec's rule is another one than was recorded last, the change is recorded.
        """
        from tempo.workflow.comparison import compare_plans

        self._record_rule()
        return compare_plans([(self.options.store, self.expanded)], **question)

    def report(self) -> Path:
        """Write the report of the results recorded so far; returns the page."""
        from tempo.workflow.reports import write_study_report

        self._record_rule()
        return write_study_report(self.options.store, self.expanded, self.options.reports)[1]

    def _record_rule(self) -> None:
        from tempo.workflow.verdicts import record_rule

        record_rule(self.options.store, self.expanded, shown(None).note)

    def __repr__(self) -> str:
        profile = f" ({self.loaded.profile})" if self.loaded.profile else ""
        return f"<Study {self.name}{profile} of {self.loaded.source}>"
