"""Gates that ask to be sure: they pass only where an interval over seeds and clips does."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison, Row
from tempo.comparison.fitted_study import FittedStudy, fit_study
from tempo.comparison.gate import Outcome, check, control_of, parse_gate
from tempo.comparison.loading.load_runs import load_runs
from tempo.comparison.query import Query
from tempo.core.errors import TempoError
from tempo.core.records import Plan
from tempo.core.t_interval import two_sided_quantile
from tempo.records.layout import Store
from tempo.workflow.comparison import compare_plans
from tests.comparison.altered_records import Columns, alter, redrawn

TABLE = Query(detail="table", metrics=())


def write(
    make: ModuleType, root: Path, gains: dict[str, float], **changes: object
) -> tuple[Store, Plan]:
    """Clips decide: seeds differ by 0.02 dB, clips by 1.4 dB in a paired difference."""
    arms = [make.Arm(name=n, gain=g, config={"arch": {"se": n}}) for n, g in gains.items()]
    noise = make.Noise(seed=0.02, shared=0.02, clip=1.0, residual=0.02)
    chosen = {"seeds": 3, "clips": 20, "sources": 20, "noise": noise, "points": 5, "gallery": 0}
    return Store(root), make.write_study(
        root, make.Study(arms=arms, baseline="a", **(chosen | changes))
    )


def gates(study: tuple[Store, Plan], rule: str) -> dict[str, Outcome]:
    asked = {"metric": "psnr", "detail": "table"}
    return {each.variant: each for each in compare_plans([study], **asked).gate(rule)}


def test_a_named_control_is_held_by_the_paired_contrast(
    planted: ModuleType, tmp_path: Path
) -> None:
    """Nothing differs, but the mean of b's seeds lies above c's on these clips."""
    seen = 0
    for stream in range(8):
        study = write(
            planted, tmp_path / str(stream), {"a": 0.0, "b": 0.0, "c": 0.0}, stream=stream
        )
        contrast = compare(*study, replace(TABLE, baseline="c")).contrast("b").difference
        seen += contrast.value > 0.1 and contrast.low < 0
        outcome = gates(study, 'sure(psnr) > "c"')["b"]
        assert not outcome.passed or contrast.low > 0
        assert outcome.sentence.startswith(f"psnr minus that of c is {contrast.value:+.3f}, surely")
    assert seen >= 2


def test_the_baseline_by_name_is_the_baseline(planted: ModuleType, tmp_path: Path) -> None:
    study = write(planted, tmp_path, {"a": 0.0, "b": 2.0})
    found = compare(*study, TABLE)
    outcomes = [check(found, parse_gate(f"sure(psnr) > {each}")) for each in ("baseline", "'a'")]
    assert outcomes[0] == outcomes[1]
    (outcome,) = outcomes[0]
    difference = found.contrast("b").difference
    assert outcome.passed
    assert f"surely at least {difference.low:+.3f}, to be > +0.000 (95 % interval)" in (
        outcome.sentence
    )


def test_a_named_control_and_that_control_as_baseline_say_the_same(
    planted: ModuleType, tmp_path: Path
) -> None:
    study = write(planted, tmp_path, {"a": 0.0, "b": 2.0, "c": 1.0})
    named = gates(study, "sure(psnr) >= 'c' + 0.1")
    as_baseline = check(
        compare(*study, replace(TABLE, baseline="c")), parse_gate("sure(psnr) >= baseline + 0.1")
    )
    assert named == {each.variant: each for each in as_baseline}


def test_a_number_is_held_by_an_interval_over_clips_too(
    planted: ModuleType, tmp_path: Path
) -> None:
    """Seeds hardly differ, so only the draw of clips makes the mean unsure."""
    study = write(planted, tmp_path, {"a": 0.0, "b": 0.0})
    row = compare(*study, TABLE).row("b")
    by_seeds, by_clips = row.estimates["psnr"], row.means["psnr"]
    assert by_clips.value == pytest.approx(by_seeds.mean)
    between = (by_clips.low + by_seeds.low) / 2
    assert by_clips.low < between < by_seeds.low
    assert gates(study, f"psnr > {between}")["b"].passed
    assert not gates(study, f"sure(psnr) > {between}")["b"].passed
    assert gates(study, f"sure(psnr) > {by_clips.low - 1}")["b"].passed
    assert gates(study, f"sure(psnr) < {by_clips.high + 1}")["b"].passed


def test_several_variants_are_held_together(planted: ModuleType, tmp_path: Path) -> None:
    """Bonferroni: of three variants each has an interval of 98.33 %."""
    study = write(planted, tmp_path, {"a": 0.0, "b": 2.0, "c": 0.0, "d": 0.0})
    outcome = gates(study, "sure(psnr) > baseline")["b"]
    assert "(98.33 % interval, wide enough for all 3 variants together)" in outcome.sentence
    found = compare(*study, TABLE).contrast("b").difference
    wide = found.value - two_sided_quantile(1 - 0.05 / 3, found.df) * found.se
    assert f"surely at least {wide:+.3f}, to be" in outcome.sentence


def test_seeds_that_change_nothing_are_not_sure(planted: ModuleType, tmp_path: Path) -> None:
    study = write(planted, tmp_path, {"a": 0.0, "b": 9.0, "c": 9.0})
    values: dict[str, np.ndarray] = {}

    def keep(columns: Columns) -> Columns:
        values.update(columns)
        return columns

    alter(*study, "b", 0, keep)
    for seed in (1, 2):
        alter(*study, "b", seed, lambda _: dict(values))
    assert (
        "The seed changes nothing in b: its 3 runs have the same psnr to the last bit, so they are "
        "no replicates."
    ) in compare(*study, TABLE).headline
    found = gates(study, "sure(psnr) > baseline")
    assert found["b"] == Outcome(
        variant="b", passed=False, sentence="every seed of b gives the very same psnr: not sure"
    )
    assert found["c"].passed
    assert not gates(study, 'sure(psnr) > "b" - 20')["c"].passed
    assert not gates(study, "sure(psnr) > 1")["b"].passed


@pytest.mark.parametrize("seeds", [1, 2])
@pytest.mark.parametrize("rule", ["sure(psnr) > baseline - 20", "sure(psnr) > 1"])
def test_too_few_seeds_are_not_sure(
    planted: ModuleType, tmp_path: Path, seeds: int, rule: str
) -> None:
    study = write(planted, tmp_path, {"a": 0.0, "b": 9.0}, seeds=seeds)
    outcome = gates(study, rule)["b"]
    counted = "1 seed" if seeds == 1 else "2 seeds"
    assert not outcome.passed
    assert outcome.sentence == f"{counted} cannot make psnr sure; at least 3 can"


def test_no_common_seed_does_not_pass(planted: ModuleType, tmp_path: Path) -> None:
    arms = [
        planted.Arm(name="a"),
        planted.Arm(name="b", gain=9.0, broken=frozenset({0, 1, 2})),
        planted.Arm(name="c", broken=frozenset({3, 4, 5})),
    ]
    plan = planted.write_study(tmp_path, planted.Study(arms=arms, seeds=6, baseline="a", points=5))
    outcome = gates((Store(tmp_path), plan), 'sure(psnr) > "c" - 20')["b"]
    assert not outcome.passed
    assert outcome.sentence == "no seed is finished in both b and c"


def test_contrasts_that_the_comparison_does_not_hold(planted: ModuleType, tmp_path: Path) -> None:
    found = compare(*write(planted, tmp_path, {"a": 0.0, "b": 2.0, "c": 1.0}), TABLE)
    gate = parse_gate('sure(psnr) > "c"')
    assert control_of(found, gate) == "c"
    assert control_of(found, parse_gate('psnr > "c"')) is None
    assert control_of(found, parse_gate("sure(psnr) > 3")) is None
    with pytest.raises(TempoError, match="takes a comparison with the baseline 'c'"):
        check(found, gate)
    with pytest.raises(TempoError, match="unknown variant 'd'"):
        control_of(found, parse_gate('sure(psnr) > "d"'))


def test_of_variants_that_are_no_better_few_pass(planted: ModuleType, tmp_path: Path) -> None:
    """Five variants exactly as good as the control: in at most 5 of 100 studies any passes.

    Of 400 studies that is at most 30 with a probability of 99 %.
    """
    arms = [planted.Arm(name=name, config={"arch": {"se": name}}) for name in "abcdef"]
    chosen = {"arms": arms, "seeds": 3, "clips": 24, "sources": 24, "baseline": "a", "points": 5}
    plan = planted.write_study(tmp_path, planted.Study(**chosen))
    query = replace(TABLE, baseline="c")
    found, gate = compare(Store(tmp_path), plan, query), parse_gate("sure(psnr) > baseline")
    fitted, wrong = fit_study(load_runs(Store(tmp_path), plan, query)), 0
    for stream in range(400):
        drawn = redrawn(planted, fitted, planted.Study(**chosen, stream=stream))
        wrong += any(each.passed for each in check(with_contrasts_of(found, drawn), gate))
    assert 0 < wrong <= 30, f"{wrong} of 400"


def with_contrasts_of(found: Comparison, drawn: FittedStudy) -> Comparison:
    """The comparison with the contrasts of another draw."""

    def redone(row: Row) -> Row:
        test = drawn.test(drawn.primary, row.variant, "c")
        contrast = replace(row.contrasts["psnr"], difference=test.interval)
        return replace(row, contrasts={"psnr": contrast})

    return replace(found, rows=tuple(redone(row) if row.contrasts else row for row in found.rows))
