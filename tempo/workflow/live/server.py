"""Serve a page to this machine alone: read-only, under an address that holds a secret word.

Whoever has an account on the machine can reach its loopback interface, so an address without the
word is refused; and so is a name that is not this machine's, because a page of the web can have a
name of its own lead here.
"""

from __future__ import annotations

import hmac
import json
import secrets
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tempo.core.errors import TempoError
from tempo.workflow.live.page_source import PageSource

HOST = "127.0.0.1"
NAMES = (HOST, "localhost")

PATIENCE = 30.0
"""Seconds that a client may take to send a request or to take an answer."""

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".tex": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".svg": "image/svg+xml",
}
"""Files of a report, by how their names end; no other is served."""

_PAGE = (
    "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; "
)
_FILE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
_ALWAYS = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

REFUSED = "This address lacks the word that `tempo watch` printed with it.\n"


class PageServer:
    """Serves the page of a source until it is closed.

    Args:
        port: of the loopback interface; None: a free one.

    Raises:
        TempoError: when the port cannot be used.
    """

    def __init__(self, source: PageSource, port: int | None = None) -> None:
        if port is not None and not 1024 <= port <= 65535:
            raise TempoError(f"port {port} cannot be used: choose one from 1024 to 65535")
        self._token = secrets.token_urlsafe(24)
        try:
            self._server = _Server((HOST, port or 0), _handler(source, self._token))
        except OSError as error:
            raise TempoError(
                f"port {port} of this machine cannot be used ({error.strerror}); choose another "
                "one, or leave the port out for a free one"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="tempo-watch",
            daemon=True,
        )
        self._thread.start()

    @property
    def address(self) -> str:
        """The address of the page, which holds the secret word."""
        return f"http://{HOST}:{self._server.server_address[1]}/{self._token}/"

    def close(self) -> None:
        """End the server; a second time does nothing."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Who closes the page does not wait for a browser that still holds a connection.
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that went away."""


def _handler(source: PageSource, token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers requests to read; every other is refused."""

        server_version, sys_version = "Tempo", ""
        timeout = PATIENCE

        def do_GET(self) -> None:
            """Send the page, its version, or a file of the report."""
            if not self._is_of_this_machine():
                self._say(HTTPStatus.FORBIDDEN, "This page is for this machine alone.\n")
                return
            given, slash, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
            if not hmac.compare_digest(given.encode(), token.encode()):
                self._say(HTTPStatus.FORBIDDEN, REFUSED)
                return
            self._answer(unquote(rest) if slash else None)

        do_HEAD = do_GET  # noqa: N815 (named by the protocol)

        def _answer(self, rest: str | None) -> None:
            if rest is None:
                self._lead(f"/{token}/")
            elif rest == "":
                self._send(HTTPStatus.OK, KINDS[".html"], source.page(), _PAGE)
            elif rest == "state":
                said = json.dumps({"version": source.version()}).encode()
                self._send(HTTPStatus.OK, "application/json", said, _FILE)
            elif rest == "report":
                self._lead("report/")
            elif rest.startswith("report/"):
                self._send_file(rest.removeprefix("report/") or "index.html")
            else:
                self._say(HTTPStatus.NOT_FOUND, "There is no such page.\n")

        def _send_file(self, name: str) -> None:
            path = file_of_report(source.report, name)
            if path is None:
                self._say(HTTPStatus.NOT_FOUND, "The report has no such file.\n")
                return
            rules = _PAGE if path.suffix == ".html" else _FILE
            self._send(HTTPStatus.OK, KINDS[path.suffix], path.read_bytes(), rules)

        def _is_of_this_machine(self) -> bool:
            name, _, port = (self.headers.get("Host") or "").partition(":")
            own = self.server.server_address[1]  # type: ignore[index]
            return name in NAMES and port == str(own)

        def _lead(self, where: str) -> None:
            self.send_response(HTTPStatus.PERMANENT_REDIRECT)
            self.send_header("Location", where)
            self._finish(b"", _FILE)

        def _say(self, status: HTTPStatus, text: str) -> None:
            self._send(status, "text/plain; charset=utf-8", text.encode(), _FILE)

        def _send(self, status: HTTPStatus, kind: str, body: bytes, rules: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self._finish(body, rules)

        def _finish(self, body: bytes, rules: str) -> None:
            for name, value in _HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Security-Policy", rules + _ALWAYS)
            self.send_header("Content-Length", str(len(body)))
            # A browser that was sent on closes the connection of what it no longer wants.
            with suppress(OSError):
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

        def _refuse(self) -> None:
            self._say(HTTPStatus.METHOD_NOT_ALLOWED, "This page can only be read.\n")

        do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815 (as above)

        def log_message(self, format: str, *arguments: object) -> None:
            """Print nothing: requests are of no interest in a terminal."""

    return Handler


def file_of_report(folder: Path, name: str) -> Path | None:
    """Return a file of a report by its path in the folder; None where that is none, or leads out of
    the folder."""
    parts = Path(name).parts
    if "\0" in name or "\\" in name or ".." in parts or Path(name).is_absolute():
        return None
    path = folder / name
    if path.suffix not in KINDS or not path.is_file():
        return None
    inside = path.resolve().is_relative_to(folder.resolve())
    return path if inside else None
