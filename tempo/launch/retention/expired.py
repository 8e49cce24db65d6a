"""Find what the keep policies let go of complete runs, and remove it."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun, RunStatus
from tempo.launch.retention.named_files import (
    NamedFiles,
    cited_runs,
    is_report_of,
)
from tempo.launch.retention.policies import PlanPolicy, Policies, policies_of, policy_of
from tempo.launch.retention.spare_checkpoints import spare_checkpoints, texts_around
from tempo.ledger.port import Ledger, is_active
from tempo.records.disk.removals import remove
from tempo.records.disk.result_checkpoints import (
    checkpoint_files,
    read_ended_run,
)
from tempo.records.disk.sizes import size_of
from tempo.records.event_log import has_readable_result
from tempo.records.layout import Store
from tempo.records.run_record import RunRecord
from tempo.spec.sections.keep import Keep

Kind = Literal["checkpoints", "galleries"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """A checkpoint, or the pictures of a gallery, that every policy concerned lets go.

    Attributes:
        run_id: the run whose file it is.
        kind: `checkpoints` or `galleries`.
        path: the file, or the folder of pictures.
        bytes: what it takes.
        policy: what lets it go, in words.
    """

    run_id: str
    kind: Kind
    path: Path
    bytes: int
    policy: str


@dataclass(frozen=True, slots=True)
class Found:
    """What can go, and why some of the records could not be judged."""

    expired: tuple[Expired, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        return sum(each.bytes for each in self.expired)


def find_expired(
    store: Store,
    ledger: Ledger,
    reports: Path,
    profile: Keep,
    plan: Plan | None = None,
    *,
    now: float | None = None,
) -> Found:
    """List what the policies let go: of the runs of `plan`, or of all stored plans.

    A file stays that one of the plans of its run keeps. Whatever they say stays what a result was
    made with, what a plan names (as `init:` does), what an evaluation or a report names, and all
    of runs that are not complete or that a process holds. `now`: Unix seconds.
    """
    if plan is not None and not policy_of(plan, profile).lets_go:
        return Found()
    policies = policies_of(store, profile, plan)
    if not policies.let_go:
        return Found(problems=policies.problems)
    search = _Search(store, policies, reports, time.time() if now is None else now)
    mine = policies.plans[:1] if plan is not None else policies.plans
    found = list(search.of([run.run_id for each in mine for run in _planned(each.plan)]))
    holds = ledger.holds(sorted({each.run_id for each in found}))
    free = (each for each in found if not is_active(holds.get(each.run_id)))
    return Found(tuple(free), (*policies.problems, *search.problems))


def remove_expired(store: Store, found: Iterable[Expired]) -> Found:
    """Remove what was found; return what was removed, and why the rest could not be."""
    by_run: dict[tuple[str, str], list[Expired]] = defaultdict(list)
    for each in found:
        by_run[each.run_id, each.policy].append(each)
    removed: list[Expired] = []
    problems: list[str] = []
    for (run_id, policy), items in by_run.items():
        try:
            remove(store.run_dir(run_id), [each.path for each in items], policy)
        except (OSError, RecordError) as error:
            problems.append(f"what the keep policy lets go of run {run_id} stays: {error}")
        else:
            removed += items
    return Found(tuple(removed), tuple(problems))


def _planned(plan: Plan) -> Iterator[PlannedRun]:
    return chain(plan.runs, *(each.runs for each in plan.test_sets))


class _Search:
    """One search for what can go, which reads each record once and texts only if something may."""

    def __init__(self, store: Store, policies: Policies, reports: Path, now: float) -> None:
        self._store, self._policies, self._reports, self._now = store, policies, reports, now
        self._of_run: dict[str, list[PlanPolicy]] = defaultdict(list)
        for each in policies.plans:
            for run_id in dict.fromkeys(run.run_id for run in _planned(each.plan)):
                self._of_run[run_id].append(each)
        self._complete: dict[str, bool] = {}
        self._galleries: dict[int, frozenset[str]] = {}
        self._named: NamedFiles | None = None
        self._cited: Mapping[str, frozenset[str]] | None = None
        self.problems: list[str] = []

    def of(self, run_ids: Sequence[str]) -> Iterator[Expired]:
        """Yield what can go of these runs."""
        for run_id in dict.fromkeys(run_ids):
            if run_id in self._policies.unknown:
                continue
            try:
                yield from self._of(run_id)
            except RecordError as error:
                self.problems.append(f"nothing of run {run_id} goes: {error}")

    def _of(self, run_id: str) -> Iterator[Expired]:
        concerned = self._of_run[run_id]
        folder = self._store.run_dir(run_id)
        thin = all(each.keep.checkpoints == "best" for each in concerned)
        files = checkpoint_files(folder) if thin else []
        bare = all(self._may_lose_gallery(each, run_id) for each in concerned)
        pictures = folder / "gallery"
        if len(files) < 2 and not bare:
            return
        record = read_ended_run(folder)
        if not self._is_over(record, concerned):
            return
        policy = "; ".join(dict.fromkeys(str(each.keep) for each in concerned))
        if thin:
            for path in spare_checkpoints(record, self._texts):
                yield Expired(
                    run_id=run_id,
                    kind="checkpoints",
                    path=path,
                    bytes=size_of(path),
                    policy=policy,
                )
        if bare and not self._is_shown(run_id, pictures, concerned):
            yield Expired(
                run_id=run_id,
                kind="galleries",
                path=pictures,
                bytes=size_of(pictures),
                policy=policy,
            )

    def _is_over(self, record: RunRecord, concerned: Iterable[PlanPolicy]) -> bool:
        """Whether a run is complete, for as long as every policy asks."""
        if record.status is not RunStatus.COMPLETE or not record.attempts:
            return False
        grace = max((each.keep.grace for each in concerned), default=0.0)
        return self._now - record.attempts[-1].ended >= grace

    def _is_shown(self, run_id: str, pictures: Path, concerned: Iterable[PlanPolicy]) -> bool:
        """Whether a plan names a run's pictures, or another report than its studies' own may show
        them."""
        if self._cited is None:
            self._cited = cited_runs(self._reports)
        studies = {each.plan.study for each in concerned}
        return self._texts().has(pictures, run_id) or any(
            run_id in cited and not any(is_report_of(folder, study) for study in studies)
            for folder, cited in self._cited.items()
        )

    def _texts(self) -> NamedFiles:
        """What plans, searches and reports name."""
        if self._named is None:
            self._named = texts_around(self._store, self._reports)
        return self._named

    def _may_lose_gallery(self, policy: PlanPolicy, run_id: str) -> bool:
        """Whether a plan's policy lets the pictures of a run go."""
        key = id(policy)
        if key not in self._galleries:
            groups = [policy.plan.runs, *(each.runs for each in policy.plan.test_sets)]
            going = [self._beyond(runs, policy.keep.gallery_seeds) for runs in groups]
            self._galleries[key] = frozenset(chain.from_iterable(going))
        return run_id in self._galleries[key]

    def _beyond(self, runs: Sequence[PlannedRun], most: int | None) -> set[str]:
        """Return the runs whose pictures are not of the first `most` seeds of their variant, nor of
        the seed that the report shows."""
        if most is None:
            return set()
        having: dict[str, list[PlannedRun]] = defaultdict(list)
        for run in runs:
            if run.seed is not None and (self._store.run_dir(run.run_id) / "gallery").is_dir():
                having[run.variant].append(run)
        if all(len(each) <= most for each in having.values()):
            return set()
        whole = {
            variant: [run for run in each if self._is_complete(run.run_id)]
            for variant, each in having.items()
        }
        shown = _shown_seed(whole)
        going: set[str] = set()
        staying: set[str] = set()
        for each in whole.values():
            for place, run in enumerate(each):
                stays = place < most or run.seed == shown
                (staying if stays else going).add(run.run_id)
        # Variants that are alike share their runs: what one of them keeps stays.
        return going - staying

    def _is_complete(self, run_id: str) -> bool:
        if run_id not in self._complete:
            self._complete[run_id] = has_readable_result(self._store.run_dir(run_id))
        return self._complete[run_id]


def _shown_seed(whole: Mapping[str, Sequence[PlannedRun]]) -> int | None:
    """Return the seed whose pictures a report shows: the one that most variants have, of several
    the smallest (as `tempo.comparison.loading.kept_pictures` chooses)."""
    votes = Counter(run.seed for each in whole.values() for run in each if run.seed is not None)
    return max(votes, key=lambda seed: (votes[seed], -seed)) if votes else None


def merged(found: Found, more: Found) -> Found:
    """Return what two searches or removals found together."""
    return replace(
        found,
        expired=(*found.expired, *more.expired),
        problems=tuple(dict.fromkeys((*found.problems, *more.problems))),
    )
