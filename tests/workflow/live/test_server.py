"""Who gets the page and who does not: the secret word, names, methods, files, and a clean end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from tempo.core.errors import TempoError
from tempo.workflow.live.server import PATIENCE, REFUSED, PageServer, file_of_report

from .conftest import ask


class Source:
    """Stands for the source of pages."""

    def __init__(self, report: Path) -> None:
        self.report, self.given = report, 0

    def page(self) -> bytes:
        self.given += 1
        return b"<p>page</p>"

    def version(self) -> str:
        return "v1"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    report = tmp_path / "reports" / "one"
    (report / "figures").mkdir(parents=True)
    (report / "index.html").write_text("the report")
    (report / "figures" / "a.svg").write_text("<svg/>")
    (report / "secret.json").write_text("{}")
    (tmp_path / "reports" / "other.html").write_text("another report")
    return Source(report)


@pytest.fixture
def server(source: Source) -> Iterator[PageServer]:
    server = PageServer(source)  # type: ignore[arg-type]
    yield server
    server.close()


def test_the_whole_address_gets_page_state_and_report(server: PageServer) -> None:
    page = ask(server.address)
    assert (page.code, page.text) == (200, "<p>page</p>")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert ask(f"{server.address}state").text == '{"version": "v1"}'
    assert ask(f"{server.address}report/").text == "the report"
    assert ask(f"{server.address}report/index.html").text == "the report"
    drawn = ask(f"{server.address}report/figures/a.svg")
    assert (drawn.text, drawn.headers["Content-Type"]) == ("<svg/>", "image/svg+xml")
    assert "script-src" not in drawn.headers["Content-Security-Policy"]
    for short in (server.address[:-1], f"{server.address}report"):
        led = ask(short)
        assert led.code == 308 and led.headers["Location"].endswith("/")


def test_without_the_word_nothing_is_shown(server: PageServer, source: Source) -> None:
    parts = urlsplit(server.address)
    root = f"http://{parts.netloc}"
    token = parts.path.strip("/")
    assert len(token) >= 32
    wrong = [
        "/",
        "",
        "/state",
        "/report/",
        f"/{token[:-1]}/",
        f"/{token}x/",
        f"/{token.swapcase()}/",
        f"/x/../{token}/",
        f"/?token={token}",
        "/%00/",
        "/%C3%BC/",
    ]
    for path in wrong:
        reply = ask(root + path)
        assert (reply.code, reply.text) == (403, REFUSED), path
        assert token not in str(reply.headers)
    assert source.given == 0
    other = PageServer(source)  # type: ignore[arg-type]
    assert urlsplit(other.address).path != parts.path
    other.close()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "[::1]:{port}"]
)
def test_a_foreign_name_that_leads_here_is_refused(
    server: PageServer, source: Source, host: str
) -> None:
    port = urlsplit(server.address).port
    reply = ask(server.address, Host=host.format(port=port))
    assert reply.code == 403 and "this machine alone" in reply.text and source.given == 0
    assert ask(server.address, Host=f"localhost:{port}").code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_it_can_only_be_read(server: PageServer, source: Source, method: str) -> None:
    assert ask(server.address, method).code == 405
    assert source.given == 0
    head = ask(server.address, "HEAD")
    assert head.code == 200 and head.text == "" and head.headers["Content-Length"] == "11"


def test_every_answer_forbids_to_load_keep_frame_or_tell(server: PageServer) -> None:
    for address in (server.address, f"{server.address}state", f"{server.address}no", "x"):
        reply = ask(server.address[:-1] if address == "x" else address)
        rules = reply.headers["Content-Security-Policy"]
        assert rules.startswith("default-src 'none'") and "frame-ancestors 'none'" in rules
        assert "http:" not in rules and "*" not in rules
        assert reply.headers["Cache-Control"] == "no-store"
        assert reply.headers["Referrer-Policy"] == "no-referrer"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert "Python" not in str(reply.headers)


@pytest.mark.parametrize(
    "name",
    [
        "../other.html",
        "%2e%2e/other.html",
        "..%2fother.html",
        "figures/../../other.html",
        "..\\other.html",
        "/etc/hostname.html",
        "%2Fetc%2Fhostname.html",
        "secret.json",
        "figures",
        "figures/",
        "gone.html",
        "a%00.html",
        "link.html",
    ],
)
def test_files_beside_the_report_are_not_served(
    server: PageServer, source: Source, name: str
) -> None:
    (source.report / "link.html").symlink_to(source.report.parent / "other.html")
    reply = ask(f"{server.address}report/{name}")
    assert reply.code == 404 and "another" not in reply.text
    assert file_of_report(source.report, "index.html") == source.report / "index.html"


def test_only_the_loopback_interface_listens(server: PageServer) -> None:
    port = urlsplit(server.address).port
    listening = [
        each.laddr.ip
        for each in psutil.Process().net_connections("inet")
        if each.status == psutil.CONN_LISTEN and each.laddr.port == port
    ]
    assert listening == ["127.0.0.1"]


def test_the_port_can_be_chosen_and_a_taken_one_is_said(server: PageServer, source: Source) -> None:
    port = urlsplit(server.address).port
    with pytest.raises(TempoError, match=f"port {port} of this machine cannot be used"):
        PageServer(source, port)  # type: ignore[arg-type]
    for bad in (0, 80, 65536):
        with pytest.raises(TempoError, match="from 1024 to 65535"):
            PageServer(source, bad)  # type: ignore[arg-type]


def test_it_ends_at_once_and_twice_though_a_client_hangs(source: Source) -> None:
    server = PageServer(source)  # type: ignore[arg-type]
    parts = urlsplit(server.address)
    assert PATIENCE <= 60
    before = {each.name for each in threading.enumerate()}
    assert "tempo-watch" in before
    # One client that never sends its request, and one that never reads its answer.
    with (
        socket.create_connection((parts.hostname, parts.port)),
        socket.create_connection((parts.hostname, parts.port)) as silent,
    ):
        silent.sendall(f"GET {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\n\r\n".encode())
        assert ask(server.address).code == 200
        server.close()
        server.close()
    assert "tempo-watch" not in {each.name for each in threading.enumerate()}
    with pytest.raises(OSError):
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
