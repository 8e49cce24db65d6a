"""Run `tempo logs`: print the events of a run and the output of its worker."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

from tempo.cli import shared_options as shared
from tempo.core.errors import RecordError
from tempo.ledger.open import open_ledger
from tempo.ledger.port import is_active
from tempo.records.event_log import read_events
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Evaluated,
    Event,
    Finished,
    Noted,
    Trained,
    Validated,
)
from tempo.records.files import open_file
from tempo.records.layout import Store
from tempo.workflow.names import run_named

EPILOG = """examples:
  tempo logs 3f2a9c -f          follow it until it ends; a run is named by how its id begins
  tempo logs se=off s1          or by its variant and seed
  tempo logs se=off s1 --attempt 2
"""

POLL_SECONDS = 0.5


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Print the events of a run's last attempt and the output of its worker."
    parser.epilog = EPILOG
    parser.add_argument(
        "name", nargs="+", metavar="RUN", help="id, its beginning, or VARIANT sSEED"
    )
    parser.add_argument("-f", "--follow", action="store_true", help="until the run ends")
    parser.add_argument("--attempt", type=shared.positive, metavar="N", help="default: the last")
    shared.add_records(parser)
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    store = Store(options.records)
    run = run_named(" ".join(options.name), store)
    folder = store.run_dir(run.run_id)
    attempts = attempts_of(folder)
    if not attempts and not options.follow:
        raise RecordError(f"{run.title} ({run.run_id}) has not begun")
    number = options.attempt or max(attempts, default=1)
    if options.attempt and number not in attempts:
        known = ", ".join(map(str, attempts))
        raise RecordError(f"{run.title} has no attempt {number} (attempts: {known})")
    print(f"{run.title}  {folder}", flush=True)
    page = Page(folder, number)
    page.print_new()
    if options.follow and not page.over:
        _follow(page, store, run.run_id, newer=options.attempt is None)
    return 0


def attempts_of(folder: Path) -> list[int]:
    """The attempts that wrote an event, and those after them that only have output."""
    wrote = {logged.attempt for logged in read_events(folder)}
    later = {number for number in _outputs(folder) if number > max(wrote, default=0)}
    return sorted(wrote | later)


def _outputs(folder: Path) -> list[int]:
    found = (folder / "attempts").glob("*.log")
    names = (path.stem for path in found)
    return sorted(int(name) for name in names if name.isascii() and name.isdecimal())


def _follow(page: Page, store: Store, key: str, *, newer: bool) -> None:
    """Print what is added until the attempt ends; go on to newer ones unless one was asked for."""
    ledger = open_ledger(None, store.root)
    while True:
        time.sleep(POLL_SECONDS)
        page.print_new()
        latest = max(attempts_of(page.folder), default=page.attempt)
        if newer and latest > page.attempt:
            page = Page(page.folder, latest)
        elif page.over:
            return
        elif not is_active(ledger.holds([key]).get(key)) and not page.print_new():
            print("nobody carries it out now", flush=True)
            return


class Page:
    """One attempt, printed as it grows. Output has no times of its own: it is printed in between,
    as it is found."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self.folder, self.attempt = folder, attempt
        self.over = False
        self._events = 0
        self._output = 0

    def print_new(self) -> bool:
        """Print what was added since the last time; whether there was anything."""
        lines = [*self._new_events(), *self._new_output()]
        for line in lines:
            print(line, flush=True)
        return bool(lines)

    def _new_events(self) -> Iterator[str]:
        for logged in read_events(self.folder, self._events):
            self._events = logged.end
            if logged.attempt != self.attempt:
                continue
            self.over = self.over or isinstance(logged.event, Finished)
            text = describe(logged.event)
            if text:
                clock = datetime.fromtimestamp(logged.time).astimezone()
                yield f"{clock:%Y-%m-%d %H:%M:%S}  {text}"

    def _new_output(self) -> list[str]:
        # The log is named before the attempt gets its number, which can turn out larger.
        numbers = [number for number in _outputs(self.folder) if number <= self.attempt]
        if not numbers:
            return []
        path = self.folder / "attempts" / f"{numbers[-1]}.log"
        with open_file(path) as file:
            file.seek(self._output)
            content = file.read()
        whole = content if self.over else content[: content.rfind(b"\n") + 1]
        self._output += len(whole)
        return whole.decode(errors="replace").splitlines()


def describe(event: Event) -> str:
    """An event in a line; empty for one that says nothing to a reader."""
    said = ""
    match event:
        case AttemptStarted():
            where = [str(event.environment.get(key, "?")) for key in ("host", "pid", "device")]
            begun = f"resumed at step {event.resumed_step}" if event.resumed_step else "began"
            said = f"{begun}, {event.total_steps} steps, on {' '.join(where)}"
        case Trained():
            said = f"step {event.step}  {_values(event.values, ('loss', 'lr', 'samples_per_s'))}"
        case Validated():
            said = f"step {event.step}  validation  {_values(event.values)}"
        case CheckpointSaved():
            said = f"step {event.step}  checkpoint{' (best)' if event.best else ''}"
        case Evaluated():
            said = f"{event.split} of {event.clips} clips  {_values(event.values)}"
        case Noted():
            said = f"step {event.step}  {event.topic}: {event.message}"
        case Finished():
            failure = f" ({event.failure})" if event.failure else ""
            said = f"{event.status}{failure} at step {event.step}  {event.message}".rstrip()
    return said


def _values(values: Mapping[str, float], names: tuple[str, ...] = ()) -> str:
    chosen = {name: value for name, value in values.items() if not names or name in names}
    return "  ".join(f"{name} {value:.5g}" for name, value in chosen.items())
