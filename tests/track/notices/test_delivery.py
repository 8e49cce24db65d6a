"""One try of a delivery, against a real server that is well, slow, down or lies; and a command."""

from __future__ import annotations

import email
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo.spec.user.notify import Notify
from tempo.track.notices.delivery import LaterError, NeverError, deliver
from tempo.track.notices.message import Message

from .hook import Hook, hook

SECRET = "T0P-s3cret"
HOOK = Notify(webhook="$TEMPO_TEST_HOOK")


def message(text: str = "s: complete", **facts: object) -> Message:
    return Message(event="finished", study="se ```x", profile="demo", text=text, facts=facts)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    with hook() as made:
        monkeypatch.setenv("TEMPO_TEST_HOOK", f"{made.url}/{SECRET}")
        yield made


def test_the_plain_body_holds_everything(server: Hook) -> None:
    told = message(ending="complete", page="/x/index.html")
    deliver(told, HOOK, "webhook")
    (body,) = server.said()
    assert body["format"] == 1 and body["facts"] == {"ending": "complete", "page": "/x/index.html"}
    assert (body["event"], body["study"], body["profile"]) == ("finished", "se ```x", "demo")
    assert Message.from_json(body) == told


@pytest.mark.parametrize("form", ["slack", "mattermost"])
def test_chats_are_given_a_text_and_answer_ok(form: str, server: Hook) -> None:
    server.answers = ["ok"]
    notify = Notify(webhook="${TEMPO_TEST_HOOK}", form=form)
    deliver(message("a ``` b " + "x" * 9000), notify, "webhook")
    (body,) = server.said()
    assert body["text"].count("```") == 2 + body["text"].split("\n")[0].count("```")
    assert len(body["text"]) < 4000 and "format" not in body
    server.answers = ["login page"]
    with pytest.raises(LaterError, match="not the `ok`"):
        deliver(message(), notify, "webhook")


@pytest.mark.parametrize("answer", [500, 502, 503, 429, 408, "garbage"])
def test_a_server_in_trouble_or_lying_is_tried_again_later(answer: int | str, server: Hook) -> None:
    server.answers = [answer]
    with pytest.raises(LaterError) as error:
        deliver(message(), HOOK, "webhook")
    assert SECRET not in str(error.value)


def test_a_200_whose_body_is_cut_short_counts_so_that_nothing_is_told_twice(server: Hook) -> None:
    server.answers = ["cut"]
    deliver(message(), HOOK, "webhook", patience=5)
    assert len(server.bodies) == 1


@pytest.mark.parametrize("answer", [400, 401, 403, 404, 410, 301, 302, 307])
def test_a_refusal_or_a_redirect_is_final(answer: int, server: Hook) -> None:
    server.answers = [answer]
    with pytest.raises(NeverError) as error:
        deliver(message(), HOOK, "webhook")
    assert SECRET not in str(error.value) and len(server.bodies) == 1


@pytest.mark.parametrize("answer", ["hang", "drip"])
def test_a_slow_server_is_left_after_the_patience(answer: str, server: Hook) -> None:
    server.answers = [answer]
    begun = time.monotonic()
    with pytest.raises(LaterError):
        deliver(message(), HOOK, "webhook", patience=0.5)
    assert time.monotonic() - begun < 10


def test_a_server_that_is_down_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv("TEMPO_TEST_HOOK", f"http://ann:{SECRET}@127.0.0.1:{port}/{SECRET}")
    with pytest.raises(LaterError) as error:
        deliver(message(), HOOK, "webhook")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("value", ["", SECRET, f"ftp://x/{SECRET}", f"http://[{SECRET}"])
def test_a_variable_without_an_address_is_named_and_not_quoted(
    value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPO_TEST_HOOK", value)
    with pytest.raises(NeverError, match="TEMPO_TEST_HOOK") as error:
        deliver(message(), HOOK, "webhook")
    assert SECRET not in str(error.value)


def test_a_command_reads_the_message(tmp_path: Path) -> None:
    script = tmp_path / "take it"
    script.write_text(
        f'#!/bin/sh\ncat > "{tmp_path}/body"\necho "$TEMPO_NOTICE_SUBJECT" > "{tmp_path}/subject"\n'
    )
    script.chmod(0o755)
    deliver(message(), Notify(command=f"'{script}'"), "command")
    assert json.loads((tmp_path / "body").read_text())["text"] == "s: complete"
    assert "is over" in (tmp_path / "subject").read_text()
    mail = Notify(command=f"'{script}' -t", form="email", to="ann@example.org")
    deliver(message("käse\n.\nBcc: eve@example.org"), mail, "command")
    read = email.message_from_bytes((tmp_path / "body").read_bytes())
    assert read["To"] == "ann@example.org" and read["Bcc"] is None
    assert read["Subject"].startswith("Tempo: se ```x (demo) is over")


def test_a_command_that_fails_is_tried_again_and_one_that_is_not_there_is_not() -> None:
    with pytest.raises(LaterError, match=r"ended with 3: away"):
        deliver(message(), Notify(command="sh -c 'echo away >&2; exit 3'"), "command")
    with pytest.raises(NeverError, match="cannot be started"):
        deliver(message(), Notify(command="/no/such/program"), "command")
    with pytest.raises(LaterError, match="did not end"):
        deliver(message(), Notify(command="sleep 30"), "command", patience=0.3)
