"""What went wrong with the store, in words, and whether trying again can help."""

from __future__ import annotations

from tempo.core.errors import TempoError
from tempo.track.store_address import redacted

_OF_ONE_RUN = {
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "BAD_REQUEST",
    "RESOURCE_DOES_NOT_EXIST",
    "NOT_FOUND",
    "RESOURCE_ALREADY_EXISTS",
}


def concerns_one_run(error: Exception) -> bool:
    """Whether the store answers and refuses, so that the other runs can still be sent."""
    return getattr(error, "error_code", None) in _OF_ONE_RUN


def explain(error: Exception, uri: str) -> str:
    """One line for the display, without credentials."""
    if isinstance(error, TempoError):
        text = str(error)
    elif unreachable(error):
        text = f"{uri} does not answer"
    else:
        text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return redacted(text, uri).replace(uri, redacted(uri))


def unreachable(error: BaseException) -> bool:
    """Whether a connection could not be made or broke off."""
    names = {"ConnectionError", "Timeout", "ReadTimeout", "ConnectTimeout", "OperationalError"}
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) or type(seen).__name__ in names:
            return True
        seen = seen.__cause__ or seen.__context__
    return "API request to" in str(error) and "failed with exception" in str(error)
