"""How fast a ledger hands out runs and keeps them: claims and renewals per second.

    python benchmarks/ledger_claims.py                                  # SQLite
    python benchmarks/ledger_claims.py postgresql://user@host/database  # beside it
    python benchmarks/ledger_claims.py --start-postgres                 # a server of its own

Each of the processes works through all keys in an order of its own, so most claims meet a row that
another process holds, as they do when a study is shared. What is counted are answers, yes or no;
every key must be handed out exactly once. Renewals are those of a worker that holds one key.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from multiprocessing import get_context
from pathlib import Path

from tempo.ledger.open import open_ledger
from tempo.ledger.port import this_process

TTL = 600.0


def claim(url: str, root: Path, begin: float, keys: int, seed: int) -> tuple[float, float, int]:
    """Try to claim every key: seconds, the slowest answer in seconds, keys that were got."""
    ledger, me = open_ledger(url, root), this_process()
    order = [f"run-{n}" for n in range(keys)]
    random.Random(seed).shuffle(order)
    ledger.holds(["nothing"])
    time.sleep(max(begin - time.time(), 0))
    got, slowest, start = 0, 0.0, time.perf_counter()
    for key in order:
        asked = time.perf_counter()
        got += ledger.claim(key, me, TTL) is not None
        slowest = max(slowest, time.perf_counter() - asked)
    took = time.perf_counter() - start
    time.sleep(2)  # A dead owner's keys would be handed out again.
    return took, slowest, got


def renew(
    url: str, root: Path, begin: float, seconds: float, number: int
) -> tuple[int, list[float]]:
    """Renew one key again and again: how often, and the seconds each took."""
    ledger = open_ledger(url, root)
    token = ledger.claim(f"renewed-{number}", this_process(), TTL)
    assert token is not None
    took: list[float] = []
    time.sleep(max(begin - time.time(), 0))
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        asked = time.perf_counter()
        assert ledger.renew(f"renewed-{number}", token, TTL)
        took.append(time.perf_counter() - asked)
    return len(took), took


def measure(url: str, root: Path, processes: int, keys: int, seconds: float) -> None:
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.5] * processes))
        begin = time.time() + 1
        jobs = [pool.submit(claim, url, root, begin, keys, n) for n in range(processes)]
        claims = [job.result() for job in jobs]
        begin = time.time() + 1
        again = [pool.submit(renew, url, root, begin, seconds, n) for n in range(processes)]
        renewals = [job.result() for job in again]
    got = sum(each[2] for each in claims)
    if got != keys:
        raise SystemExit(f"{keys} keys were handed out {got} times: the ledger is broken")
    wall = max(each[0] for each in claims)
    every = sorted(one for _, took in renewals for one in took)
    print(
        f"{open_ledger(url, root).url.partition(':')[0]:<12}"
        f"{processes * keys / wall:>10,.0f} claims/s ({keys / wall:,.0f} of them won; slowest "
        f"{max(each[1] for each in claims) * 1e3:.0f} ms)"
        f"{sum(n for n, _ in renewals) / seconds:>10,.0f} renewals/s (median "
        f"{every[len(every) // 2] * 1e3:.2f} ms, 99.9% within "
        f"{every[int(len(every) * 0.999)] * 1e3:.0f} ms)"
    )


@contextmanager
def own_postgres() -> Iterator[str]:
    """A server on the loopback interface, with the settings it comes with."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs:
        raise SystemExit("PostgreSQL is not installed under /usr/lib/postgresql")
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="ledger-claims-"))
    if as_user:
        shutil.chown(folder, "postgres")

    def run(program: str, *words: str) -> None:
        command = [*as_user, str(programs[-1] / program), "-D", str(folder / "data"), *words]
        subprocess.run(command, check=True, capture_output=True, cwd="/")

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        run("initdb", "-U", "tempo", "-A", "trust")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder}"
        run("pg_ctl", "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql://tempo@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", help="a PostgreSQL database to measure")
    parser.add_argument("--start-postgres", action="store_true", help="start a server for it")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=5.0, help="of renewals")
    options = parser.parse_args()
    sizes = (options.processes, options.keys, options.seconds)
    print(f"{options.processes} processes, {options.keys} keys, {os.cpu_count()} CPUs")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        measure(f"sqlite:///{root / 'ledger.db'}", root, *sizes)
        with own_postgres() if options.start_postgres else nullcontext(options.url) as url:
            if url:
                measure(url, root, *sizes)


if __name__ == "__main__":
    main()
