"""Watch a study for some minutes while its records grow, and see that memory does not.

    python benchmarks/live_page.py --minutes 20

`tempo watch` serves a study whose runs are written here, event by event, as workers write them: a
step a second, a validation every tenth, run after run. A browser (headless Chromium where there is
one; else a reader of pages) follows the page as people do. Printed are the processor seconds and
the memory of the server, with the processes it forks, minute by minute, what was asked for, and
every address that the browser asked. Exit code 1: memory grew by more than a twentieth after the
first fifth of the time, an address was not of this machine, or the page stopped to follow.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tempo.core.records import Plan, RunSpec
from tempo.records.event_log import EventLog
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Finished,
    Trained,
    Validated,
)
from tempo.records.layout import Store
from tests.plain_evaluation import evaluated
from tests.watched_plan import STUDY, watched_plan

STEPS = 120
ALLOWED = 1.05
"""How many times the memory after the first fifth of the time the rest may take."""


def write(store: Store, plan: Plan, pause: float, over: threading.Event) -> None:
    """Write the runs of a plan one after the other, a step every `pause` seconds."""
    for run in plan.runs:
        folder = store.save_run(RunSpec(run_id=run.run_id, seed=run.seed, config={"runtime": {}}))
        with EventLog(folder, 1) as log:
            log.append(AttemptStarted(resumed_step=0, total_steps=STEPS))
            for step in range(1, STEPS + 1):
                if over.wait(pause):
                    return
                values = {"loss": 1 / step, "grad_norm": 1.0, "lr": 1e-4}
                log.append(Trained(step=step, clips=step, epoch=step / 10, values=values))
                if step % 10 == 0:
                    _validate(log, step)
            log.append(evaluated(STEPS, table=""))
            log.append(
                Finished(
                    status="complete",
                    step=STEPS,
                    seconds=STEPS * pause,
                    train_seconds=STEPS * pause,
                    peak_memory=1,
                )
            )


def _validate(log: EventLog, step: int) -> None:
    values = {"psnr": 20 + step / 20, "ssim": 0.9}
    log.append(Validated(step=step, clips=1, epoch=step / 10, seconds=float(step), values=values))
    path = f"checkpoints/step-{step:08d}-a0001.pt"
    log.append(CheckpointSaved(step=step, path=path, sha256="", best=True))


@contextmanager
def watched(root: Path) -> Iterator[tuple[psutil.Process, str]]:
    """`tempo watch` as a process, and its address; it is ended with the block."""
    command = [sys.executable, "-m", "tempo.cli.main", "watch", STUDY, "--records", str(root)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root)
    assert process.stdout is not None
    try:
        address = process.stdout.readline().split()[-1]
        yield psutil.Process(process.pid), address
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
        print(f"tempo watch ended with code {code}")


Read = Callable[[], str]
"""Return the version of the page that is shown."""


@contextmanager
def reading(address: str) -> Iterator[tuple[Read, Counter[str]]]:
    """Follow the page in Chromium, or where there is none by asking for the page; with what was
    asked for, by address."""
    asked: Counter[str] = Counter()
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        found = None
    if found is None:

        def version() -> str:
            asked[address] += 1
            with urllib.request.urlopen(address, timeout=120) as reply:
                text: str = reply.read().decode()
            return text.partition('data-version="')[2].partition('"')[0]

        yield version, asked
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page: Any = browser.new_page()
        page.on("request", lambda request: asked.update([request.url]))
        page.goto(address, timeout=120_000)

        def shown() -> str:
            # A page that loads itself again just now is asked once more.
            for _ in range(20):
                with suppress(Exception):
                    return str(page.get_attribute("#live", "data-version", timeout=30_000))
            raise RuntimeError("the page is gone")

        def wait_and_show() -> str:
            page.wait_for_timeout(1000)
            return shown()

        yield wait_and_show, asked
        browser.close()


def taken(process: psutil.Process) -> tuple[float, float]:
    """Return the MiB of a process alone, and its processor seconds with those of its children."""
    times = process.cpu_times()
    spent = times.user + times.system + times.children_user + times.children_system
    return process.memory_info().rss / 2**20, spent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two steps")
    options = parser.parse_args()
    seconds = 60 * options.minutes
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        store, plan = (
            Store(root),
            watched_plan(seeds=int(1 + seconds / options.pause / STEPS / 2 + 1)),
        )
        store.save_plan(plan)
        over = threading.Event()
        writer = threading.Thread(target=write, args=(store, plan, options.pause, over))
        writer.start()
        try:
            with watched(root) as (process, address), reading(address) as (read, asked):
                memory, versions = _follow(process, read, seconds)
        finally:
            over.set()
            writer.join()
    return _judge(memory, versions, asked, address)


def _follow(
    process: psutil.Process, read: Read, seconds: float
) -> tuple[list[tuple[float, float]], int]:
    """Read until the time is over; memory by seconds, and how many pages there were."""
    begun, memory, versions, said = time.monotonic(), [], {read()}, 0
    print(f"{'minute':>6} {'MiB':>8} {'CPU s':>8} {'pages':>6}")
    while (now := time.monotonic() - begun) < seconds:
        versions.add(read())
        rss, spent = taken(process)
        memory.append((now, rss))
        if now >= 60 * said:
            print(f"{now / 60:>6.1f} {rss:>8.1f} {spent:>8.1f} {len(versions):>6}", flush=True)
            said = int(now / 60) + 1
    return memory, len(versions)


def _judge(
    memory: list[tuple[float, float]], versions: int, asked: Counter[str], address: str
) -> int:
    until = memory[-1][0]
    early = median(rss for at, rss in memory if until * 0.1 <= at <= until * 0.3)
    late = median(rss for at, rss in memory if at >= until * 0.9)
    foreign = {url for url in asked if not url.startswith((address, "data:", "about:"))}
    print(f"memory: {early:.1f} MiB early, {late:.1f} MiB late ({100 * (late / early - 1):+.1f} %)")
    print(f"pages: {versions}; requests: {sum(asked.values())}, of other addresses: {len(foreign)}")
    for url in sorted(foreign):
        print(f"  {url}")
    return int(late > early * ALLOWED or bool(foreign) or versions < 3)


if __name__ == "__main__":
    sys.exit(main())
