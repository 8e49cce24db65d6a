"""Run the fused kernels under Triton's interpreter, each file in a process of its own.

Triton reads TRITON_INTERPRET when it is imported, and other tests import it without.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FILES = sorted(path.name for path in HERE.glob("interpreted_*.py"))

pytestmark = pytest.mark.skipif(
    find_spec("triton") is None, reason="Triton is not installed, which is published for Linux"
)


def interpreted(file: str, *options: str) -> None:
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--timeout=900", *options, str(HERE / file)],
        env=environment,
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_there_is_a_file_for_each_kernel_and_one_for_networks() -> None:
    assert len(FILES) == 5


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("file", FILES)
def test_kernels_under_the_interpreter(file: str) -> None:
    interpreted(file)
