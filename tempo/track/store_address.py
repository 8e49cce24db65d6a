"""Resolve and print the address of a tracking store, without credentials."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from tempo.core.errors import TempoError
from tempo.core.identity import short_hash
from tempo.core.redaction import redacted

_SQLITE = "sqlite:///"
_URI = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://|file:|arn:|databricks(?:-uc)?$)")
_DATABASES = frozenset({".db", ".sqlite", ".sqlite3"})


def default_uri(root: Path) -> str:
    """Return the URI of the sqlite file beside the records, with an absolute path."""
    return f"{_SQLITE}{root.resolve() / 'mlflow.db'}"


def store_uri(text: str) -> str:
    """The URI of the tracking store that a user names: a URI as it is, an sqlite file by its path,
    a folder of records by the store in it, a folder of MLflow's own by its path.

    Raises:
        TempoError: for a text that is neither a URI nor such a path.
    """
    if _URI.match(text):
        _check_readable(text)
        return text
    path = Path(text).expanduser()
    if text and path.is_dir():
        inside = path.resolve() / "mlflow.db"
        return f"{_SQLITE}{inside}" if inside.is_file() else path.resolve().as_uri()
    if path.suffix in _DATABASES or path.is_file():
        return f"{_SQLITE}{path.resolve()}"
    raise TempoError(
        f"{text!r} is no MLflow store: a URI (http://HOST:PORT, postgresql://..., "
        "sqlite:///FILE), the path of an sqlite file (*.db), or a folder that exists"
    )


def _check_readable(uri: str) -> None:
    try:
        _ = urlsplit(uri).port
    except ValueError as error:
        raise TempoError(
            f"the address of the MLflow store {redacted(uri)!r} cannot be read: its host is "
            "HOST:PORT with a number as port, special characters in a password are "
            "percent-encoded, and brackets enclose an IPv6 address"
        ) from error


def sqlite_file(uri: str) -> Path | None:
    """Return the database file of an sqlite URI; None for any other store."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def artifact_location(uri: str, root: Path, study: str) -> str | None:
    """Return the folder of a study's artifacts: beside the records for a database used directly.

    A server (http) decides for itself: None.
    """
    if urlsplit(uri).scheme in {"http", "https"}:
        return None
    database = sqlite_file(uri)
    folder = database.resolve().parent if database else root.resolve()
    return (folder / "mlartifacts" / study).as_uri()


def store_key(uri: str) -> str:
    """Return a hash that names the store, whatever its password."""
    return short_hash(redacted(uri))
