"""A pool of runs: which begins next, what became of it, whether to try again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from tempo.core.jobs import (
    RESUMABLE,
    JobSpec,
    JobState,
    JobStatus,
    Launcher,
    Resources,
    SharingLauncher,
)
from tempo.core.records import RunSpec, RunStatus
from tempo.launch.lost_workers import last_checkpoint, unrenewed
from tempo.launch.scheduling.failure_policy import (
    POLICIES,
    cause,
    lost_lease,
    record_worker_death,
    refusal,
    signature,
)
from tempo.launch.scheduling.other_drivers import OtherDrivers
from tempo.launch.scheduling.run_view import RunRequest, RunView, why_fallen
from tempo.launch.scheduling.waiting_runs import WaitingRuns
from tempo.ledger.port import Hold, Ledger, is_active
from tempo.records.event_log import Tail, last_attempt
from tempo.records.events import LOST_LEASE, Finished
from tempo.records.layout import Store
from tempo.records.memory.derived_values import remembering
from tempo.records.reuse import reuse_status

BUSY_PAUSE = 3.0
"""Seconds before asking again for a run that another invocation is carrying out."""


class Pool:
    """Carries out runs that can be added at any time.

    Call `step` again and again; between calls, `views` tells what there is to show. Complete runs
    are reused, never repeated; a run that failed before it was added is tried again. The records
    decide what became of a run, and a job's state only says what they cannot.

    Args:
        ledger: who carries out what, of all invocations; None when there is no other.
        command: builds the worker's argument vector from a run's spec.
        resources: what a run needs.
        limit: most jobs in flight, beside the launcher's own slots.
        priority: of this invocation among all that share the machine; those of runs are added.
        fail_fast: stop everything at the first failure instead of going on.
        reuse_stale: take results that other code made, instead of having them made again.
    """

    def __init__(
        self,
        store: Store,
        launcher: Launcher,
        ledger: Ledger | None = None,
        *,
        command: Callable[[RunSpec], Sequence[str]],
        resources: Callable[[RunSpec], Resources] = lambda spec: Resources(),
        limit: int | None = None,
        priority: int = 0,
        fail_fast: bool = False,
        reuse_stale: bool = False,
    ) -> None:
        self.store, self.launcher = store, launcher
        self._command, self._resources = command, resources
        self._limit, self._fail_fast, self._priority = limit, fail_fast, priority
        self._sharing = launcher if isinstance(launcher, SharingLauncher) else None
        self._reuse_stale = reuse_stale
        self._elsewhere = OtherDrivers(ledger)
        self._views: dict[str, RunView] = {}
        self._open: dict[str, RunView] = {}
        self._queue = WaitingRuns()
        self._replicates: Counter[str] = Counter()
        self._jobs: set[str] = set()
        self._away: set[str] = set()
        self._ends: dict[str, RunView] = {}
        self._causes: dict[str, set[str]] = {}
        self.stopping = False

    @property
    def views(self) -> Mapping[str, RunView]:
        """What is known of each run, by run_id, in the order they were added."""
        return self._views

    @property
    def width(self) -> int:
        bounds = [n for n in (self.launcher.slots, self._limit) if n is not None]
        return min(bounds, default=max(len(self._views), 1))

    @property
    def busy(self) -> bool:
        if self.stopping:
            return bool(self._jobs)
        return bool(self._open)

    def add(self, works: Iterable[RunRequest]) -> None:
        """Carry these out as well.

        A run that ended without a result is tried again; one that is complete ends with the next
        step; one that an earlier driver submitted is taken over.
        """
        added = [w for w in works if (v := self._views.get(w.run.run_id)) is None or v.ended]
        with remembering(self.store.root):
            self._add_views(added)
        open_ = [w.run.run_id for w in added if not self._views[w.run.run_id].ended]
        if open_:
            self._elsewhere.allow(open_)
            for key in self.launcher.attach(open_):
                self._began(self._views[key])
            self._queue.add(self._views[key] for key in open_ if key not in self._jobs)

    def _add_views(self, works: Iterable[RunRequest]) -> None:
        for work in works:
            view = self._view(work)
            self._replicates[work.run.variant] += view.key not in self._views
            self._views[view.key] = self._open[view.key] = view
            self._ends.pop(view.key, None)
            self._queue.forget(view.key)
            self._settle(view)

    def _settle(self, view: RunView) -> None:
        """Note whether a run is over, after everything that may have ended it.

        What a step has to look at is kept up to date here, so that one in which nothing happens
        costs nothing, however many runs there are.
        """
        if not view.ended:
            self._open[view.key] = view
            self._ends.pop(view.key, None)
        elif self._open.pop(view.key, None) is not None:
            self._ends[view.key] = view

    def _view(self, work: RunRequest) -> RunView:
        folder = self.store.run_dir(work.run.run_id)
        view = RunView(
            request=work,
            tail=Tail(folder),
            status=RunStatus.PLANNED,
            position=len(self._views),
            replicate=self._replicates[work.run.variant],
            priority=self._priority + work.priority,
        )
        view.tail.catch_up()
        view.attempt = view.progress.attempt
        config = work.spec.config
        found = reuse_status(folder, config.get("runtime"), config.get("plugins") or ())
        if found.stale and not self._reuse_stale:
            view.outdated = view.attempt
        if view.complete and not self._to_come(view):
            view.status, view.reused, view.beside = RunStatus.COMPLETE, True, found.beside
        elif not view.complete:
            self.store.save_run(work.spec)
        return view

    def step(self) -> tuple[RunView, ...]:
        """Look at what happened, start what can start; the runs that ended since the last step."""
        for key, status in dict(self.launcher.poll()).items():
            if key in self._jobs:
                self._follow(self._views[key], status)
        if self._elsewhere.due():
            self._look_elsewhere()
        self._give_way()
        if not self.stopping:
            self._fill()
        elif self._sharing is not None:
            self._sharing.withdraw()
        ended, self._ends = list(self._ends.values()), {}
        return tuple(sorted(ended, key=lambda view: view.position))

    def stop(self, keys: Iterable[str] | None = None) -> None:
        """Ask running workers to checkpoint and leave, and begin nothing of `keys` again.

        Without keys everything stops, and nothing is begun any more.
        """
        if keys is None:
            self.stopping = True
            self.launcher.cancel(sorted(self._jobs))
            return
        chosen = [key for key in keys if not self._views[key].ended]
        for key in chosen:
            self._views[key].withdrawn = True
            self._settle(self._views[key])
        self.launcher.cancel([key for key in chosen if key in self._jobs])

    def kill(self) -> None:
        """End the running workers at once, and begin nothing any more."""
        self.stopping = True
        self.launcher.kill(sorted(self._jobs))

    def reconsider_failures(self) -> None:
        """Count runs that failed here as complete once another invocation has completed them.

        An invocation that begins later tries them again, and its result is the study's.
        """
        for view in self._views.values():
            if view.status is RunStatus.FAILED:
                self._adopt_result(view)

    def close(self) -> None:
        self._elsewhere.close()
        if self._sharing is not None:
            self._sharing.close()

    @property
    def waits_for(self) -> str:
        """What other invocations on this machine have of the slots that a run waits for."""
        return "" if self._sharing is None else ", ".join(self._sharing.holders)

    def _give_way(self) -> None:
        """Have runs checkpoint and leave whose slots a higher priority waits for."""
        asked = self._sharing.asked_back() if self._sharing is not None else {}
        chosen = [key for key in asked if not self._views[key].gives_way]
        for key in chosen:
            self._views[key].gives_way = asked[key]
        if chosen:
            self.launcher.cancel(chosen)

    def _fill(self) -> None:
        """Begin what can begin. A queue of its own also takes the runs that wait for those."""
        while jobs := self._next_jobs():
            self.launcher.submit(jobs)
            if self.launcher.slots is not None:
                return

    def _next_jobs(self) -> list[JobSpec]:
        room = self.width - len(self._jobs)
        if room <= 0:
            return []
        now = time.monotonic()
        jobs: list[JobSpec] = []
        while len(jobs) < room:
            views = self._queue.take(1, lambda view: self._is_ready(view, now))
            if not views and self._sharing is not None:
                self._sharing.withdraw()
            if not views:
                break
            (view,) = views
            self._adopt_result(view)
            if not view.ended and self._has_slot(view):
                jobs.append(self._job(view))
            elif not view.ended:
                self._queue.add([view])
                break
        return jobs

    def _has_slot(self, view: RunView) -> bool:
        return self._sharing is None or self._sharing.reserve(view.priority, view.avoid)

    def _is_ready(self, view: RunView, now: float) -> bool:
        return view.elsewhere is None and view.not_before <= now and self._may_begin(view)

    def _to_come(self, view: RunView) -> list[RunView]:
        """Return the parents of a run that this pool has not brought to a result yet."""
        found = (self._views.get(each.run_id or "") for each in view.request.spec.parents)
        return [each for each in found if each and each.status is not RunStatus.COMPLETE]

    def _may_begin(self, view: RunView) -> bool:
        """Return whether a run need not wait for its parents; hold it back if they fell out.

        A backend with a queue of its own lets jobs wait for others, so they are submitted at once.
        """
        to_come = self._to_come(view)
        if fallen := next((each for each in to_come if each.ended), None):
            view.held_back = why_fallen(fallen)
            self._settle(view)
            return False
        if not to_come:
            return True
        return self.launcher.slots is None and all(each.key in self._jobs for each in to_come)

    def _adopt_result(self, view: RunView) -> None:
        """Take in what another invocation made of a run since it was added."""
        view.read()
        if view.request.spec.parents and not self._reuse_stale:
            # Its parents may have been trained again since it was added.
            plugins = view.request.spec.config.get("plugins") or ()
            found = reuse_status(view.tail.folder, plugins=plugins)
            view.outdated = view.progress.attempt if found.stale else 0
        if view.complete:
            view.status = RunStatus.COMPLETE
            view.reused = view.progress.attempt == view.attempt
            self._settle(view)
        elif view.failed and view.progress.attempt > view.attempt:
            self._fail(view)

    def _waiting(self) -> list[RunView]:
        return [v for v in self._open.values() if not v.ended and v.key not in self._jobs]

    def _job(self, view: RunView) -> JobSpec:
        self._began(view)
        folder = view.tail.folder
        view.attempt = last_attempt(folder) + 1
        view.log = folder / "attempts" / f"{view.attempt}.log"
        return JobSpec(
            key=view.key,
            argv=self._command(view.request.spec),
            log=view.log,
            resources=self._resources(view.request.spec),
            avoid=view.avoid,
            after=tuple(each.key for each in self._to_come(view)),
        )

    def _began(self, view: RunView) -> None:
        view.status, view.elsewhere, view.silent = RunStatus.RUNNING, None, ""
        view.gives_way = ""
        self._jobs.add(view.key)
        self._away.discard(view.key)
        self._settle(view)

    def _follow(self, view: RunView, status: JobStatus) -> None:
        view.queued = status.state is JobState.PENDING
        view.where = status.where or view.where
        view.read()
        if not status.state.live:
            self._jobs.discard(view.key)
            self.launcher.forget(view.key)
            view.silent = ""
            self._ended(view, status)
            self._settle(view)
            if not view.ended:
                self._queue.add([view])

    def _look_elsewhere(self) -> None:
        """Bring what other invocations do up to date, and heed requests to stop."""
        open_ = dict(self._open)
        holds = self._elsewhere.holds(open_)
        asked = [key for key, hold in holds.items() if hold.asked_to_stop]
        if asked:
            self.stop(asked)
        # A run without a row and without a job waits, and nothing is to be done about it.
        for key in dict.fromkeys((*holds, *self._away, *self._jobs)):
            view, hold = self._views[key], holds.get(key)
            if key in self._jobs:
                view.silent = unrenewed(hold)
            elif key in open_:
                self._compare(view, hold)

    def _compare(self, view: RunView, hold: Hold | None) -> None:
        """Update a run without a job here: another driver has the run, ended it, or it waits."""
        if hold is not None and is_active(hold):
            view.read()
            view.status, view.elsewhere = RunStatus.RUNNING, hold.owner
            self._away.add(view.key)
            self._settle(view)
        elif view.elsewhere is not None:
            view.status, view.elsewhere = RunStatus.STOPPED, None
            self._away.discard(view.key)
            self._adopt_result(view)
            self._settle(view)

    def _ended(self, view: RunView, status: JobStatus) -> None:
        # An attempt that died before its first event leaves the end of an older one to be seen.
        finish = view.progress.finish if view.progress.attempt >= view.attempt else None
        if view.complete:
            view.status = RunStatus.COMPLETE
        elif status.state is JobState.BUSY or (finish and finish.failure == LOST_LEASE):
            self._left_alone(view)
        elif status.state is JobState.CANCELLED:
            view.status, view.withdrawn = RunStatus.STOPPED, True
        elif self.stopping or (finish is not None and finish.status == RunStatus.STOPPED):
            view.status = RunStatus.STOPPED
        elif finish is None and self._to_come(view):
            # Its worker found no weights to start from, and left: the next step says what follows.
            view.status = RunStatus.PLANNED
        elif finish is None and status.code == RESUMABLE and (why := refusal(view.log)):
            # It would leave the next time, too.
            view.status, view.withdrawn, view.refused = RunStatus.STOPPED, True, why
        elif not self._retried(view, status, finish):
            self._record_death(view, status)

    def _left_alone(self, view: RunView) -> None:
        """Try later again: another worker has the run, or this one lost its lease."""
        view.status = RunStatus.PLANNED
        view.not_before = time.monotonic() + BUSY_PAUSE
        finish = view.progress.finish if view.progress.attempt >= view.attempt else None
        said = finish is not None and finish.failure == LOST_LEASE
        if why := finish.message if finish and said else lost_lease(view.log):
            self._lose(view, why)

    def _lose(self, view: RunView, why: str) -> None:
        """Record that a run lost its worker, at which step and from which checkpoint it resumes."""
        progress = view.progress
        view.losses += (f"step {progress.step}: {why}; {last_checkpoint(progress)}",)

    def _retried(self, view: RunView, status: JobStatus, finish: Finished | None) -> bool:
        """Whether the kind of failure deserves another try, which is then left to `_fill`."""
        dead = {JobState.LOST, JobState.UNKNOWN}
        failure = finish.failure if finish else ("lost" if status.state in dead else "bug")
        if view.withdrawn or view.lost >= POLICIES[failure or "bug"].retries:
            return False
        view.lost += 1
        self._lose(view, finish.message if finish else cause(status))
        view.avoid = (*view.avoid, status.where or view.where)
        view.status = RunStatus.PLANNED
        return True

    def _record_death(self, view: RunView, status: JobStatus) -> None:
        """Record the end of a worker that could not, unless another process holds its run."""
        token = self._elsewhere.claim(view.key)
        if token is None:
            view.status = RunStatus.PLANNED
            view.not_before = time.monotonic() + BUSY_PAUSE
            return
        record_worker_death(view.tail.folder, status, view.log, attempt=view.attempt)
        self._elsewhere.release(view.key, token)
        view.read()
        self._fail(view)

    def _fail(self, view: RunView) -> None:
        view.status = RunStatus.FAILED
        finish = view.progress.finish
        if finish is not None and POLICIES[finish.failure or "bug"].holds_back:
            self._hold_back(view, signature(finish.detail, finish.message))
        self._settle(view)
        if self._fail_fast:
            self.stop()

    def _hold_back(self, failed: RunView, cause: str) -> None:
        """Begin no replicate of a variant with a bug, and nothing once two variants share it."""
        variants = self._causes.setdefault(cause, set())
        variants.add(failed.run.variant)
        for view in self._waiting():
            if view.elsewhere is None and (len(variants) > 1 or view.run.variant in variants):
                view.held_back = f"{failed.run.title} failed: {cause}"
                self._settle(view)
