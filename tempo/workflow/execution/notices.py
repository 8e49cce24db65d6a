"""Tell the notifiers of plug-ins how an invocation of a study or search ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tempo.core.errors import PluginError
from tempo.core.plugins.parts import implementation, names_of
from tempo.core.redaction import redacted

NOTIFIER = "notifier"
"""The table of `register_named` that notifiers are added to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a notifier is called with, once an invocation is over.

    Attributes:
        study: the study's name.
        profile: the profile; None for the study at full size.
        ending: `complete`, `failed`, `stopped` or `submitted`.
        text: the outcome in words, without passwords.
        page: the page of the report; None while runs are left.

    >>> from tempo.workflow.execution.notices import Notice
    >>> print(Notice(study="s", profile=None, ending="stopped", text="s: stopped", page=None).text)
    s: stopped
    """

    study: str
    profile: str | None
    ending: str
    text: str
    page: Path | None


def send(notice: Notice, say: Callable[[str], None]) -> None:
    """Call each notifier with a notice; one that raises is said, and changes nothing else."""
    for name in names_of(NOTIFIER):
        try:
            implementation(NOTIFIER, name)(notice)
        except PluginError as error:
            say(f"warning: {error}")
        except Exception as error:  # Whatever a notifier raises, the results are there.
            told = redacted(f"{type(error).__name__}: {error}")
            say(f"warning: the notifier {name!r} of a plug-in raises {told}")
