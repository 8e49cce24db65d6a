"""The benchmark of a training step: its rows of fused kernels, and the peak that shares are of."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALLEST = ("--batch", "1", "--size", "8", "--widths", "8", "8", "8", "8", "--blocks", "3")
ONCE = ("--rounds", "1", "--steps", "1", "--norms", "group", "--compile", "none")


def model_step(*options: str, interpret: bool) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TRITON_INTERPRET": f"{interpret:d}"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "benchmarks")])
    done = subprocess.run(
        [sys.executable, "benchmarks/model_step.py", *SMALLEST, *ONCE, *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def rows(said: str) -> list[tuple[str, str]]:
    """The network and the kernels of each row of the tables."""
    line = r"^  (v[23]) tempo eager +group +(plain|fused) channels-last +\d"
    return re.findall(line, said, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is published for Linux alone")
def test_fused_kernels_are_rehearsed_without_a_gpu() -> None:
    said = model_step(interpret=True)
    assert set(rows(said)) == set(product(("v2", "v3"), ("plain", "fused")))


@pytest.mark.slow
def test_a_share_is_of_a_peak_that_is_stated() -> None:
    bare, said = (
        model_step("--nets", "v2", *given, interpret=False) for given in ((), ("--peak", "0.0001"))
    )
    assert "of peak" not in bare
    assert "share of 0.0001 TFLOP/s (--peak)" in said
    assert set(rows(said)) == {("v2", "plain")}
    shares = re.findall(r"(\d\S*) +(\d\S*) %", said)
    assert len(shares) == 3
    for done, share in shares:
        assert float(share) == pytest.approx(1e6 * float(done), rel=0.01)
