"""A private Ray of a head and two nodes on this host, on loopback, for as long as tests need it."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from .slurm_cluster import wait_until

NODES = ("node1", "node2")
ADDRESSES = {"head": "127.0.0.1", "node1": "127.0.0.2", "node2": "127.0.0.3"}
CPUS, GPUS = 4, 2
GCS, DASHBOARD = 6379, 8265
URL = f"http://127.0.0.1:{DASHBOARD}"
PATIENCE = 240.0
TRIES = 3
RAY = "from ray.scripts.scripts import main; main()"
NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of unshare(2)."""
LIBC = ctypes.CDLL(None, use_errno=True)

SETTINGS = {
    # Nothing is reported to anybody.
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "disabled",
    # A node is missed after some seconds (a starved one is not), and leaves five after its head.
    "RAY_health_check_initial_delay_ms": "5000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "5",
    # On a starved machine Python takes long to begin.
    "RAY_raylet_start_wait_time_s": "60",
    "RAY_agent_register_timeout_ms": "240000",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "5",
}


def lacking() -> str | None:
    """Why no cluster can be started here; None when one can."""
    if importlib.util.find_spec("ray") is None:
        return "no ray (pip install -e '.[ray]')"
    missing = [
        name for name in ("unshare", "ip", "setsid", "setpriv") if shutil.which(name) is None
    ]
    if missing:
        return f"no {', '.join(missing)} (apt-get install util-linux iproute2)"
    if os.geteuid() != 0:
        return "a private Ray, which listens to all networks, is started by root only: in a network"
    probe = ["unshare", "--net", "ip", "link", "set", "lo", "up"]
    tried = subprocess.run(probe, check=False, capture_output=True, text=True)
    if tried.returncode:
        return f"no network of its own for a private Ray ({tried.stderr.strip()})"
    return None


class OwnNetwork:
    """A network with nothing but a loopback, which the calling thread enters and leaves.

    Ray listens on every network there is, and its ports are those of any other cluster here. What
    is tested beside it, such as a Slurm of this host, is reached from outside only.
    """

    def __init__(self) -> None:
        outside = _network()
        try:
            _checked(LIBC.unshare(NEW_NETWORK), "unshare")
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            self._inside = _network()
        finally:
            _enter(outside)
            os.close(outside)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Have this thread, and the processes it starts, see this network and no other."""
        outside = _network()
        _enter(self._inside)
        try:
            yield
        finally:
            _enter(outside)
            os.close(outside)

    def close(self) -> None:
        os.close(self._inside)


def _network() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _enter(network: int) -> None:
    _checked(LIBC.setns(network, NEW_NETWORK), "setns")


def _checked(failed: int, call: str) -> None:
    if failed:
        raise OSError(ctypes.get_errno(), call)


@dataclass
class RayCluster:
    """Its folder, and the processes that make it up, by name."""

    root: Path
    network: OwnNetwork
    settings: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        self.root.mkdir()
        self.start_head()
        for name in NODES:
            self.start_node(name)
        self.wait_for_nodes(len(NODES))

    def start_head(self) -> None:
        for left in reversed(range(TRIES)):
            ports = (f"--port={GCS}", f"--dashboard-port={DASHBOARD}", "--dashboard-host=127.0.0.1")
            self._start("head", "--head", *ports, f"--temp-dir={self.root}", "--num-cpus=0")
            wait_until(lambda: self._ended("head") or self._answers(), "Ray's head", PATIENCE)
            if not self._ended("head"):
                return
            # Its agents have 30 s to begin, which is little on a starved machine.
            assert left, self._log("head").read_text()[-3000:]

    def start_node(self, name: str) -> None:
        self._start(
            name,
            f"--address=127.0.0.1:{GCS}",
            f"--num-cpus={CPUS}",
            f"--num-gpus={GPUS}",
            f"--labels=tempo/name={name}",
        )

    def kill(self, name: str) -> None:
        """The machine is gone, with everything that ran on it."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def restart_head(self) -> None:
        """The head comes back on a new machine, without any memory; nodes leave and join again."""
        self.kill("head")
        self.start_head()
        for name in NODES:
            # A node that lost its head ends by itself, with what ran on it.
            process = self.processes.pop(name)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()
            self.start_node(name)
        self.wait_for_nodes(len(NODES))

    def wait_for_nodes(self, count: int) -> None:
        wait_until(lambda: self._joined(count), f"{count} nodes of Ray", PATIENCE)

    def _joined(self, count: int) -> bool:
        for name in [name for name in NODES if name in self.processes]:
            # On a starved machine a node gives up before it has joined.
            if self._ended(name):
                self.start_node(name)
        time.sleep(1)  # The head is busy enough.
        return len(self.alive()) == count

    def alive(self) -> list[str]:
        """The addresses of the nodes beside the head that Ray counts as alive."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            rows = self._nodes()
            beside = [row for row in rows if row["state"] == "ALIVE" and not row["is_head_node"]]
            return [row["node_ip"] for row in beside]
        return []

    def supervisor(self, text: str) -> psutil.Process:
        """The process of Ray's that started the job whose command holds `text`."""
        for process in psutil.process_iter(["cmdline"]):
            if text in " ".join(process.info["cmdline"] or []) and process.name() == "sh":
                parent = process.parent()
                if parent is not None and "JobSupervisor" in " ".join(parent.cmdline()):
                    return parent
        raise AssertionError(f"no job runs {text}")

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def _answers(self) -> bool:
        """Whether the head is up: it counts itself, and lists jobs."""
        time.sleep(0.5)
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            heads = [row for row in self._nodes() if row["is_head_node"]]
            with urllib.request.urlopen(f"{URL}/api/jobs/", timeout=30) as answer:
                return bool(answer.status == 200 and heads and heads[0]["state"] == "ALIVE")
        return False

    def _nodes(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"{URL}/api/v0/nodes", timeout=30) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]["result"]
        return found

    def _ended(self, name: str) -> bool:
        return self.processes[name].poll() is not None

    def _log(self, name: str) -> Path:
        return self.root.with_name(f"{self.root.name}-{name}.out")

    def _start(self, name: str, *options: str) -> None:
        # As on machines of their own, nodes see nothing of each other's files in Ray's folder.
        alone = f"mount -t tmpfs none {self.root} && exec" if name != "head" else "exec"
        command = ["bash", "-c", f'{alone} "$@"', "bash", sys.executable, "-c", RAY, "start"]
        command += [f"--node-ip-address={ADDRESSES[name]}", "--object-store-memory=80000000"]
        # For ports that are not given Ray waits, and on a busy machine it gives up.
        first = 21_000 + 10 * list(ADDRESSES).index(name)
        agents = ("dashboard-agent-grpc", "dashboard-agent-listen", "metrics-export",
                  "runtime-env-agent")  # fmt: skip
        command += [f"--{agent}-port={first + n}" for n, agent in enumerate(agents)]
        # A PID namespace of its own: killing its first process kills all of the machine.
        inside = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]
        outside = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TEMPO_"))}
        with self._log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*inside, *command, *options, "--block"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**outside, **SETTINGS, **self.settings},
            )


def freeze(process: psutil.Process) -> None:
    os.kill(process.pid, signal.SIGSTOP)


@contextlib.contextmanager
def running_ray(root: Path, **settings: str) -> Iterator[RayCluster]:
    """A cluster in the new folder `root`, reached from within `network.entered()` only."""
    with contextlib.closing(OwnNetwork()) as network:
        cluster = RayCluster(root, network, settings)
        try:
            with network.entered():
                cluster.start()
            yield cluster
        finally:
            cluster.stop()
