"""Measure Tempo on a GPU that is lent for a while, and carry out experiments/gpu_half_hour.yaml.

    TEMPO_CLIPS=my/videos python benchmarks/gpu_half_hour.py --minutes 25
    TEMPO_CLIPS=my/videos python benchmarks/gpu_half_hour.py --rehearse      on a CPU, minutes

Parts run in order: a training step with fused and plain kernels, the engine's overhead, memory and
time by size, and the study. All they print and record lies in one folder (--folder). A part that
ended well is not run again; the study goes on from its checkpoints. So the folder can be carried
from one loan of a GPU to the next: start the same command there until it says that all is done.
When the time is over the current part is asked to stop, which keeps what the study has done.
Exit code: 0 all done, 85 something is left, 1 a part failed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
LEFT = 85
"""Exit code of what was stopped and can go on, as that of a run."""
GRACE = 60
"""Seconds that a part has to stop by itself."""


@dataclass(frozen=True)
class Part:
    """A command, and whether Triton runs its kernels in Python, for want of a GPU."""

    name: str
    command: tuple[str, ...]
    interprets: bool = False


def parts(folder: Path, *, rehearse: bool) -> list[Part]:
    """The parts in order, at the size of the device."""
    run = (sys.executable, "run_experiment.py")
    places = ("--records", str(folder / "records"), "--reports", str(folder / "reports"))
    places += ("--cache", str(folder / "cache"))
    if rehearse:
        step = ("--batch", "1", "--size", "8", "--widths", "8", "8", "8", "8", "--blocks", "3")
        step += ("--rounds", "1", "--steps", "1", "--norms", "group", "--compile", "none")
        engine = ("--steps", "2", "--rounds", "2")
        memory, profile = "smoke", ("--profile", "rehearsal")
    else:
        step = ("--device", "cuda", "--batch", "32", "--size", "256", "--precision", "bf16")
        step += ("--widths", "64", "96", "128", "160", "--norms", "group", "none")
        step += ("--rounds", "3", "--steps", "3")
        engine = ("--device", "cuda", "--base", "64", "--batch", "16", "--crop", "256")
        engine += ("--precision", "bf16", "--rounds", "5")
        memory, profile = "half_hour", ()
    python = sys.executable
    return [
        Part("model_step", (python, "benchmarks/model_step.py", *step), interprets=rehearse),
        Part("engine_overhead", (python, "benchmarks/engine_overhead.py", *engine)),
        Part(
            "memory_speed",
            (*run, "experiments/memory_speed.yaml", "--price", "--profile", memory, *places),
        ),
        Part("study", (*run, "experiments/gpu_half_hour.yaml", *profile, *places)),
    ]


class Session:
    """The time there is, and the part that runs in it."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.until = folder, time.monotonic() + seconds
        self.child: subprocess.Popen[str] | None = None
        self.stopped = False
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)

    def left(self) -> float:
        """Seconds that are left."""
        return self.until - time.monotonic()

    def run(self, part: Part) -> int:
        """Run a part into `<name>.txt`; return its exit code, `LEFT` where it was stopped."""
        kept, done = self.folder / f"{part.name}.txt", self.folder / f"{part.name}.json"
        begun = time.monotonic()
        with kept.open("w", encoding="utf-8") as out:
            out.write(f"$ {' '.join(part.command)}\n\n")
            out.flush()
            self.child = subprocess.Popen(
                part.command,
                cwd=ROOT,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=_environment(part),
            )
            code = self._wait(self.child)
        facts = {"command": part.command, "code": code, "seconds": time.monotonic() - begun}
        draft = done.with_suffix(".draft")
        draft.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
        draft.replace(done)
        return code

    def _wait(self, child: subprocess.Popen[str]) -> int:
        while child.poll() is None:
            if self.left() < 0:
                self.stopped = True
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(GRACE)
                except subprocess.TimeoutExpired:
                    child.kill()
            try:
                child.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        return LEFT if self.stopped else child.returncode


def _environment(part: Part) -> dict[str, str]:
    """Return the environment of a part: this Tempo and its benchmarks, no output held back."""
    own = (str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH"))
    path = os.pathsep.join(filter(None, own))
    more = {"TRITON_INTERPRET": "1"} if part.interprets else {}
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **more}


def is_done(folder: Path, part: Part) -> bool:
    """Whether the same command ended well before."""
    try:
        facts = json.loads((folder / f"{part.name}.json").read_text(encoding="utf-8"))
        return bool(facts["code"] == 0 and tuple(facts["command"][1:]) == part.command[1:])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0],
        epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=25.0, help="time there is; 25 by default")
    parser.add_argument("--folder", type=Path, default="gpu_half_hour", help="for all results")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, at sizes of seconds")
    parser.add_argument("--only", nargs="+", help="names of parts to run", metavar="PART")
    return parser.parse_args()


def main() -> int:
    asked = options()
    folder = asked.folder.resolve()
    every = parts(folder, rehearse=asked.rehearse)
    names = [part.name for part in every]
    if unknown := sorted(set(asked.only or ()) - set(names)):
        print(f"there is no part {unknown[0]!r}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    if not os.environ.get("TEMPO_CLIPS") and (not asked.only or "study" in asked.only):
        print(
            "TEMPO_CLIPS is not set: let it name a folder with your videos, or leave the study out "
            f"(--only {' '.join(names[:-1])})",
            file=sys.stderr,
        )
        return 2
    folder.mkdir(parents=True, exist_ok=True)
    session, codes = Session(folder, 60 * asked.minutes), dict[str, int]()
    for part in every:
        if asked.only and part.name not in asked.only:
            continue
        if is_done(folder, part):
            print(f"{part.name}: done before")
            continue
        if session.stopped or session.left() < 0:
            codes[part.name] = LEFT
            print(f"{part.name}: left for the next time")
            continue
        print(f"{part.name}: {session.left() / 60:.1f} minutes are left ...", flush=True)
        codes[part.name] = session.run(part)
        said = {0: "done", LEFT: "stopped; it goes on the next time"}.get(
            codes[part.name], f"failed with exit code {codes[part.name]}"
        )
        print(f"{part.name}: {said} ({folder / part.name}.txt)")
    if not any(codes.values()):
        print(f"All is done. Results: {folder}")
        return 0
    failed = [name for name, code in codes.items() if code not in {0, LEFT}]
    return 1 if failed else LEFT


if __name__ == "__main__":
    sys.exit(main())
