"""`tempo watch` as people use it: in a terminal, in Chromium, and ended by every signal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from tempo.cli.main import main
from tempo.core.records import PlannedRun, RunSpec
from tempo.design.expand import expand
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, CheckpointSaved, Finished, Validated
from tempo.records.layout import Store
from tempo.spec.load import load_study

from .conftest import ROOT, TINY

PATIENCE = 120_000
"""Milliseconds within which a browser has to see something."""


class Study:
    """A planned study whose runs a test writes."""

    def __init__(self, folder: Path) -> None:
        (folder / "tiny.yaml").write_text(TINY)
        self.folder, self.store = folder, Store(folder / "records")
        self.plan = expand(load_study(folder / "tiny.yaml"))

    def begin(self) -> None:
        self.store.save_plan(self.plan)

    def train(self, run: PlannedRun, *steps: int, failed: bool = False) -> None:
        folder = self.store.save_run(self.plan.spec_of(run))
        new = not (folder / "events.jsonl").exists()
        with EventLog(folder, 1) as log:
            if new:
                log.append(AttemptStarted(resumed_step=0, total_steps=60))
            for step in steps:
                values = {"psnr": 20 + step / 10}
                log.append(Validated(step=step, clips=1, epoch=0.1, seconds=1.0, values=values))
                path = f"checkpoints/step-{step:08d}-a0001.pt"
                log.append(CheckpointSaved(step=step, path=path, sha256="", best=True))
            if failed:
                log.append(
                    Finished(
                        status="failed",
                        step=steps[-1],
                        seconds=1.0,
                        train_seconds=1.0,
                        peak_memory=1,
                        failure="data",
                        message="no such clip",
                    )
                )


@contextmanager
def watched(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command as a process, and the address that it printed."""
    command = [sys.executable, "-m", "tempo.cli.main", "watch", *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, process.stderr and process.stderr.read()
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_everything_that_it_started(
    study: Study, number: signal.Signals
) -> None:
    study.begin()
    study.train(study.plan.runs[0], 20, 40)
    with watched(study.folder, "tiny.yaml") as (process, address):
        port = int(address.split(":")[2].partition("/")[0])
        own = psutil.Process(process.pid)
        assert [each.laddr.ip for each in own.net_connections("inet")] == ["127.0.0.1"]
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
        # The signal may come before the line that says how to open the page.
        assert out.splitlines()[-1] == "No longer watching tiny."
        taken = {each.laddr.port for each in psutil.net_connections("inet") if each.laddr}
        assert port not in taken
    assert not [p for p in psutil.process_iter(["cmdline"]) if address in str(p.info["cmdline"])]


def test_bad_input_is_a_sentence(
    study: Study, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.folder)
    for words, said in (
        (["gone.yaml"], "there is no such file"),
        (["a/b"], "'a/b'"),
        (["tiny", "--port", "80"], "from 1024 to 65535"),
        (["tiny.yaml", "--profile", "huge"], "huge"),
    ):
        assert main(["watch", *words]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ") and said in captured.err
        assert captured.out == ""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


def _until(page: Any, condition: Callable[[], bool]) -> None:
    """Wait until a condition holds of a page, which may load itself again at any moment."""
    give_up = time.monotonic() + PATIENCE / 1000
    while True:
        try:
            if condition():
                return
        except Exception as error:
            if "context was destroyed" not in str(error) and "navigat" not in str(error):
                raise
        assert time.monotonic() < give_up, page.inner_text("main")
        page.wait_for_timeout(200)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_browser_follows_the_study_and_asks_nobody_else(study: Study, chromium: Any) -> None:
    runs = [run for run in study.plan.runs if run.seed is not None]
    with watched(study.folder, "tiny.yaml") as (process, address):
        context = chromium.new_context(viewport={"width": 1000, "height": 800})
        page = context.new_page()
        asked: list[str] = []
        problems: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(address, timeout=PATIENCE)
        _until(page, lambda: "has not begun" in page.inner_text("main"))
        # It begins, and the page shows it without a hand being moved.
        study.begin()
        study.train(runs[0], 20, 40)
        _until(page, lambda: "40/60" in page.inner_text("main"))
        assert page.locator("#figure-learning_curves svg").count() > 0
        # A section that was opened stays open when the page loads itself again.
        page.click("#looks summary")
        study.train(runs[1], 20, failed=True)
        _until(page, lambda: "no such clip" in page.text_content("main"))
        assert "Not all is well" in page.inner_text("main")
        assert page.locator("#looks > details").get_attribute("open") is not None
        # The page goes nowhere else, even if a script of its own wants to.
        outside = "fetch('http://localhost:9/').then(() => 'sent', (error) => error.name)"
        assert page.evaluate(outside) == "TypeError"
        assert {url for url in asked if not url.startswith((address, "data:"))} <= {
            "http://localhost:9/"
        }
        blocked = [each for each in problems if "Content Security Policy" in each]
        assert len(blocked) == len(problems) and blocked
        # Whoever lacks the word sees nothing.
        stranger = context.new_page()
        root = address.rsplit("/", 2)[0]
        for wrong in (f"{root}/", f"{root}/state", f"{root}/{'x' * 32}/"):
            reply = stranger.goto(wrong)
            assert reply.status == 403 and "tiny" not in stranger.content()
        # When the command ends, the page keeps what it shows and says so.
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        _until(page, lambda: "tempo watch has ended" in page.inner_text("#beat"))
        assert "40/60" in page.inner_text("main")
        context.close()


def test_plans_of_other_profiles_are_told_apart(study: Study) -> None:
    """The spec without a profile means that plan, whatever was run last."""
    from tempo.workflow.live.watch import watch

    small = replace(study.plan, profile="smoke")
    study.begin()
    study.store.save_plan(small)
    spec = RunSpec(run_id="0" * 12, seed=0, config={})
    assert study.store.save_run(spec).is_dir()
    here = {"records": study.store.root, "reports": study.folder}
    with watch("tiny", **here) as page:
        assert not page.awaited
    with watch(study.folder / "tiny.yaml", **here) as page:
        assert not page.awaited
    with watch("tiny", profile="full", **here) as page:
        assert "under the profile full" in page.awaited
