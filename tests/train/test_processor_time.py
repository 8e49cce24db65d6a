"""Processor time of an attempt is measured with its children, while they run and after."""

from __future__ import annotations

import subprocess
import sys
import time

from tempo.train.run.processor_time import processor_seconds

BUSY = "import time\nend = time.process_time() + 0.6\nwhile time.process_time() < end: pass\n"


def spent(begun: float) -> float:
    return processor_seconds(of_all_ranks=False) - begun


def test_work_counts_and_waiting_does_not() -> None:
    begun = processor_seconds(of_all_ranks=False)
    time.sleep(0.5)
    assert spent(begun) < 0.3
    end = time.process_time() + 0.6
    while time.process_time() < end:
        pass
    assert spent(begun) > 0.5


def test_children_count_while_they_run_and_after_their_end() -> None:
    begun = processor_seconds(of_all_ranks=False)
    code = BUSY + "print('done', flush=True)\ninput()\n"
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout and child.stdout.readline()
        running = spent(begun)
        child.communicate(b"\n")
    assert running > 0.5
    assert running <= spent(begun) < running + 0.5


RANKS = f"""
import subprocess, sys
busy = {BUSY + "print(0, flush=True)" + chr(10) + "input()"!r}
pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
with subprocess.Popen([sys.executable, "-c", busy], **pipes) as other:
    other.stdout.readline()
    ask = "from tempo.train.run.processor_time import processor_seconds as spent;"
    ask += "print(spent(of_all_ranks=True) - spent(of_all_ranks=False))"
    subprocess.run([sys.executable, "-c", ask], check=True)
    other.communicate(chr(10))
"""


def test_a_rank_counts_the_others_that_its_parent_started() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RANKS], check=True, stdout=subprocess.PIPE, text=True
    )
    assert float(done.stdout) > 0.55
