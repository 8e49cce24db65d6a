"""Hold what a user is told, and write it as JSON, for Slack, for Mattermost and as an e-mail."""

from __future__ import annotations

import json
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from email.message import EmailMessage
from email.utils import formatdate
from typing import Any

FORMAT = 1
"""The number of the plain JSON body's format."""

TITLES = {
    "finished": "is over",
    "first_failure": "has a first failed run",
    "budget_80": "has spent 80 % of its GPU-hours",
    "decided": "is decided",
    "test": "is a test",
}
"""What a subject says of each event."""

LONGEST = 3000
"""Characters of the text in a chat, which cuts longer ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is told: `event` of a study, and a `text` without passwords.

    `facts` are numbers and paths for programs: ending, counts, page, spent hours.
    """

    event: str
    study: str
    profile: str | None
    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    host: str = field(default_factory=socket.gethostname)
    time: float = field(default_factory=time.time)
    id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def subject(self) -> str:
        """One line: `Tempo: se_dilation (demo) is over on host`."""
        named = f"{self.study} ({self.profile})" if self.profile else self.study
        line = f"Tempo: {named} {TITLES.get(self.event, self.event)} on {self.host}"
        return " ".join("".join(c if c.isprintable() else " " for c in line).split())

    def to_json(self) -> dict[str, Any]:
        """The plain body."""
        return {"format": FORMAT, **asdict(self), "subject": self.subject}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Message:
        """Read a plain body; a KeyError or TypeError where it is none."""
        names = ("event", "study", "profile", "text", "facts", "host", "time", "id")
        return cls(**{name: value[name] for name in names})


def body(message: Message, form: str, to: str | None = None) -> bytes:
    """Return a message in a form of `Notify`."""
    if form == "email":
        return _email(message, to or "").as_bytes()
    if form == "json":
        said: dict[str, Any] = message.to_json()
    else:
        # Both read `text`; code fences keep what stands in it from being read as markup.
        text = message.text[:LONGEST].replace("```", "'''")
        said = {"text": f"*{message.subject}*\n```\n{text}\n```"}
        if form == "mattermost":
            said = {"text": f"**{message.subject}**\n```\n{text}\n```", "username": "Tempo"}
    return json.dumps(said, ensure_ascii=False).encode(errors="replace")


def _email(message: Message, to: str) -> EmailMessage:
    mail = EmailMessage()
    mail["To"] = to
    mail["Subject"] = message.subject
    mail["Date"] = formatdate(message.time)
    mail["Message-ID"] = f"<{message.id}@tempo>"
    mail["Auto-Submitted"] = "auto-generated"
    plain = message.text.encode(errors="replace").decode()
    mail.set_content(plain or message.subject)
    return mail
