"""Deliver a message once, to a webhook or a command; never wait longer than `PATIENCE`."""

from __future__ import annotations

import http.client
import os
import shlex
import subprocess
import threading
from collections.abc import Callable
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tempo.core.errors import TempoError
from tempo.core.redaction import redacted
from tempo.spec.user.notify import VARIABLE, Notify
from tempo.track.notices.message import Message, body

PATIENCE = 15.0
"""Seconds that one try may take, however slowly the other side answers."""
READ = 4096
"""Bytes of an answer that are read."""
AGAIN = frozenset({408, 425, 429})
"""Answers of the client's kind that a later try may change."""


class LaterError(TempoError):
    """A message was not delivered, and may be if tried again."""


class NeverError(TempoError):
    """A message was refused, and would be again."""


class _NoRedirect(HTTPRedirectHandler):
    """A body and a secret address are for one server, not for wherever it points."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def channels(notify: Notify) -> tuple[str, ...]:
    """The ways on which a message is to go: `webhook`, `command`."""
    return tuple(n for n in ("webhook", "command") if getattr(notify, n) is not None)


def deliver(message: Message, notify: Notify, channel: str, patience: float = PATIENCE) -> None:
    """Deliver a message on one of the channels.

    Raises:
        LaterError: no answer, an answer that is none, or one of a server in trouble.
        NeverError: the other side refuses, or the profile or environment does not suffice.
    """
    content = body(message, notify.form, notify.to)
    if channel == "webhook":
        _within(patience, lambda: _post(address(notify), content, notify.form, patience))
    else:
        _run(shlex.split(notify.command or ""), content, message, patience)


def address(notify: Notify) -> str:
    """The webhook's address, from the environment.

    Raises:
        NeverError: the variable is not set, or holds no address; does not quote what it holds.
    """
    found = VARIABLE.match(notify.webhook or "")
    name = found[1] if found else ""
    text = os.environ.get(name, "").strip()
    if not text:
        raise NeverError(f"the variable {name}, which notify.webhook names, is not set")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in {"http", "https"} or not host:
        raise NeverError(f"the variable {name} holds no address (http://... or https://...)")
    return text


def _within(patience: float, call: Callable[[], None]) -> None:
    """Call in a thread that is left behind when it takes too long: a server that sends a byte now
    and then would hold any limit on single reads."""
    caught: list[BaseException] = []

    def attempt() -> None:
        try:
            call()
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=attempt, name="tempo-notice", daemon=True)
    thread.start()
    thread.join(patience)
    if thread.is_alive():
        raise LaterError(f"no answer within {patience:.0f} s")
    if caught:
        raise caught[0]


def _post(url: str, content: bytes, form: str, patience: float) -> None:
    kind = "application/json; charset=utf-8"
    headers = {"Content-Type": kind, "User-Agent": "tempo-vfi"}
    request = Request(url, data=content, headers=headers, method="POST")
    try:
        with build_opener(_NoRedirect).open(request, timeout=patience) as answer:
            said = answer.read(READ)
    except HTTPError as error:
        with error:
            _refused(error.code)
    except (URLError, http.client.HTTPException, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        told = f"{type(error).__name__}: {reason}".replace(url, "the webhook")
        raise LaterError(redacted(told, url)) from None
    # These services answer `ok`; a proxy or a login page in front of them answers 200 as well.
    if form in {"slack", "mattermost"} and said.strip().lower() != b"ok":
        raise LaterError("the answer was 200, and not the `ok` of the service")


def _refused(code: int) -> None:
    if 300 <= code < 400:
        raise NeverError(f"the webhook answers {code}, which leads elsewhere: give its address")
    if code >= 500 or code in AGAIN:
        raise LaterError(f"the webhook answers {code}")
    raise NeverError(f"the webhook answers {code}: the message is refused")


def _run(words: list[str], content: bytes, message: Message, patience: float) -> None:
    told = {"TEMPO_NOTICE_EVENT": message.event, "TEMPO_NOTICE_SUBJECT": message.subject}
    try:
        done = subprocess.run(
            words,
            input=content,
            env={**os.environ, **told},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise LaterError(f"{words[0]} did not end within {patience:.0f} s") from None
    except OSError as error:
        raise NeverError(f"{words[0]} cannot be started: {error.strerror}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        why = f": {redacted(said)}" if said else ""
        raise LaterError(f"{words[0]} ended with {done.returncode}{why}")
