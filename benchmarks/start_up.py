"""How long Tempo takes to start, as ratios to a bare interpreter measured in turn with it.

    python benchmarks/start_up.py [RUNS]

`import tempo` shall cost less than 0.1 s; users wait most often for `--help` and `--plan`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "bare interpreter": ["-c", "pass"],
    "import tempo": ["-c", "import tempo"],
    "--help": ["run_experiment.py", "--help"],
    "--plan": ["run_experiment.py", "ablations/se_dilation.yaml", "--plan"],
}


def took(words: list[str]) -> float:
    """Seconds of a whole process."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for words in COMMANDS.values():
        took(words)
    for _ in range(runs):
        for name, words in COMMANDS.items():
            times[name].append(took(words))
    bare = statistics.median(times["bare interpreter"])
    for name, found in times.items():
        middle = statistics.median(found)
        print(f"{name:18} {middle:6.3f} s, {middle / bare:5.1f} times a bare interpreter")


if __name__ == "__main__":
    main()
