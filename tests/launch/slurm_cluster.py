"""A private Slurm of two nodes on this host, on loopback, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol", "unshare")
NODES = ("node1", "node2")
GPUS = 4
PATIENCE = 30.0

SLURM_CONF = """
ClusterName=tempo
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmdPort={spare}
AuthType=auth/munge
AuthInfo=socket={root}/munge.sock
CryptoType=crypto/munge
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser=root
SlurmdUser=root
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/log/slurmctld.log
SlurmdLogFile={root}/log/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
JobRequeue=1
ReturnToService=2
SlurmdParameters=config_overrides
SlurmctldTimeout=10
SlurmdTimeout=10
InactiveLimit=0
KillWait=5
MinJobAge=300
Waittime=0
GresTypes=gpu
{nodes}
PartitionName=low Nodes=ALL Default=YES DefMemPerCPU=500 PriorityTier=1 PreemptMode=REQUEUE \
GraceTime={grace} State=UP
PartitionName=high Nodes=ALL DefMemPerCPU=500 PriorityTier=10 PreemptMode=OFF State=UP
"""

NODE = """NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=4 Boards=1 \
SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=8000 Gres=gpu:4 State=UNKNOWN"""


def lacking() -> str | None:
    """Why no cluster can be started here; None when one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} (apt-get install slurm-wlm munge)"
    if os.geteuid() != 0:
        return "a private Slurm is started by root only"
    return None


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass
class Cluster:
    """Its folder, and the processes that make it up, by name."""

    root: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> Mapping[str, str]:
        """What tells Slurm's commands which cluster is meant."""
        return {"SLURM_CONF": str(self.root / "slurm.conf")}

    def command(self, *argv: str) -> str:
        """The output of one of Slurm's commands."""
        done = subprocess.run(
            argv,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout

    def start_node(self, name: str) -> None:
        """A node in a PID namespace of its own: killing its first process kills all of it."""
        inside = f"slurmd -D -N {name} -f {self.root}/slurm.conf & wait"
        argv = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", inside]
        self._start(name, *argv)

    def kill_node(self, name: str) -> None:
        """The machine is gone, with everything that ran on it."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def rebuild(self) -> None:
        """The controller comes back without any memory of jobs, which slurmd's then end."""
        controller = self.processes.pop("slurmctld")
        controller.kill()
        controller.wait()
        self._start("slurmctld", "slurmctld", "-D", "-c", "-f", f"{self.root}/slurm.conf")
        self.wait_for_nodes("idle", *NODES)

    def signal_daemon(self, name: str, number: signal.Signals) -> None:
        """Signal a node's slurmd alone; its jobs go on."""
        # The daemon is the grandchild: unshare starts bash, which starts slurmd.
        shell = _children(self.processes[name].pid)[0]
        os.kill(_children(shell)[0], number)

    def wait_for_nodes(self, state: str, *names: str) -> None:
        wait_until(
            lambda: (
                {self.command("sinfo", "-h", "-n", n, "-o", "%T").split()[0] for n in names}
                == {state}
            ),
            f"{names} to be {state}",
        )

    def _start(self, name: str, *argv: str) -> None:
        with (self.root / "log" / f"{name}.out").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def start(self, grace: int) -> None:
        self._write_configuration(grace)
        key = self.root / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o600)
        names = ("socket", "key-file", "pid-file", "seed-file", "log-file")
        files = ("munge.sock", "munge.key", "munged.pid", "munge.seed", "log/munged.log")
        options = [f"--{name}={self.root / file}" for name, file in zip(names, files, strict=True)]
        self._start("munged", "munged", "--foreground", "--force", "--num-threads=2", *options)
        wait_until((self.root / "munge.sock").exists, "munged")
        self._start("slurmctld", "slurmctld", "-D", "-f", f"{self.root}/slurm.conf")
        for name in NODES:
            self.start_node(name)
        wait_until(self._up, "the nodes to be idle")

    def _up(self) -> bool:
        if dead := [name for name, each in self.processes.items() if each.poll() is not None]:
            raise AssertionError(
                f"{dead} ended: {(self.root / 'log' / f'{dead[0]}.out').read_text()}"
            )
        done = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%T"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return set(done.stdout.split()) == {"idle"}

    def _write_configuration(self, grace: int) -> None:
        for folder in ("state", "log", "gpu", *(f"spool.{name}" for name in NODES)):
            (self.root / folder).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        ctld, spare, *ports = free_ports(2 + len(NODES))
        nodes = "\n".join(
            NODE.format(name=name, host=host, port=port)
            for name, port in zip(NODES, ports, strict=True)
        )
        text = SLURM_CONF.format(
            host=host, ctld=ctld, spare=spare, root=self.root, nodes=nodes, grace=grace
        )
        (self.root / "slurm.conf").write_text(text)
        lines = []
        for name in NODES:
            # Slurm tells a job its GPUs only when they are device files: /dev/null's, here.
            for number in range(GPUS):
                path = self.root / "gpu" / f"{name}-{number}"
                os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
            lines.append(f"NodeName={name} Name=gpu File={self.root}/gpu/{name}-[0-{GPUS - 1}]")
        (self.root / "gres.conf").write_text("\n".join(lines) + "\n")

    def stop(self) -> None:
        """End the cluster's processes, and with the nodes everything that runs on them."""
        for name in (*NODES, "slurmctld", "munged"):
            process = self.processes.pop(name, None)
            if process is not None:
                process.kill()
                process.wait()


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition: object, what: str, seconds: float = PATIENCE) -> None:
    """Call `condition` until it holds."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain for {what}")


@contextlib.contextmanager
def running_cluster(root: Path, *, grace: int = 30) -> Iterator[Cluster]:
    """A cluster in the new folder `root`; partition `high` pre-empts `low` after `grace` s."""
    cluster = Cluster(root)
    try:
        cluster.start(grace)
        yield cluster
    finally:
        cluster.stop()
