"""Further test sets: one family over all of them, what is missing, and where they disagree."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from tempo.comparison.build import compare, compare_all, compare_on
from tempo.comparison.comparison import Comparison, SetComparison
from tempo.comparison.query import Query, parse_query
from tempo.comparison.statistics.quantities import Word
from tempo.comparison.statistics.student_t import holm
from tempo.core.errors import NoResultError, TempoError
from tempo.core.records import Plan
from tempo.records.layout import Store
from tests.set_records import TestSet, write_sets

TRAINED = ("V2", "V3", "V4")
Made = Callable[..., tuple[Store, Plan]]


@pytest.fixture
def made(planted: ModuleType, tmp_path: Path) -> Made:
    """Write a study whose V3 gains 0.5 dB, on the sets given."""

    def write(sets: Sequence[TestSet], seeds: int = 5, **spec: object) -> tuple[Store, Plan]:
        arms = [
            planted.Arm(name="V2"),
            planted.Arm(name="V3", gain=0.5, parameters=2_000_000),
            planted.Arm(name="V4"),
            planted.Arm(name="average", role="reference", gain=-2.0),
        ]
        noise = planted.Noise(seed=0.02, shared=0.05, clip=0.05, residual=0.05)
        study = planted.Study(arms=arms, seeds=seeds, noise=noise, baseline="V2")
        store = Store(tmp_path / "records")
        plan = planted.write_study(store.root, study)
        if spec:
            plan = replace(plan, spec={**plan.spec, **spec})
        return store, write_sets(store, study, plan, sets)

    return write


@pytest.fixture
def rife(planted: ModuleType) -> object:
    return planted.Arm(name="RIFE", gain=0.4, role="reference")


def on(comparison: Comparison, name: str) -> SetComparison:
    return next(each for each in comparison.test_sets if each.name == name)


def found_on(comparison: Comparison, name: str) -> Comparison:
    found = on(comparison, name).found
    assert found is not None
    return found


def everything_left(*methods: str) -> frozenset[tuple[str, int | None]]:
    trained = {(name, seed) for name in TRAINED for seed in range(5)}
    return frozenset(trained | {(name, None) for name in ("average", *methods)})


def test_a_study_without_further_sets_says_nothing_of_them(made: Made) -> None:
    comparison = compare(*made([]))
    assert (comparison.test_sets, comparison.on_sets) == ((), ())


def test_one_family_spans_sets_variants_and_metrics_of_the_rule(made: Made) -> None:
    rule = {"metrics": ["psnr", "ssim"]}
    sets = [TestSet(name="a"), TestSet(name="b"), TestSet(name="c", metrics=("psnr",))]
    comparison = compare(*made(sets, verdict=rule))
    every = [c for each in comparison.test_sets for c in found_on(comparison, each.name).contrasts]
    mine = [each for each in every if each.variant in TRAINED]
    assert len(mine) == 2 * (2 + 2 + 1)
    assert {each.family for each in mine} == {"test sets: 10 contrasts of variants in psnr, ssim"}
    single = [each.p for each in mine]
    adjusted = [each.p_adjusted for each in mine]
    assert None not in single
    assert adjusted == pytest.approx(holm([p for p in single if p is not None]))
    assert {each.kind for each in every} == {"test sets"}


def test_the_study_keeps_its_own_family(made: Made) -> None:
    store, plan = made([TestSet(name="a"), TestSet(name="b")])
    alone = compare(store, replace(plan, test_sets=()))
    beside = compare(store, plan)
    assert beside.contrasts == alone.contrasts
    assert beside.headline == alone.headline
    assert beside.look == alone.look


def test_references_and_methods_are_a_family_of_their_own(made: Made, rife: object) -> None:
    sets = [TestSet(name="a", methods=[rife]), TestSet(name="b", methods=[rife])]
    comparison = compare(*made(sets))
    contrasts = {each.variant: each for each in found_on(comparison, "a").contrasts[:4]}
    label = "test sets: 4 contrasts of references and methods in psnr"
    assert {contrasts[name].family for name in ("average", "RIFE")} == {label}
    assert contrasts["RIFE"].verdict.word is Word.BETTER
    assert contrasts["RIFE"].difference is not None
    assert contrasts["RIFE"].difference.value == pytest.approx(0.4, abs=0.15)
    assert any(each.startswith("RIFE has no seeds: ") for each in comparison.on_sets)
    assert on(comparison, "a").methods == ("RIFE",)


def test_a_single_set_alone_is_compared_as_any_study(made: Made) -> None:
    store, plan = made([TestSet(name="a", title="Set A")])
    comparison = compare(store, plan.on("a"))
    assert comparison.row("V3").contrasts["psnr"].verdict.word is Word.BETTER
    assert comparison.curves == ()
    assert comparison.strata


def test_the_words_on_one_set_are_those_of_the_family(made: Made) -> None:
    store, plan = made([TestSet(name="a", title="Set A"), TestSet(name="b")])
    whole, one = found_on(compare(store, plan), "a"), compare_on(store, plan, "a")
    assert one.contrasts == whole.contrasts
    assert (one.look, one.test_set, one.title) == (None, "a", "planted on Set A")
    assert one.at == "Set A, of the checkpoint that each run chose on validation"
    assert one.row("V3").cost.parameters == 2_000_000
    assert one.gallery
    assert any(each.startswith("Test sets: one error rate of 5 % ") for each in one.headline)


def test_a_set_that_is_not_evaluated_is_said_and_never_zero(made: Made, rife: object) -> None:
    left = everything_left("RIFE")
    store, plan = made([TestSet(name="a", title="Set A", methods=[rife], left=left)])
    comparison = compare(store, plan)
    nothing = on(comparison, "a")
    assert (nothing.found, nothing.finished_runs, nothing.planned_runs) == (None, 0, 17)
    assert nothing.sentences == (
        "Set A: none of 17 evaluations has finished; what is missing is left out, and the words "
        "here may change.",
    )
    with pytest.raises(NoResultError, match="'a' has finished yet"):
        compare_on(store, plan, "a")


def test_evaluations_that_failed_or_are_left_are_named(made: Made) -> None:
    sets = [TestSet(name="a", broken=frozenset({("V3", 1)}), left=frozenset({("V4", 0)}))]
    comparison = compare(*made(sets))
    assert (
        on(comparison, "a")
        .sentences[0]
        .startswith("a: 14 of 16 evaluations have finished; failed: V3 s1; ")
    )
    row = found_on(comparison, "a").row("V3")
    assert (row.state, row.seeds) == ("partial", 4)
    assert row.contrasts["psnr"].seeds == (0, 2, 3, 4)


def test_a_set_of_few_sources_says_so(made: Made) -> None:
    comparison = compare(*made([TestSet(name="a", title="Set A", clips=12, sources=3)]))
    said = "Set A: the 12 clips come from 3 sources: "
    assert on(comparison, "a").sentences[0].startswith(said)
    assert any(each.startswith(said) for each in comparison.on_sets)


def test_a_variant_under_another_protocol_is_not_compared(made: Made, rife: object) -> None:
    other = replace(rife, protocol={"rounding": "none"})  # type: ignore[type-var]
    found = found_on(compare(*made([TestSet(name="a", methods=[other])])), "a")
    assert not found.rankable
    assert found.row("RIFE").contrasts["psnr"].verdict.word is Word.INCOMPARABLE
    assert "RIFE" not in {*found.best[0].behind, found.best[0].best}


def test_sets_that_disagree_are_named(made: Made) -> None:
    sets = [TestSet(name="a", title="Set A"), TestSet(name="b", title="Set B", gains={"V3": -0.6})]
    said = compare(*made(sets)).on_sets
    assert (
        "The sets disagree: V3 against V2 is better on the study's own test clips and Set A; "
        "worse on Set B." in said
    )


def test_a_word_on_some_sets_alone_is_said(made: Made) -> None:
    few = frozenset(("V3", seed) for seed in range(4))
    sets = [TestSet(name="a", title="Set A"), TestSet(name="b", title="Set B", left=few)]
    said = compare(*made(sets)).on_sets
    assert (
        "Decided on some sets alone: V3 against V2 is better on the study's own test clips and "
        "Set A; inconclusive on Set B." in said
    )


def test_conditions_on_runs_hold_on_the_sets_too(made: Made, rife: object) -> None:
    store, plan = made([TestSet(name="a", methods=[rife])])
    found = found_on(compare(store, plan, parse_query(where="seed < 3")), "a")
    assert found.row("V3").contrasts["psnr"].seeds == (0, 1, 2)
    assert {row.variant for row in found.rows} == {*TRAINED}
    assert on(compare(store, plan, parse_query(where="seed < 3")), "a").methods == ()
    assert {each.kind for each in found.contrasts} == {"exploratory"}


def test_validation_has_no_further_sets(made: Made) -> None:
    store, plan = made([TestSet(name="a")])
    assert compare(store, plan, parse_query(at="best-val")).test_sets == ()
    with pytest.raises(TempoError, match="judged at the end of training"):
        compare_on(store, plan, "a", parse_query(at="best-val"))


def test_unknown_sets_are_named_with_the_known_ones(made: Made) -> None:
    store, plan = made([TestSet(name="a")])
    with pytest.raises(TempoError, match=r"unknown test set 'z' \(known: a\)"):
        compare_on(store, plan, "z")
    with pytest.raises(TempoError, match="has no further test sets"):
        compare_on(store, replace(plan, test_sets=()), "a")


def test_several_studies_have_no_sets_together(made: Made) -> None:
    store, plan = made([TestSet(name="a")])
    other = replace(plan, study="other")
    assert compare_all([(store, plan), (store, other)]).test_sets == ()


def test_a_set_without_the_metric_that_decides_is_judged_by_another(made: Made) -> None:
    comparison = compare(*made([TestSet(name="a", metrics=("ssim",))]))
    found = found_on(comparison, "a")
    assert found.metric == "ssim"
    assert found.row("V3").contrasts["ssim"].verdict.word is Word.BETTER
    assert "psnr" not in found.row("V3").estimates


def test_looks_at_fewer_seeds_count_on_the_sets(made: Made) -> None:
    """Before all planned seeds are there, a set is judged at the level of an early look."""
    early = frozenset((name, seed) for name in TRAINED for seed in (3, 4))
    store, plan = made([TestSet(name="a", left=early), TestSet(name="b")])
    comparison = compare(store, plan, Query())
    levels = {
        name: found_on(comparison, name).row("V3").contrasts["psnr"].difference
        for name in ("a", "b")
    }
    assert levels["a"] is not None and levels["b"] is not None
    assert levels["a"].single_level is not None and levels["b"].single_level is not None
    assert levels["a"].single_level > levels["b"].single_level
