"""Build the torchrun command of a run on several processes, without importing torch."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass

RENDEZVOUS = "TEMPO_RENDEZVOUS"
"""Environment variable with `host:port` of the first machine, set where a cluster chose it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processes:
    """How a run is spread: `per_node` processes on each of `nodes` machines, one per GPU. With more
    than one machine the command is started on each, and they meet at `rendezvous` (`host:port`).
    """

    per_node: int
    nodes: int = 1
    rendezvous: str | None = None

    @property
    def world(self) -> int:
        """Processes in all."""
        return self.per_node * self.nodes


def default_rendezvous() -> str | None:
    return os.environ.get(RENDEZVOUS)


def launch_command(processes: Processes, target: Sequence[str]) -> list[str]:
    """Return the torchrun command that runs `target` (`-m module` or a script, with arguments)."""
    meeting = (
        ["--standalone", "--local-addr=127.0.0.1"]
        if processes.nodes == 1
        else ["--rdzv-backend=c10d", f"--rdzv-endpoint={processes.rendezvous}"]
    )
    return [
        sys.executable,
        "-m",
        "torch.distributed.run",
        f"--nnodes={processes.nodes}",
        f"--nproc-per-node={processes.per_node}",
        *meeting,
        "--max-restarts=0",
        "--monitor-interval=0.2",
        *target,
    ]


def launch_environment(processes: Processes, threads: int) -> dict[str, str]:
    """Return the variables that the command needs beside the caller's environment."""
    environment = {
        "OMP_NUM_THREADS": str(threads),
        "TORCH_CPP_LOG_LEVEL": "ERROR",
        "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1,SIGUSR2",
    }
    if processes.nodes == 1:
        environment["GLOO_SOCKET_IFNAME"] = "lo"
    return environment
