"""How often verdicts are wrong and intervals miss, in conditions that nobody tuned for.

    python benchmarks/verdict_errors.py
    python benchmarks/verdict_errors.py --studies 0.2 --only coverage

Simulated studies, seeded; nothing is trained. Each row says a condition, what is promised of it,
what was measured (in %, with its standard error), and the bar. `looks`: looks at every seed from
3 to 12 unless said otherwise, through the simulation that plans use; `real looks`: the same through
the objects that compare runs with; `coverage`: single 95 % intervals. A bar is missed where the
measured share is beyond it by more than chance (one-sided 1 %); then the exit code is 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tempo.comparison.statistics import predictive_chance
from tempo.comparison.statistics.design_simulation import JudgingRule, simulate_design
from tempo.comparison.statistics.power import ExpectedNoise, expected_noise
from tempo.comparison.statistics.quantities import Word
from tempo.core.seed_stages import SeedStages
from tests.comparison.simulate import Rate, World, coverage, look_at_studies, zipf

DELTA = 0.15
"""Margin of equivalence, several standard errors wide, so that the tests of it have power."""
COVERAGE = (0.935, 0.97)
ANY = (0.0, 1.0)
"""No bar: what is measured is written in docs/verdicts.md as it is."""


@dataclass(frozen=True)
class Row:
    """One measured promise."""

    condition: str
    promise: str
    rate: Rate
    bar: tuple[float, float]
    width: float | None = None

    @property
    def missed(self) -> bool:
        return self.rate.outside(*self.bar)

    def text(self) -> str:
        low, high = self.bar
        bar = "-" if self.bar == ANY else f">= {low:.1%}" if high == 1 else f"<= {high:.1%}"
        bar = f"{low:.1%} to {high:.1%}" if low > 0 and high < 1 else bar
        measured = f"{100 * self.rate.share:6.2f} +- {100 * self.rate.error:.2f}"
        last = "MISSED" if self.missed else "" if self.bar == ANY else "kept"
        width = "" if self.width is None else f"+- {self.width:.2f} dB"
        return f"{self.condition:58} {self.promise:20} {measured:14} {width:10} {bar:15} {last}"


def rate_of(hits: np.ndarray) -> Rate:
    """Return the mean of one value per study, and its standard error."""
    return Rate(float(hits.mean()), float(hits.std() / np.sqrt(len(hits))), len(hits))


def seeds_rule(contrasts: int) -> ExpectedNoise:
    return expected_noise(
        seed_sd=0.1, clip_sd=0.05, residual_sd=0.1, clips=200, variants=contrasts + 1
    )


def clips_rule(contrasts: int) -> ExpectedNoise:
    return expected_noise(
        seed_sd=0.02,
        clip_sd=0.5,
        residual_sd=0.3,
        clips=200,
        sources=20,
        source_sd=0.1,
        variants=contrasts + 1,
    )


def four_sources(contrasts: int) -> ExpectedNoise:
    return expected_noise(
        seed_sd=0.1, clip_sd=0.3, residual_sd=0.3, clips=80, sources=4, source_sd=0.1,
        variants=contrasts + 1,
    )  # fmt: skip


def looked_at(scale: float) -> Iterator[Row]:
    """Yield rows of planned looks, through the simulation that plans use."""
    looks = SeedStages(first=3, last=12)
    noises = {"seed noise": seeds_rule, "clip noise": clips_rule, "four sources": four_sources}
    for name, noise in noises.items():
        for count in (1, 5, 10):
            yield from judged(f"{name}, {count} contrasts", noise(count), count, looks, scale)
    five = seeds_rule(5)
    others: dict[str, dict[str, Any]] = {
        "seed noise, 5, baseline 3 times noisier": {"spread": (3, 1, 1, 1, 1, 1)},
        "seed noise, 5, one variant 3 times noisier": {"spread": (1, 3, 1, 1, 1, 1)},
        "seed noise, 5, Pocock": {"spending": "pocock"},
        "seed noise, 5, none stopped as futile": {"stop_futile": False},
        "seed noise, 5, looks at 3, 6, 9, 12": {"looks": SeedStages(first=3, last=12, step=3)},
        "seed noise, 5, looks from 3 to 20": {"looks": SeedStages(first=3, last=20)},
        "seed noise, 5, looks at 3 and 4": {"looks": SeedStages(first=3, last=4)},
    }
    for name, options in others.items():
        yield from judged(name, five, 5, options.pop("looks", looks), scale, **options)


def judged(
    name: str,
    noise: ExpectedNoise,
    contrasts: int,
    design: SeedStages,
    scale: float,
    spending: str = "obrien_fleming",
    **options: Any,
) -> Iterator[Row]:
    """Yield the rows of one condition: no effect, effects of exactly delta, and mixed ones."""
    rule = JudgingRule(delta=DELTA, spending=spending)  # type: ignore[arg-type]
    studies = int(scale * (1500 if contrasts > 5 else 3000))

    def simulated(differences: list[float], stream: int) -> Any:
        return simulate_design(
            noise, differences, design, rule, studies=studies, stream=stream, **options
        )

    none = simulated([0.0] * contrasts, 1)
    yield Row(name, "false better, worse", rate_of(none.different.any(axis=1)), (0, 0.05))
    yield Row(name, "covered at the stop", rate_of(1 - none.missed.mean(axis=1)), (0.94, 1))
    same = simulated([DELTA if i % 2 else -DELTA for i in range(contrasts)], 2)
    yield Row(name, "wrong equivalent", rate_of(same.equivalent.any(axis=1)), (0, 0.05))
    effects = [(0.1, 0.0, 0.3, -0.15, 0.02)[i % 5] for i in range(contrasts)]
    mixed = simulated(effects, 3)
    yield Row(f"{name}, effects", "covered at the stop", rate_of(1 - mixed.missed.mean(axis=1)),
              (0.94, 1))  # fmt: skip
    null = np.array(effects) == 0
    if null.any():
        found = mixed.different[:, null].any(axis=1)
        yield Row(f"{name}, effects", "false better, worse", rate_of(found), (0, 0.05))


def really_looked_at(scale: float) -> Iterator[Row]:
    """Yield rows of planned looks, through the objects that compare runs with."""
    # The stated chance of open cases decides nothing here; two draws of it are enough.
    predictive_chance.DRAWS = 2
    seedy = {"seed_sd": 0.1, "clip_sd": 0.05, "residual_sd": 0.1, "clips": 20}
    clippy = {"seed_sd": 0.02, "clip_sd": 0.2, "residual_sd": 0.1, "clips": 40, "sources": 10,
              "source_sd": 0.05}  # fmt: skip
    worlds = {
        "seed noise, 1 contrast": {**seedy},
        "seed noise, 5 contrasts": {**seedy, "variants": 6},
        "seed noise, 10 contrasts": {**seedy, "variants": 11},
        "clip noise, 1 contrast": {**clippy},
        "clip noise, 5 contrasts": {**clippy, "variants": 6},
        "clip noise, 10 contrasts": {**clippy, "variants": 11},
        "seed noise, 3, tails of t with 3 degrees": {**seedy, "variants": 4, "tails": 3.0},
        "seed noise, 3, a quarter of the runs failed": {**seedy, "variants": 4, "failed": 0.25},
        "seed noise, 3, baseline 3 times noisier": {**seedy, "variants": 4, "spread": (3, 1, 1, 1)},
    }
    for stream, (name, options) in enumerate(worlds.items()):
        variants = int(options.get("variants", 2))
        studies = int(scale * (500 if variants < 7 else 200))
        for shift, words in ((0.0, {Word.BETTER, Word.WORSE}), (DELTA, {Word.EQUIVALENT})):
            effects = (0.0, *(shift if i % 2 else -shift for i in range(variants - 1)))
            world = World(seeds=12, effects=effects, stream=stream, **options)
            wrong, covered = [], []
            for study in look_at_studies(world, range(3, 13), studies, DELTA):
                wrong.append(bool(words & set(study.words.values())))
                covered.append(1 - np.mean(list(study.missed.values())))
            promise = "wrong equivalent" if shift else "false better, worse"
            yield Row(f"real: {name}", promise, rate_of(np.array(wrong)), (0, 0.05))
            promise = "covered at the stop"
            title = f"real: {name}{', at delta' if shift else ''}"
            yield Row(title, promise, rate_of(np.array(covered)), (0.94, 1))


Cell = tuple[str, tuple[float, float], dict[str, Any]]
NOISY = {"clips": 40, "clip_sd": 0.2, "seed_sd": 0.3}


def few_sources() -> Iterator[Cell]:
    """Yield conditions of alike variants on sources of equal size."""
    for seeds in (3, 5, 9, 10, 20):
        yield f"pair, {seeds} seeds", COVERAGE, {"seeds": seeds, "clips": 60}
    fine = {"variants": 5, "seeds": 10, "seed_sd": 0.3, "clips": 60}
    yield "five variants, seed sd 0.3, 10 seeds", COVERAGE, fine
    for sources in (3, 4, 5, 6, 8):
        for seeds in (5, 10, 20):
            common = {"seeds": seeds, "clips": 10 * sources, "sources": sources, "source_sd": 0.3}
            yield f"{sources} sources, {seeds} seeds", COVERAGE, common
    three = {"seeds": 10, "clips": 30, "sources": 3}
    yield "3 sources, sources rule, 10 seeds", COVERAGE, {**three, "source_sd": 1.0}
    yield "3 sources, no source noise, 10 seeds", COVERAGE, three
    residuals = {"clips": 60, "seed_sd": 0.01, "clip_sd": 0.05, "residual_sd": 0.8}
    yield "residuals rule, 9 seeds", COVERAGE, {"seeds": 9, **residuals}
    yield (
        "residuals rule, 4 variants, 12 seeds",
        COVERAGE,
        {"variants": 4, "seeds": 12, **residuals},
    )


def unequal_sources() -> Iterator[Cell]:
    """Yield conditions of sources of unequal size; nothing is promised of a dominant one."""
    half = (60, *[5] * 12)
    for seeds, sd in ((3, 0.3), (5, 0.3), (5, 0.05), (10, 0.3), (20, 0.3), (20, 0.05)):
        name = f"one source of 13 with half of the clips, sd {sd}, {seeds} seeds"
        yield name, COVERAGE, {"seeds": seeds, "sizes": half, "source_sd": sd}
    for seeds, sd in ((3, 0.5), (3, 0.1), (5, 0.3), (10, 0.3), (20, 0.5)):
        options = {"seeds": seeds, "sizes": zipf(20, 200), "source_sd": sd}
        yield f"20 sources, Zipf sizes, sd {sd}, {seeds} seeds", COVERAGE, options
    doubled = {"seeds": 5, "sizes": (1, 2, 4, 8, 16, 32, 64), "source_sd": 0.3}
    yield "7 sources, sizes 1 to 64, sd 0.3, 5 seeds", COVERAGE, doubled
    for sd in (0.05, 0.2, 0.5):
        three = {"seeds": 5, "sizes": (180, 10, 10), "source_sd": sd}
        yield f"180, 10 and 10 clips, sd {sd}, 5 seeds", ANY, three
        single = {"seeds": 5, "sizes": (190, *[1] * 10), "source_sd": sd}
        yield f"190 clips and 10 single clips, sd {sd}, 5 seeds", ANY, single


def unequal_noise() -> Iterator[Cell]:
    """Yield conditions of variants that differ in noise, failed runs, heavy tails and skew."""
    for count in (5, 10):
        for times in (2, 3):
            options = {"variants": count, "seeds": 3, "spread": (times, *[1] * (count - 1))}
            name = f"baseline {times} times noisier, {count} variants, 3 seeds"
            yield name, COVERAGE, {**options, **NOISY}
    ten = {"variants": 5, "seeds": 10, "spread": (3, 1, 1, 1, 1), **NOISY}
    yield "baseline 3 times noisier, 5 variants, 10 seeds", COVERAGE, ten
    for seeds in (3, 5, 10):
        one = {"variants": 5, "seeds": seeds, "spread": (1, 3, 1, 1, 1), **NOISY}
        name = f"one of 5 variants 3 times noisier, {seeds} seeds"
        yield f"{name}: all", COVERAGE, one
        yield f"{name}: its own", ANY, {**one, "only": "v1"}
    mixed = {"variants": 5, "seeds": 5, "spread": (1, 0.5, 1.5, 2, 2.5), **NOISY}
    yield "noises of 1, 0.5, 1.5, 2, 2.5, 5 seeds: all", COVERAGE, mixed
    yield "noises of 1, 0.5, 1.5, 2, 2.5, 5 seeds: the last", ANY, {**mixed, "only": "v4"}
    failed = {"variants": 4, "clips": 40, "failed": 0.25}
    name = "a quarter of the runs failed, 4 variants"
    yield f"{name}, 5 seeds", COVERAGE, {"seeds": 5, **failed}
    yield f"{name}, seed sd 0.3, 8 seeds", COVERAGE, {"seeds": 8, "seed_sd": 0.3, **failed}
    for tails in (3.0, 4.0):
        for seeds in (3, 10):
            options = {"variants": 3, "seeds": seeds, "clips": 40, "tails": tails, "seed_sd": 0.2}
            name = f"tails of t with {tails:.0f} degrees, 3 variants, {seeds} seeds"
            yield name, COVERAGE, options
    for count, size in ((12, 0.05), (12, 0.1), (12, 0.3), (12, 1.0), (30, 0.3), (100, 0.3)):
        options = {"seeds": 5, "clips": count, "clip_sd": 0.3, "skew": size}
        yield f"log-normal differences of {count} clips, {size}, 5 seeds", ANY, options


def covered(scale: float) -> Iterator[Row]:
    """Yield rows of single 95 % intervals."""
    cells = [*few_sources(), *unequal_sources(), *unequal_noise()]
    for stream, (name, bar, options) in enumerate(cells):
        slow = "sizes" in options or options.get("variants", 2) > 5
        studies = int(scale * (1500 if slow else 3000))
        only = options.pop("only", None)
        rate, width = coverage(World(stream=100 + stream, **options), studies, only)
        yield Row(name, "covered", rate, bar, width)


PARTS: dict[str, Callable[[float], Iterator[Row]]] = {
    "looks": looked_at,
    "real looks": really_looked_at,
    "coverage": covered,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--studies", type=float, default=1.0, help="multiplies all numbers of studies"
    )
    parser.add_argument("--only", choices=PARTS, help="one part of the table")
    options = parser.parse_args()
    begun, missed = time.perf_counter(), 0
    for name, part in PARTS.items():
        if options.only not in (None, name):
            continue
        for row in part(options.studies):
            print(row.text(), flush=True)
            missed += row.missed
    print(f"{missed} bars missed; {time.perf_counter() - begun:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
