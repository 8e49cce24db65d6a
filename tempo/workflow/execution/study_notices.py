"""Notice what a user asked to be told of a study, and hand it on to be delivered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tempo.core.errors import RecordError, TempoError
from tempo.core.records import Plan, RunStatus
from tempo.core.redaction import redacted
from tempo.launch.accounting.gpu_hour_budget import spent_hours
from tempo.launch.scheduling.run_view import RunView
from tempo.launch.worker_command import WORKER
from tempo.records.seed_log import opened_plan
from tempo.records.verdict_log import read_log
from tempo.spec.user.notify import Event, Notify
from tempo.spec.user.user_profile import load_user_profile
from tempo.track.mirror_process import MirrorProcess
from tempo.track.notices.message import Message
from tempo.track.notices.outbox import problems
from tempo.workflow.run_options import RunOptions

PAUSE = 2.0
"""Seconds between two looks at runs and verdicts."""
RARELY = 60.0
"""Seconds between two sums of what was spent, which reads the records."""
SHARE = 0.8
"""The part of a budget whose spending is told."""

Views = Mapping[str, RunView]


class StudyNotices:
    """Tells of a study what `notify` asks for; without one, every call does nothing.

    Nothing here waits for a server: a message is written to the disk and the mirror's process, or
    one of its kind where nothing is mirrored, is told that it is there.
    """

    def __init__(self, plan: Plan, options: RunOptions, notify: Notify | None) -> None:
        self._plan, self._store, self._notify = plan, options.store, notify
        self._mirror: MirrorProcess | None = None
        self._own: MirrorProcess | None = None
        self._told: set[Event] = set()
        self._next = self._next_sum = 0.0
        self._limit = self._plan.spec.get("budget", {}).get("gpu_hours") if notify else None
        # What was so before this invocation is no news.
        if notify is not None and "decided" in notify.on and self._decided():
            self._told.add("decided")
        if self._asks("budget_80") and self._spent() >= SHARE * (self._limit or 0):
            self._told.add("budget_80")

    def through(self, mirror: MirrorProcess | None) -> None:
        """Deliver through the process of this mirror, if there is one."""
        self._mirror = mirror

    def watching(
        self, watch: Callable[[], str | None], views: Callable[[], Views]
    ) -> Callable[[], str | None]:
        """Return `watch`, which also looks at the runs from time to time."""

        def both() -> str | None:
            self.look(views())
            return watch()

        return watch if self._notify is None else both

    def look(self, views: Views) -> None:
        """Tell what is new of the runs, the budget and the verdicts."""
        now = time.monotonic()
        if self._notify is None or now < self._next:
            return
        self._next = now + PAUSE
        self._first_failure(views)
        self._verdicts()
        if self._asks("budget_80") and now >= self._next_sum:
            spent = self._spent()
            took = time.monotonic() - now
            self._next_sum = now + max(RARELY, 100 * took)
            if spent >= SHARE * (self._limit or 0):
                text = f"{spent:.3g} of {self._limit:g} GPU-hours are spent."
                self._tell("budget_80", text, spent=spent, limit=self._limit)

    def over(self, ending: str, text: str, views: Views | None = None, **facts: Any) -> None:
        """Tell how the invocation ended, and what is new by now."""
        self._first_failure(views or {})
        self._verdicts()
        if ending not in {"submitted", "follower"}:
            self._tell("finished", text, ending=ending, **facts)

    def close(self, say: Callable[[str], object]) -> None:
        """Wait a little for what is to be delivered; `say` is told what was not."""
        if self._own is not None:
            self._own.stop()
        if self._told:
            for problem in problems(self._store.root):
                say(
                    f"warning: a notice was not delivered: {problem}; what may be tried again is "
                    "kept, and sent when the next study runs on these records"
                )

    def _asks(self, event: Event) -> bool:
        """Whether an event is asked for and was not told."""
        if self._notify is None or event not in self._notify.on or event in self._told:
            return False
        return event != "budget_80" or self._limit is not None

    def _first_failure(self, views: Views) -> None:
        if not self._asks("first_failure"):
            return
        for view in views.values():
            if view.status is RunStatus.FAILED and not view.reused:
                finish = view.progress.finish
                why = finish.message if finish is not None else "the worker died"
                text = f"{view.run.title} ({view.key}) failed: {why}"
                facts = {"run": view.run.title, "run_id": view.key, "failure": why}
                self._tell("first_failure", text, **facts)
                return

    def _verdicts(self) -> None:
        if self._asks("decided") and (words := self._decided()):
            text = "Every contrast of the rule is decided:\n" + "\n".join(words)
            self._tell("decided", text, verdicts=words)

    def _decided(self) -> list[str]:
        """A line a contrast of the last look, where every one of them is decided."""
        try:
            looks = read_log(self._store, self._plan).looks
        except RecordError:
            return []
        last = looks[-1].contrasts if looks else ()
        if not last or not all(each.settled for each in last):
            return []
        return [f"{c.variant} is {c.word} in {c.metric} ({c.value:+.3g})" for c in last]

    def _spent(self) -> float:
        runs = opened_plan(self._store, self._plan).distinct_runs
        try:
            return spent_hours(self._store.run_dir(run.run_id) for run in runs)
        except RecordError:
            return 0.0

    def _tell(self, event: Event, text: str, **facts: Any) -> None:
        if not self._asks(event) or self._notify is None:
            return
        self._told.add(event)
        message = Message(
            event=event,
            study=self._plan.study,
            profile=self._plan.profile,
            text=redacted(text),
            facts={name: _plain(value) for name, value in facts.items()},
        )
        if self._mirror is None and self._own is None:
            self._own = MirrorProcess(self._store, None, (*WORKER, "mirror"))
        post = self._mirror or self._own
        assert post is not None
        try:
            post.notify(message, self._notify)
        except (OSError, TempoError):
            # A disk that is full ends the study in words of its own; a notice ends nothing.
            return


def _plain(value: Any) -> Any:
    """A fact as JSON values, without passwords."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redacted(str(value))


@contextmanager
def noticing(
    plan: Plan, options: RunOptions, say: Callable[[str], object], *, speaks: bool = True
) -> Iterator[StudyNotices]:
    """Tell the user of a study as the user's profile asks; also where the study ends by an error.

    `speaks`: whether this process speaks for the study, as one rank of several does.

    Raises:
        SpecError: when the profile cannot be read.
    """
    notices = StudyNotices(plan, options, load_user_profile().notify if speaks else None)
    try:
        yield notices
    except Exception as error:
        notices.through(None)
        notices.over("error", f"{plan.study}: {type(error).__name__}: {error}")
        raise
    finally:
        notices.close(say)


def send_test(text: str, notify: Notify) -> list[str]:
    """Deliver a test message at once, on every channel; return how each went.

    Raises:
        LaterError, NeverError: the first channel that did not deliver.
    """
    from tempo.track.notices.delivery import channels, deliver

    message = Message(event="test", study="notify", profile=None, text=text)
    said = []
    for channel in channels(notify):
        deliver(message, notify, channel)
        said.append(f"delivered to the {channel}")
    return said
