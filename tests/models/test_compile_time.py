"""The benchmark of compilation: every way to compile gives the network's outputs and gradients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_way_compiles_the_same_network_without_a_graph_break() -> None:
    """Without the compiler's code generation, which takes minutes: what is left is one graph, with
    regions or without, or one for each block."""
    options = ["--blocks", "3", "--size", "16", "--base", "4", "--batch", "1", "--steps", "1"]
    done = subprocess.run(
        [sys.executable, "benchmarks/compile_time.py", *options, "--backend", "aot_eager"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [tuple(row[:2]) for row in rows] == [
        (way, state) for way in ("whole", "regions", "blocks") for state in ("cold", "warm")
    ]
    for row in rows:
        processor, clock, _, output, gradient = map(float, row[2:])
        assert processor > 0 and clock > 0
        assert output < 1e-4 and gradient < 1e-4
