"""Measure how far the weights of runs are apart, in a process that loads torch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from tempo.comparison.differences.build_differences import with_weights
from tempo.comparison.differences.difference import WeightDistance
from tempo.comparison.differences.run_pairs import Pair
from tempo.core.counted import counted
from tempo.core.errors import TempoError
from tempo.launch.worker_command import WORKER
from tempo.records.run_record import read_run

if TYPE_CHECKING:
    from tempo.comparison.comparison import Comparison

UNREAD = ("image", "train", "val")
"""Kinds of event that say nothing of weights."""


def _has_weights(pair: Pair) -> bool:
    """Whether a pair is two runs of networks, and not one run twice."""
    _, before, after = pair
    apart = before.folder.resolve() != after.folder.resolve()
    return apart and all(r.spec.config.get("method") == "network" for r in (before, after))


def measure_weights(
    pairs: Sequence[Pair], say: Callable[[str], object] = lambda _: None
) -> Iterator[WeightDistance]:
    """Yield how far the weights of each pair of runs are apart, asked of one worker process.

    Of a pair without checkpoints the reason is told; one run twice is left out.
    """
    asked = [pair for pair in pairs if _has_weights(pair)]
    if not asked:
        return
    say(f"Measuring how far the weights of {counted(len(asked), 'pair')} of runs are apart ...")
    process = subprocess.Popen(
        [*WORKER, "weight-distance"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        for title, before, after in asked:
            question = {"before": str(before.folder), "after": str(after.folder)}
            try:
                print(json.dumps(question), file=process.stdin, flush=True)
                line = process.stdout.readline()
            except BrokenPipeError:
                line = ""
            if not line:
                raise TempoError(
                    "the process that measures weights died; its message stands above "
                    "(--no-weights leaves them out)"
                )
            answer = json.loads(line)
            steps = answer.pop("steps", ((), ()))
            yield WeightDistance(pair=title, steps=(tuple(steps[0]), tuple(steps[1])), **answer)
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


def measure_from_baseline(
    comparison: Comparison, say: Callable[[str], object] = lambda _: None
) -> Comparison:
    """Return a comparison that tells how far each variant's weights are from the baseline's.

    Runs of one seed are put side by side, as `tempo diff` does with two variants.
    """
    runs = {(each.variant, each.seed): each.folder for each in comparison.runs if each.attempts}
    control = {seed: folder for (name, seed), folder in runs.items() if name == comparison.baseline}
    pairs = [
        [
            (f"s{seed}", read_run(folder, UNREAD), read_run(runs[each.after.name, seed], UNREAD))
            for seed, folder in control.items()
            if (each.after.name, seed) in runs
        ]
        for each in comparison.from_baseline
    ]
    asked = [[*filter(_has_weights, of)] for of in pairs]
    # One process measures all of them, one after the other.
    measured = measure_weights([*chain.from_iterable(asked)], say)
    found = (
        with_weights(each, islice(measured, len(of)))
        for each, of in zip(comparison.from_baseline, asked, strict=True)
    )
    return replace(comparison, from_baseline=tuple(found))
