"""Messages are kept until they are delivered, and tried again with growing pauses."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tempo.records.layout import Store
from tempo.spec.user.notify import Notify
from tempo.track.mirror_process import MirrorProcess
from tempo.track.notices import outbox
from tempo.track.notices.message import Message
from tempo.track.notices.outbox import Postman, pending, problems, put

from .hook import Hook, hook

HOOK = Notify(webhook="$TEMPO_TEST_HOOK")
ARGV = (sys.executable, "-m", "tempo.worker", "mirror")


def message(study: str = "s") -> Message:
    return Message(event="finished", study=study, profile=None, text="over")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setattr(outbox, "FIRST_WAIT", 0.05)
    with hook() as made:
        monkeypatch.setenv("TEMPO_TEST_HOOK", made.url)
        yield made


def test_a_message_is_tried_until_it_is_delivered(server: Hook, tmp_path: Path) -> None:
    server.answers = [500, 503, "garbage", 200]
    put(tmp_path, message(), HOOK)
    postman = Postman(tmp_path, HOOK)
    server.wait_for(4)
    assert postman.leave(30)
    assert len(server.bodies) == 4 and len({each["id"] for each in server.said()}) == 1
    assert list(pending(tmp_path)) == [] and problems(tmp_path) == []


def test_what_is_not_delivered_is_kept_and_sent_the_next_time(server: Hook, tmp_path: Path) -> None:
    server.answers = [500]
    put(tmp_path, message(), HOOK)
    first = Postman(tmp_path, HOOK)
    server.wait_for(2)
    assert not first.leave(0.2)
    assert problems(tmp_path) == ["the webhook answers 500"]
    server.answers = [200]
    put(tmp_path, message("later"), HOOK)
    second = Postman(tmp_path, HOOK)
    assert second.leave(30) and first.leave(30)
    assert {each["study"] for each in server.said()} == {"s", "later"}
    assert not list(pending(tmp_path))


def test_a_refused_message_goes_and_its_reason_is_told_once(server: Hook, tmp_path: Path) -> None:
    server.answers = [403]
    put(tmp_path, message(), HOOK)
    assert Postman(tmp_path, HOOK).leave(30)
    assert len(server.bodies) == 1
    assert "refused" in problems(tmp_path)[0] and problems(tmp_path) == []


def test_old_and_damaged_messages_are_given_up(tmp_path: Path) -> None:
    put(tmp_path, replace(message(), time=time.time() - 2 * outbox.OLDEST), HOOK)
    for name, text in {"a": "{broken", "b": "[]", "c": json.dumps({"message": {}})}.items():
        (tmp_path / "notices" / f"{name}.json").write_text(text)
    assert list(pending(tmp_path)) == []
    assert list((tmp_path / "notices").glob("*.json")) == []


@pytest.mark.slow
def test_the_mirrors_process_delivers_and_nobody_waits_for_it(server: Hook, tmp_path: Path) -> None:
    server.answers = ["hang"]
    mirror = MirrorProcess(Store(tmp_path), None, ARGV)
    begun = time.monotonic()
    mirror.notify(message(), HOOK)
    assert time.monotonic() - begun < 5, "a hanging server holds nobody up"
    server.wait_for(1)
    process = psutil.Process(mirror._process.pid)  # type: ignore[union-attr]
    mirror.stop()
    assert not process.is_running() and len(list(pending(tmp_path))) == 1
    server.answers = [200]
    mirror.notify(message("second"), HOOK)
    mirror.stop()
    assert {each["study"] for each in server.said()[1:]} == {"s", "second"}
    assert not list(pending(tmp_path))
