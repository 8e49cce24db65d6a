"""A webhook on loopback that answers as a script says, also not at all, slowly or with lies."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """What the server received, and what it answers next; the last answer stays."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.answers: list[str | int] = [200]
        self.came = threading.Condition()
        self.released = threading.Event()
        self.url = ""

    def said(self) -> list[dict[str, Any]]:
        return [json.loads(each) for each in self.bodies]

    def next(self) -> str | int:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def wait_for(self, count: int, seconds: float = 60.0) -> None:
        with self.came:
            assert self.came.wait_for(lambda: len(self.bodies) >= count, seconds), self.bodies


@contextmanager
def hook() -> Iterator[Hook]:
    """A server on a free port of loopback, ended at the end of the block."""
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            raise AssertionError("a notice is posted, not fetched")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = made.next()
            with made.came:
                made.bodies.append(body)
                made.came.notify_all()
            if answer == "hang":
                made.released.wait(60)
            elif answer == "garbage":
                self.wfile.write(b"this is no HTTP at all\x00\xff\n\n")
            elif answer == "cut":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok")
            elif answer == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                while not made.released.wait(0.05):
                    try:
                        self.wfile.write(b"X-More: x\r\n")
                    except OSError:
                        return
            elif answer == "ok":
                self._answer(200, b"ok")
            elif answer == "login page":
                self._answer(200, b"<html>log in first</html>")
            else:
                self._answer(int(answer), b"{broken")

        def _answer(self, code: int, content: bytes) -> None:
            self.send_response(code)
            if 300 <= code < 400:
                self.send_header("Location", f"{made.url}/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
