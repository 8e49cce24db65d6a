"""Apply the keep policy of a study while it is carried out, or when asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tempo.core.counted import counted
from tempo.core.records import Plan
from tempo.launch.retention.expired import Found, find_expired, merged, remove_expired
from tempo.launch.retention.policies import policy_of
from tempo.ledger.open import open_ledger
from tempo.records.layout import Store
from tempo.spec.sections.keep import Keep
from tempo.spec.user.user_profile import load_user_profile

PAUSE = 10.0
"""Seconds between two looks at what can go, or twenty times what a look takes."""


def apply_keep(store: Store, plan: Plan | None, reports: Path, profile: Keep) -> Found:
    """Remove what the policies let go of the runs of a plan, or of all; return what went."""
    with closing(open_ledger(None, store.root)) as ledger:
        found = find_expired(store, ledger, reports, profile, plan)
    removed = remove_expired(store, found.expired)
    return Found(removed.expired, (*found.problems, *removed.problems))


class Keeper:
    """Removes what the keep policy of a study lets go, as its runs end.

    Raises:
        SpecError: when the user's profile breaks a rule; nothing was begun.
        RecordError: when the plan's own policy is damaged.
    """

    def __init__(self, plan: Plan, store: Store, reports: Path, say: Callable[[str], None]) -> None:
        self._store, self._reports, self._say = store, reports, say
        self._profile = load_user_profile().keep
        self._active = policy_of(plan, self._profile).lets_go
        self._due = False
        self._next = 0.0
        self._removed = Found()

    def step(self, plan: Plan, *, ended: bool) -> None:
        """Note whether runs ended; now and then remove what can go since."""
        self._due |= ended
        now = time.monotonic()
        if self._active and self._due and now >= self._next:
            self._apply(plan)
            done = time.monotonic()
            self._due, self._next = False, done + max(PAUSE, 20 * (done - now))

    def finish(self, plan: Plan) -> None:
        """Remove what can go now that nothing runs, and say what went in all."""
        if not self._active:
            return
        self._apply(plan)
        for text in (told(self._removed), *self._removed.problems):
            if text:
                self._say(text)

    def _apply(self, plan: Plan) -> None:
        # The policy saves room on the disk, which is no reason to end a study.
        try:
            found = apply_keep(self._store, plan, self._reports, self._profile)
        except OSError as error:
            found = Found(problems=(f"the keep policy could not be applied: {error}",))
        self._removed = merged(self._removed, found)


def told(removed: Found) -> str:
    """Return what was removed as a sentence; empty where nothing was."""
    if not removed.expired:
        return ""
    files = sum(each.kind == "checkpoints" for each in removed.expired)
    galleries = len(removed.expired) - files
    parts = [
        counted(files, "checkpoint") if files else "",
        f"the pictures of {counted(galleries, 'run')}" if galleries else "",
    ]
    what = " and ".join(filter(None, parts))
    policy = removed.expired[-1].policy
    return f"Removed {what} ({size_text(removed.bytes)}) by the keep policy ({policy})."


def size_text(count: float) -> str:
    """Return bytes as people read them.

    >>> from tempo.workflow.disk.keeping import size_text
    >>> size_text(1_288_490_189)
    '1.2 GiB'
    """
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while count >= 1024 and len(units) > 1:
        count, units = count / 1024, units[1:]
    return f"{count:.0f} B" if units[0] == "B" else f"{count:.1f} {units[0]}"
