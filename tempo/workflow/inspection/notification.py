"""Send a notice by hand, to see whether the user's profile leads anywhere."""

from __future__ import annotations

from tempo.core.errors import MissingError
from tempo.core.redaction import redacted
from tempo.spec.user.user_profile import load_user_profile, user_profile_path
from tempo.workflow.execution.study_notices import send_test

EXAMPLE = "notify: {webhook: $SLACK_WEBHOOK, form: slack, on: [finished, first_failure]}"


def notify(text: str = "Notices of Tempo arrive here.") -> tuple[str, ...]:
    """Send a message at once as `notify` of the user's profile says; return how each channel went.

    Raises:
        MissingError: when the profile asks for no notices.
        TempoError: when a channel does not deliver; says why.

    >>> import tempo
    >>> try:
    ...     tempo.notify("a test")
    ... except tempo.MissingError as error:
    ...     print(str(error)[:30])
    nobody is told: there is no `n
    """
    asked = load_user_profile().notify
    if asked is None:
        raise MissingError(
            f"nobody is told: there is no `notify` in {user_profile_path()}; such as\n  {EXAMPLE}"
        )
    return tuple(send_test(redacted(text), asked))
