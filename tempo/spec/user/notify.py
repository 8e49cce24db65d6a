"""Define `notify` of the user's profile: how and of what a user is told."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tempo.spec.options import PATTERN_IN_WORDS, ListOf, Section

Event = Literal["finished", "first_failure", "budget_80", "decided"]
Form = Literal["json", "slack", "mattermost", "email"]

VARIABLE = re.compile(r"^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?$")
"""The name of a variable of the environment, as `$NAME` or `${NAME}`."""

ADDRESS = r"^[^\s@,<>]+@[^\s@,<>]+$"


class Notify(Section):
    """How a user is told what becomes of studies, and of what.

    `webhook` names the variable of the environment that holds the address, because such an address
    is a secret. `command` reads the message on its standard input. Both may be given.
    """

    webhook: str | None = Field(
        None,
        pattern=VARIABLE.pattern,
        description="variable of the environment that holds the address, as $SLACK_WEBHOOK",
        json_schema_extra={
            PATTERN_IN_WORDS: "name a variable of the environment that holds the address, as "
            "$TEMPO_WEBHOOK: an address is a secret, and this file is none"
        },
    )
    command: str | None = Field(
        None, min_length=1, description="a program that reads the message, as `sendmail -t`"
    )
    form: Form = Field("json", description="what is sent: JSON as it is, or as a service reads it")
    to: str | None = Field(
        None,
        pattern=ADDRESS,
        description="whom an e-mail is for",
        json_schema_extra={PATTERN_IN_WORDS: "be an e-mail address, as ann@example.org"},
    )
    on: Annotated[tuple[Event, ...], ListOf] = Field(
        ("finished", "first_failure"), min_length=1, description="what is told"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.webhook is None and self.command is None:
            raise ValueError("give a webhook or a command: without one nobody is told")
        if (self.form == "email") != (self.to is not None):
            raise ValueError("`form: email` and `to` belong together: whom the e-mail is for")
        if self.form == "email" and self.command is None:
            raise ValueError("an e-mail needs a command that sends it, such as `sendmail -t`")
        if self.form == "email" and self.webhook is not None:
            raise ValueError("an e-mail goes to a command: leave `webhook` out, or the form")
        if self.command is not None:
            try:
                words = shlex.split(self.command)
            except ValueError as error:
                raise ValueError(f"the command cannot be split into words: {error}") from None
            if not words:
                raise ValueError("the command is empty")
        return self
