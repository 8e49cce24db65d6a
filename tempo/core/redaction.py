"""Remove the passwords of addresses from text that is printed or stored."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

HIDDEN = "***"

_IN_ADDRESS = re.compile(
    r"""(?P<user>(?:^|(?<=[\s'"=/(\[,]))[^\s:/@'"=(\[,]*)  # a user, where a word begins
    :(?!//|\d+/|\d+\s|\d+$)[^\s'"]+@(?=[^\s'"/@])  # ":secret@host", unless a port or "scheme://"
    """,
    re.VERBOSE,
)
_AS_VALUE = re.compile(
    r"""(?P<name>\b(?:\w*password|passwd|pwd|token|api_?key|secret)=)[^\s&'"]+""", re.IGNORECASE
)


def redacted(text: str, *addresses: str) -> str:
    """Return `text` with every password in it replaced by `***`.

    Passwords are found by their place: between `user:` and `@host`, also where the address is
    misspelt, and after `password=`, `token=` and the like. A command, an error of a database driver
    or a log may quote an address in any of these forms.

    Args:
        addresses: whose passwords are also removed where they stand alone in the text.

    >>> redacted("postgresql://ann:hunter2@db/tempo does not answer")
    'postgresql://ann:***@db/tempo does not answer'
    """
    for secret in filter(None, map(_secret, addresses)):
        for form in {secret, unquote(secret)}:
            text = text.replace(form, HIDDEN)
    text = _IN_ADDRESS.sub(rf"\g<user>:{HIDDEN}@", text)
    return _AS_VALUE.sub(rf"\g<name>{HIDDEN}", text)


def _secret(address: str) -> str | None:
    try:
        return urlsplit(address).password
    except ValueError:
        # A bracket or a port that cannot be read: the patterns find the password by its place.
        return None
