"""Forward short local addresses, such as `http://127.0.0.1:5001/se_dilation`, to MLflow's pages.

An address of a view in MLflow is long and holds the number of an experiment. Here `/STUDY` leads to
the charts of a study, `/STUDY/table` to its runs, and `/` to what was asked for first.
"""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote, urlsplit

from tempo.core.errors import TempoError

HOST = "127.0.0.1"

PLAIN_HOST = "tempo.localhost"
"""A name of this machine under which MLflow's assistant, which covers a third of the window, does
not open by itself: it does so at `127.0.0.1` and `localhost`. Not every browser knows the name."""

ICON = "/favicon.ico"
"""What browsers ask for beside every page."""

Find = Callable[[str], str]
"""Return the address of a view, as its part after the host, for a path; raise TempoError."""

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>MLflow</title>
<body><p>MLflow opens at <a href="{plain}">{plain}</a>.</p>
<script>
const rest = {rest}, named = {named}, plain = {host};
fetch(named + "/health", {{mode: "no-cors"}})
  .then(() => location.replace(named + rest), () => location.replace(plain + rest));
</script></body></html>
"""


def host_settings(port: int) -> Mapping[str, str]:
    """Return the environment in which an MLflow server also answers to `PLAIN_HOST`, and locally
    alone."""
    names = ("localhost", HOST, PLAIN_HOST)
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(f"{name}:{port}" for name in names),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{name}:{port}" for name in names),
    }


@contextmanager
def forwarding(find: Find, target: int, port: int) -> Iterator[str]:
    """Answer at `port` of the loopback interface while the block runs; yield the short address.

    `target`: the port of the MLflow server.

    Raises:
        TempoError: when the port is taken.
    """
    try:
        server = ThreadingHTTPServer((HOST, port), _handler(find, target))
    except OSError as error:
        raise TempoError(
            f"port {port} of this machine cannot be used ({error.strerror}); "
            "choose another with --port, or leave --port out for a free one"
        ) from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="tempo-short-address", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(find: Find, target: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Sends one page, which leads on."""

        def do_GET(self) -> None:
            """Lead on to the view, or say why there is none."""
            path = unquote(urlsplit(self.path).path)
            if path == ICON:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", "")
                return
            try:
                rest = f"/{find(path)}"
            except TempoError as error:
                self._send(HTTPStatus.NOT_FOUND, "text/plain", f"{error}\n")
                return
            self._send(HTTPStatus.OK, "text/html", _page(rest, target))

        def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            # A browser that was sent on closes the connection of what it no longer wants.
            with suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            """Print nothing: requests are of no interest in a terminal."""

    return Handler


def _page(rest: str, target: int) -> str:
    plain = f"http://{HOST}:{target}"
    return _PAGE.format(
        plain=html.escape(plain + rest),
        rest=_script(rest),
        named=_script(f"http://{PLAIN_HOST}:{target}"),
        host=_script(plain),
    )


def _script(text: str) -> str:
    """Return a text as a string of a script that stands in a page."""
    return json.dumps(text).replace("<", "\\u003c")


def path_of(study: str) -> str:
    """Return a study's part of the short address."""
    return quote(study, safe="")
