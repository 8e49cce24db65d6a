"""Make the page of a study anew whenever its records changed, as seldom as it costs much."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo.core.counted import listed_up_to
from tempo.core.errors import TempoError
from tempo.core.identity import file_name, short_hash
from tempo.core.records import Plan
from tempo.core.redaction import redacted
from tempo.launch.study_status import study_status
from tempo.ledger.open import open_ledger
from tempo.ledger.port import is_active
from tempo.records.event_log import NAME
from tempo.records.layout import Store
from tempo.records.seed_log import read_looks
from tempo.workflow.live.made_apart import made_apart

PAUSE = 2.0
"""Least seconds between two pages."""
SHARE = 4.0
"""How many times as long as a page takes, no other is made: a fifth of one core at most."""
LONGEST = 60.0
"""Most seconds between two pages of a study that still trains."""
GLANCE = 1.0
"""Seconds for which what was seen of the files holds."""


MOST_NAMED = 8
"""Studies that are named where another one is waited for."""


@dataclass(frozen=True, slots=True)
class Made:
    """A page, and what it was made of."""

    version: str
    html: bytes


class PageSource:
    """Gives the page of a study, and tells whether there is a newer one. Changes nothing.

    Any thread may call; one makes a page at a time.

    Args:
        study: the study's name; one that has not begun is waited for.
        profile: which of its plans; None: the one that was run last.
        metric: of the validations that the table of runs shows.
    """

    def __init__(
        self,
        store: Store,
        study: str,
        profile: str | None = None,
        *,
        reports: Path = Path("reports"),
        metric: str = "psnr",
    ) -> None:
        self.store, self.study, self.profile = store, study, profile
        self.report = reports / file_name(study)
        self._metric = metric
        self._making, self._looking = threading.Lock(), threading.Lock()
        self._made: Made | None = None
        self._next = 0.0
        self._seen: tuple[float, str] = (0.0, "")
        self._plan: tuple[Any, Plan | None] = (None, None)

    def version(self) -> str:
        """Return the name of the page that `page` would give now."""
        made = self._made
        if made is not None and time.monotonic() < self._next:
            return made.version
        try:
            return self._now()
        except TempoError as error:
            return short_hash(str(error), 16)

    def page(self) -> bytes:
        """Return the page: the last one while little or nothing is new, else a new one.

        Where the records cannot be read, it says why, and is made anew before long.
        """
        with self._making:
            version = self.version()
            if self._made is not None and self._made.version == version:
                return self._made.html
            # The first page takes most of its time to load what draws, which later ones need not.
            first, begun = self._made is None, time.monotonic()
            self._made = self._page(version)
            ended = time.monotonic()
            pause = PAUSE if first else min(LONGEST, SHARE * (ended - begun))
            self._next = ended + max(PAUSE, pause)
            return self._made.html

    def _page(self, version: str) -> Made:
        try:
            # The first one is made here: it loads what the processes of later ones then share.
            first = self._made is None
            html = self._make(version) if first else made_apart(lambda: self._make(version))
        except TempoError as error:
            from tempo.report.pages.live_page import sentence_html

            said = f"{self.study} cannot be shown: {redacted(str(error))}. It is tried again."
            version = f"{version} failed"
            html = sentence_html(self.study, said, version)
        return Made(version, html.encode())

    def _make(self, version: str) -> str:
        from tempo.report.pages.live_page import LiveStudy, live_html, sentence_html

        plan = self._current_plan()
        if plan is None:
            return sentence_html(self.study, self.awaited(), version)
        from tempo.comparison.in_progress import in_progress

        with closing(open_ledger(None, self.store.root)) as ledger:
            status = study_status(plan, self.store, ledger, self._metric)
        return live_html(
            LiveStudy(
                comparison=in_progress(self.store, plan),
                status=status,
                seed_looks=read_looks(self.store, plan),
                version=version,
                time=time.time(),
                report=self._reported(),
            )
        )

    def awaited(self) -> str:
        """Say that the study has not begun, and which there are; empty where it has."""
        folder, known = self.store.study_dir(self.study), self.store.studies()
        if (folder / self._plan_file).is_file():
            return ""
        under = f" under the profile {self.profile}" if self.profile and self.study in known else ""
        there = listed_up_to(MOST_NAMED, known) or "no study yet"
        return (
            f"{self.study} has not begun{under} in {self.store.root}, which holds {there}. This "
            "page shows it once it does."
        )

    @property
    def _plan_file(self) -> str:
        """The file in the study's folder that is there once the study has begun."""
        return f"plans/{self.profile}.json" if self.profile else "current"

    def _reported(self) -> float | None:
        """Return when the report beside the records was written."""
        with suppress(OSError):
            return (self.report / "index.html").stat().st_mtime
        return None

    def _now(self) -> str:
        """Return a hash of what the page is made of, as the files and the ledger stand."""
        with self._looking:
            seen, version = self._seen
            if version and time.monotonic() - seen < GLANCE:
                return version
            version = short_hash([*self._signs()], 16)
            self._seen = (time.monotonic(), version)
            return version

    def _signs(self) -> Iterator[Any]:
        """Yield what changes with the page: sizes and times of files, and which runs are held."""
        yield self._reported()
        folder = self.store.study_dir(self.study)
        yield from _files(folder)
        plan = self._current_plan()
        if plan is None:
            return
        ids = [run.run_id for run in (*plan.distinct_runs, *plan.evaluations)]
        for run_id in ids:
            with suppress(OSError):
                yield run_id, (self.store.run_dir(run_id) / NAME).stat().st_size
        with closing(open_ledger(None, self.store.root)) as ledger:
            for run_id, hold in ledger.holds(ids).items():
                yield run_id, is_active(hold), hold.asked_to_stop

    def _current_plan(self) -> Plan | None:
        """Return the plan as it is stored, read again only where it changed; None before it is."""
        folder = self.store.study_dir(self.study)
        key = [*_files(folder / "plans"), *_files(folder, "current")]
        if key != self._plan[0]:
            there = (folder / self._plan_file).is_file()
            plan = self.store.load_plan(self.study, self.profile) if there else None
            self._plan = (key, plan)
        return self._plan[1]


def _files(folder: Path, pattern: str = "**/*") -> Iterator[tuple[str, int, int]]:
    """Yield name, size and time of the files in a folder; locks come and go, and say nothing."""
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError):
            about = path.stat()
            if path.is_file() and path.suffix != ".lock":
                yield str(path), about.st_size, about.st_mtime_ns
