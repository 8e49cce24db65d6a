"""Addresses, several processes at once, and what is never shown."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.core.errors import LedgerError
from tempo.ledger.open import open_ledger
from tempo.ledger.port import is_dead
from tempo.ledger.sql import CHUNK

from .conftest import DEAD, FAR, ME, Opened

KEYS, PROCESSES = 100, 8


def tell(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_several_processes_claim_each_key_once(tmp_path: Path, postgres_url: str) -> None:
    """All begin with a ledger that does not exist yet."""
    folder = tmp_path / "new"
    urls = [f"sqlite:///{folder / 'ledger.db'}", postgres_url, "files"]
    script = str(Path(__file__).with_name("claimer.py"))
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(tmp_path), str(KEYS), *urls],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    tell(processes)
    answers = [json.loads(process.stdout.readline()) for process in processes if process.stdout]
    tell(processes)
    assert [process.wait(timeout=60) for process in processes] == [0] * PROCESSES
    for url in urls:
        counts = Counter(key for answer in answers for key in answer[url])
        assert counts == {f"key-{n}": 1 for n in range(KEYS)}
        assert {token for answer in answers for token in answer[url].values()} == {1}
    assert [path.name for path in folder.iterdir()] == ["ledger.db"]


def test_the_default_is_a_file_beside_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEMPO_LEDGER", raising=False)
    ledger = open_ledger(None, tmp_path)
    assert not list(tmp_path.iterdir())
    assert ledger.claim("k", ME, 60) == 1
    assert (tmp_path / "ledger.db").is_file() and ledger.url == f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("TEMPO_LEDGER", "files")
    assert open_ledger(None, tmp_path).url == "files"
    assert open_ledger(ledger.url, tmp_path).claim("k", FAR, 60) is None


def test_an_unknown_kind_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="'redis' is no kind of ledger: use sqlite:///PATH"):
        open_ledger("redis://host/0", tmp_path)


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    ledger = open_ledger("postgresql://ann:s3cr%65t@127.0.0.1:1/runs?sslmode=disable", tmp_path)
    assert ledger.url == "postgresql://ann@127.0.0.1:1/runs"
    with pytest.raises(LedgerError, match="cannot be used") as raised:
        ledger.holds(["k"])
    assert "s3cr" not in str(raised.value)
    with pytest.raises(LedgerError, match="cannot be read") as raised:
        open_ledger("postgresql://ann:s3cr%zzt@127.0.0.1/runs", tmp_path)
    assert "s3cr" not in str(raised.value)


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("something else, longer than a header of SQLite would be" * 10)
    with pytest.raises(LedgerError, match=rf"{path} cannot be used: .*not a database"):
        open_ledger(f"sqlite:///{path}", tmp_path).claim("k", ME, 60)


def test_one_ledger_serves_several_threads(opened: Opened) -> None:
    claimed: list[str] = []

    def work(number: int) -> None:
        owner, keys = replace(FAR, pid=number), [f"k{n}" for n in range(20)]
        claimed.extend(key for key in keys if opened.ledger.claim(key, owner, 600) is not None)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(f"k{n}" for n in range(20))


def test_many_rows_are_read_at_once(opened: Opened) -> None:
    keys = [f"k{n}" for n in range(CHUNK + 5)]
    tokens = {key: opened.ledger.claim(key, ME, 60) for key in keys}
    opened.ledger.claim("other", ME, 60)
    holds = opened.ledger.holds([*keys, "never claimed"])
    assert {key: hold.token for key, hold in holds.items()} == tokens
    assert {hold.owner for hold in holds.values()} == {ME}


def test_only_what_is_known_to_be_gone_is_dead() -> None:
    assert not is_dead(ME) and is_dead(DEAD)
    assert not is_dead(FAR)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert is_dead(replace(ME, pid=gone.pid))
    # Another pid namespace of this host counts its processes anew.
    assert not is_dead(replace(DEAD, space=ME.space + "0"))


def test_a_zombie_is_dead_and_a_frozen_process_is_not() -> None:
    script = (
        "import os, signal, sys, time\n"
        "from tempo.ledger.port import this_process\n"
        "print(this_process().started, flush=True)\n"
        "sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None and child.stdout is not None
    owner = replace(ME, pid=child.pid, started=float(child.stdout.readline()))
    child.send_signal(signal.SIGSTOP)
    assert not is_dead(owner)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_dead(owner)
    child.communicate()
