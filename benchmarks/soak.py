"""Disturb studies and a search in one folder of records at random, then compare their results.

    python benchmarks/soak.py --minutes 30
    python benchmarks/soak.py --minutes 5 --seed 7 --folder /tmp/soak

For some minutes, commands begin at random on one folder of records: studies, a search, `stop`,
`clean --yes`, `sync`, `compare`, `status` and `logs`; at the same time processes are killed or
frozen at random. Then every study is completed and carried out once more, undisturbed, in another
folder. The results have to be equal to the last bit. Findings, which end with exit code 1: a
traceback, a command that hangs, an exit code that a command must not have, a result that differs,
attempts of a run that overlap in time, a process left behind, a temporary file, shared memory or a
damaged record left behind, memory that grows.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import torch

from tempo.launch.scheduling.slot_table import default_path
from tempo.records.drafts import SETTLED
from tempo.records.layout import Store
from tempo.records.run_record import read_run

MARK = "TEMPO_SOAK"
"""Environment variable that all processes of a soak inherit."""

SHARED_MEMORY = Path("/dev/shm")

SHORT = 180.0
"""Seconds in which a command that trains nothing has to end, on a busy machine."""

LONG = 900.0
"""Seconds in which a command that trains has to end."""

GROWTH = 1.5
"""How much larger the commands of a kind may be in the last third of a soak than in the first."""

KILLS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

STUDY = """\
study: {name}
arch: {{base_channels: 4, blocks: [0, 0, 1, 1], decoder: {{kind: refined, refine: [0, 0, 1]}}}}
data: {{kind: procedural, size: [32, 32], motion: [0, 2], train_clips: 24, val_clips: 2,
  test_clips: 4}}
recipe: {{lr: 1e-3, warmup: 2, batch: 4, crop: 16, budget: {{steps: {steps}}}}}
evaluation: {{val_every: 20, gallery: 1}}
runtime: {{device: cpu, checkpoint_every: 10, log_every: 5, workers: {workers}}}
factors:
  se: {{path: arch.se, levels: {{on: squeeze_excite, off: none}}}}
design:
  - {{kind: factorial, factors: [se]}}
baseline: se=on
seeds: [{seeds}]
"""

SEARCH = """\
study: {name}
arch: {{base_channels: 4, blocks: [0, 0, 1, 1], decoder: {{kind: refined, refine: [0, 0, 1]}}}}
data: {{kind: procedural, size: [32, 32], motion: [0, 2], train_clips: 24, val_clips: 4,
  test_clips: 4}}
recipe: {{lr: 1e-3, warmup: 2, batch: 4, crop: 16, budget: {{steps: {steps}}}}}
evaluation: {{val_every: 10, gallery: 0}}
runtime: {{device: cpu, checkpoint_every: 10}}
factors:
  lr: {{path: recipe.lr, range: {{low: 1e-4, high: 1e-2, log: true}}}}
search: {{budget: {{trials: 4}}}}
seeds: [{seeds}]
"""


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="of disturbance")
    parser.add_argument("--steps", type=int, default=60, help="of each run")
    parser.add_argument("--together", type=int, default=4, help="commands at a time")
    parser.add_argument("--seed", type=int, default=0, help="of what happens when")
    parser.add_argument("--folder", type=Path, help="kept afterwards (default: a temporary one)")
    return parser.parse_args()


@dataclass(slots=True)
class Command:
    """A command that was begun; `disturbed` says that a signal was sent to one of its processes."""

    kind: str
    words: list[str]
    process: subprocess.Popen[bytes]
    log: Path
    began: float
    disturbed: bool = False
    largest: int = 0

    @property
    def limit(self) -> float:
        return LONG if self.kind in {"run", "search"} else SHORT

    def text(self) -> str:
        return self.log.read_text(errors="replace")


@dataclass(slots=True)
class Soak:
    """One folder of records, what is done to it, and what was found."""

    folder: Path
    steps: int
    moments: random.Random
    specs: list[Path] = field(default_factory=list)
    searches: list[Path] = field(default_factory=list)
    alive: list[Command] = field(default_factory=list)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    sizes: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    signals: Counter[str] = field(default_factory=Counter)
    finds: list[str] = field(default_factory=list)
    count: int = 0

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            MARK: self.folder.name,
            "TMPDIR": str(self.folder / "tmp"),
            "OMP_NUM_THREADS": "1",
            # What torch and matplotlib keep for later is no temporary file of Tempo's.
            "TORCHINDUCTOR_CACHE_DIR": str(self.folder / "inductor"),
            "MPLCONFIGDIR": str(self.folder / "matplotlib"),
        }

    def add_study(self) -> Path:
        """Write the spec of a study, with seeds of its own."""
        number = len(self.specs) + len(self.searches)
        name = f"soak-{number}"
        path = self.folder / f"{name}.yaml"
        seeds = f"{3 * number}, {3 * number + 1}"
        workers = self.moments.choice([0, 0, 1])
        path.write_text(STUDY.format(name=name, steps=self.steps, seeds=seeds, workers=workers))
        self.specs.append(path)
        return path

    def first_seed(self, study: str) -> int:
        return 3 * int(study.rpartition("-")[2])

    def add_search(self) -> Path:
        """Write the spec of a search."""
        number = len(self.specs) + len(self.searches)
        path = self.folder / f"soak-{number}.yaml"
        path.write_text(SEARCH.format(name=path.stem, steps=self.steps // 2, seeds=3 * number))
        self.searches.append(path)
        return path

    def begin(self, kind: str, words: list[str], records: Path | None = None) -> Command:
        """Begin a `tempo` command on the folder of records."""
        self.count += 1
        log = self.folder / "logs" / f"{self.count:05d}-{kind}.log"
        whole = [*words, "--records", str(records or self.folder / "records")]
        if kind in {"run", "search", "clean"}:
            whole += ["--cache", str(self.folder / "cache")]
        if kind in {"run", "search", "clean", "compare"}:
            reports = self.folder / ("reports" if records is None else f"{records.name}-reports")
            whole += ["--reports", str(reports)]
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "tempo.cli.main", *whole],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.environment(),
                start_new_session=True,
            )
        command = Command(kind, whole, process, log, time.monotonic())
        self.alive.append(command)
        return command

    def begin_one(self) -> None:
        """Begin a command that was drawn at random."""
        training = sum(each.kind in {"run", "search"} for each in self.alive)
        kinds = ["status", "logs", "compare", "sync", "clean", "stop", "stop"]
        if training < 3:
            kinds += ["run"] * 8 + ["search"] * 3
        kind = self.moments.choice(kinds)
        recent = self.specs[-3:]
        study = self.moments.choice(recent).stem
        if kind == "run":
            words = ["run", str(self.moments.choice(recent))]
            words += ["--slots", str(self.moments.choice([1, 2]))]
        elif kind == "search":
            words = ["run", str(self.moments.choice(self.searches[-2:])), "--slots", "2"]
        elif kind == "clean":
            only = self.moments.choice([[], ["--only", "caches"], ["--only", "logs"]])
            words = ["clean", "--yes", *only]
        elif kind == "logs":
            level = self.moments.choice(["on", "off"])
            words = ["logs", f"{study}/se={level} s{self.first_seed(study)}"]
        else:
            words = [kind, study]
        self.begin(kind, words)

    def disturb(self) -> None:
        """Send a signal to one process of a command that trains."""
        training = [each for each in self.alive if each.kind in {"run", "search"}]
        if not training:
            return
        command = self.moments.choice(training)
        try:
            parent = psutil.Process(command.process.pid)
            family = [parent, *parent.children(recursive=True)]
            chosen = self.moments.choice(family)
            if self.moments.random() < 0.25:
                chosen.suspend()
                time.sleep(self.moments.uniform(0.1, 3.0))
                chosen.resume()
                self.signals["SIGSTOP, SIGCONT"] += 1
                return
            number = self.moments.choice(KILLS)
            chosen.send_signal(number)
        except psutil.NoSuchProcess:
            return
        command.disturbed = True
        self.signals[number.name] += 1

    def collect(self) -> None:
        """Take what ended out of the list, and judge how."""
        for command in list(self.alive):
            age = time.monotonic() - command.began
            if command.process.poll() is None:
                command.largest = max(command.largest, memory(command.process.pid))
                if age > command.limit:
                    self.find(command, f"has not ended after {age:.0f} s")
                    command.process.kill()
                    command.process.wait()
                    self.alive.remove(command)
                continue
            self.alive.remove(command)
            self.judge(command)

    def judge(self, command: Command) -> None:
        code = command.process.returncode
        self.ended[command.kind, str(code)] += 1
        if command.largest and code == 0:
            self.sizes[command.kind].append(command.largest)
        # `logs` shows what workers printed, in which Python's own processes complain of kills.
        own = command.kind != "logs" or f"{os.sep}tempo{os.sep}cli{os.sep}" in command.text()
        if own and "Traceback (most recent call last)" in command.text():
            self.find(command, "printed a traceback")
        # 0 done, 1 a run failed, 2 a sentence says why not, 130 stopped; a signal if one was sent.
        allowed = {0, 2, 130} | ({1} if command.kind in {"run", "search"} else set())
        if code not in allowed and not (command.disturbed and (code < 0 or code > 128)):
            self.find(command, f"ended with exit code {code}")
        if code == 2 and not command.text().strip():
            self.find(command, "was refused without a word")

    def find(self, command: Command, what: str) -> None:
        text = f"tempo {' '.join(command.words)} {what} ({command.log})"
        self.finds.append(text)
        print(f"FOUND: {text}", flush=True)

    def wait(self) -> None:
        while self.alive:
            self.collect()
            time.sleep(0.2)

    def complete(self, records: Path | None = None) -> None:
        """Carry every study and search out to its end, one after the other."""
        for spec in [*self.specs, *self.searches]:
            command = self.begin("run", ["run", str(spec), "--slots", "2"], records)
            self.wait()
            if command.process.returncode != 0:
                self.find(command, f"did not complete ({command.process.returncode})")


def memory(pid: int) -> int:
    """The resident memory of a process, in bytes; 0 when it has ended."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def family_of(mark: str) -> Iterator[psutil.Process]:
    """The processes that a soak began and that have not ended."""
    for each in psutil.process_iter():
        try:
            if each.environ().get(MARK) == mark and each.status() != psutil.STATUS_ZOMBIE:
                yield each
        except psutil.Error:
            continue


def results(records: Path, studies: list[Path]) -> dict[str, Any]:
    """What two executions of one study have to share, by run and name."""
    store, out = Store(records), {}
    for spec in studies:
        for run in store.load_plan(spec.stem).distinct_runs:
            record = read_run(store.run_dir(run.run_id))
            assert record.test is not None, run.run_id
            out[f"{run.run_id} test"] = dict(record.test.values)
            out[f"{run.run_id} clips"] = record.test.table_sha256
            for path in record.folder.glob("checkpoints/step-*.pt"):
                step = path.name.split("-")[1]
                key = f"{run.run_id} weights {step}"
                out[key] = torch.load(path, weights_only=True)["trainer"]
            trained = {each.step: each.values["loss"] for each in record.train}
            out[f"{run.run_id} losses"] = trained
    return out


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return bool(one == other)


def overlaps(records: Path) -> Iterator[str]:
    """Runs of which two attempts wrote at the same time."""
    for folder in sorted((records / "runs").iterdir()):
        for one, other in pairwise(read_run(folder).attempts):
            if one.ended > other.started:
                yield f"{folder.name}: attempt {one.number} wrote after {other.number} began"


def leftovers(soak: Soak, before: set[str]) -> Iterator[str]:
    """Processes, files and shared memory that should be gone."""
    for each in family_of(soak.folder.name):
        yield f"process {each.pid} is left: {' '.join(each.cmdline())[:120]}"
    after = {each.name for each in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()
    for name in sorted(after - before):
        yield f"shared memory is left: {SHARED_MEMORY / name}"
    for root in ("records", "cache", "reports"):
        for path in (soak.folder / root).rglob("*"):
            if path.suffix == ".tmp" or ".tmp-" in path.name:
                yield f"a temporary file is left: {path.relative_to(soak.folder)}"
    # Python keeps the sockets of its fork servers there; only an end by SIGKILL leaves them.
    tmp = soak.folder / "tmp"
    of_python = [*tmp.glob("pymp-*")]
    # The next mirror removes those of a study and a mirror that were both killed.
    print(f"  {len([*tmp.glob('tempo-mirror-*')])} folders of mirrors killed with their studies")
    of_python += tmp.glob("tempo-mirror-*")
    print(f"  {len(of_python)} folders of sockets that Python left in processes killed by SIGKILL")
    # The list of slots that all studies of a user share on this machine.
    slots = default_path()
    shared = [] if slots is None else [soak.folder / "tmp" / slots.parent.name]
    for path in {*(soak.folder / "tmp").iterdir()} - {*of_python, *shared}:
        yield f"a temporary file is left: {path.relative_to(soak.folder)}"


def growth(soak: Soak) -> Iterator[str]:
    for kind, sizes in sorted(soak.sizes.items()):
        third = len(sizes) // 3
        if third < 3:
            continue
        first, last = max(sizes[:third]), max(sizes[-third:])
        print(f"  {kind}: largest {first >> 20} MiB in the first third, {last >> 20} in the last")
        if last > GROWTH * first:
            yield f"tempo {kind} grew from {first >> 20} to {last >> 20} MiB"


def unread(soak: Soak) -> Iterator[str]:
    """Records that commands leave out because they cannot read them."""
    for spec in soak.specs:
        command = soak.begin("compare", ["compare", spec.stem])
        soak.wait()
        for line in command.text().splitlines():
            if "cannot be read" in line or "left out" in line or "damaged" in line:
                yield f"compare {spec.stem}: {line.strip()}"


def disturb(soak: Soak, minutes: float, together: int) -> None:
    end = time.monotonic() + 60 * minutes
    told = time.monotonic()
    while time.monotonic() < end:
        if len(soak.alive) < together:
            soak.begin_one()
        if soak.moments.random() < 0.12:
            soak.disturb()
        if soak.moments.random() < 0.004:
            soak.add_study()
        if soak.moments.random() < 0.001:
            soak.add_search()
        soak.collect()
        time.sleep(soak.moments.uniform(0.1, 1.0))
        if time.monotonic() - told > 60:
            told = time.monotonic()
            left = (end - told) / 60
            print(
                f"{left:.0f} min left: {soak.count} commands, "
                f"{soak.signals.total()} signals, "
                f"{len(soak.specs)} studies, {len(soak.finds)} finds",
                flush=True,
            )


def report(soak: Soak) -> None:
    by_kind: dict[str, list[str]] = defaultdict(list)
    for (kind, code), count in sorted(soak.ended.items()):
        by_kind[kind].append(f"{count} x {code}")
    for kind, codes in by_kind.items():
        print(f"  tempo {kind}: {', '.join(codes)}")
    print("  signals:", ", ".join(f"{n} {name}" for name, n in soak.signals.most_common()))


def main() -> int:
    chosen = options()
    folder = chosen.folder or Path(tempfile.mkdtemp(prefix="soak-"))
    folder = folder.resolve() / uuid.uuid4().hex[:8]
    for name in ("logs", "tmp", "records", "reports", "cache"):
        (folder / name).mkdir(parents=True)
    before = {each.name for each in SHARED_MEMORY.iterdir()} if SHARED_MEMORY.is_dir() else set()
    soak = Soak(folder, chosen.steps, random.Random(chosen.seed))
    soak.add_study()
    soak.add_study()
    soak.add_search()
    print(f"soak in {folder}, seed {chosen.seed}", flush=True)
    try:
        disturb(soak, chosen.minutes, chosen.together)
        soak.wait()
        print("completing every study", flush=True)
        soak.complete()
        print("carrying them out undisturbed", flush=True)
        soak.complete(folder / "undisturbed")
    finally:
        for command in soak.alive:
            command.process.kill()
    print(f"{soak.count} commands")
    report(soak)
    mine = results(folder / "records", soak.specs)
    theirs = results(folder / "undisturbed", soak.specs)
    # `tempo clean` takes checkpoints away, on which nothing depends.
    both = [key for key in sorted(mine) if "weights" not in key or key in theirs]
    unequal = [key for key in both if not equal(mine[key], theirs.get(key))]
    weights = sum("weights" in key for key in both)
    print(f"  {len(both)} results compared, {weights} of them weights, {len(unequal)} differ")
    soak.finds += [f"differs: {key}" for key in unequal]
    # What a kill left half-written goes with the next `clean`, once that is sure.
    time.sleep(SETTLED + 1)
    soak.begin("clean", ["clean", "--yes", "--only", "drafts"])
    soak.wait()
    soak.finds += overlaps(folder / "records")
    soak.finds += unread(soak)
    soak.finds += growth(soak)
    soak.finds += leftovers(soak, before)
    for each in soak.finds:
        print(f"FOUND: {each}")
    print(f"{len(soak.finds)} finds")
    if not soak.finds and chosen.folder is None:
        shutil.rmtree(folder.parent)
    return 1 if soak.finds else 0


if __name__ == "__main__":
    sys.exit(main())
