"""Which variants get more seeds, by what their contrasts say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from tempo.comparison.seed_allocation import Allocation, look_sentence, next_seeds
from tempo.comparison.statistics.quantities import Contrast, Verdict, Word
from tempo.core.seed_stages import SeedStages

STAGES = SeedStages(first=3, last=6)
OPEN = Verdict(word=Word.INCONCLUSIVE, reason="")
FUTILE = Verdict(word=Word.INCONCLUSIVE, reason="", futile=True)
BETTER = Verdict(word=Word.BETTER, reason="")
WORSE = Verdict(word=Word.WORSE, reason="")
SAME = Verdict(word=Word.EQUIVALENT, reason="")


def contrast(variant: str, verdict: Verdict, metric: str = "psnr") -> Contrast:
    return Contrast(
        variant=variant,
        baseline="base",
        metric=metric,
        difference=None,
        p=None,
        p_adjusted=None,
        verdict=verdict,
        delta=None,
        family="",
        components=None,
        seeds=(),
        planned_n=0,
        clips=0,
        sources=0,
        values=(),
        run_ids=(),
    )


def allocated(
    verdicts: Mapping[str, Verdict | Sequence[Verdict]],
    opened: Mapping[str, int],
    *,
    failed: Mapping[str, set[int]] | None = None,
    stages: SeedStages = STAGES,
) -> Allocation:
    """The allocation at `opened` seeds by variant, all finished but the `failed` ones."""
    contrasts = [
        contrast(name, each, ("psnr", "ssim")[place])
        for name, own in verdicts.items()
        for place, each in enumerate([own] if isinstance(own, Verdict) else own)
    ]
    seeds = {name: set(range(count)) for name, count in opened.items()}
    done = {name: own - (failed or {}).get(name, set()) for name, own in seeds.items()}
    return next_seeds(contrasts, seeds, done, stages)


def states(found: Allocation) -> dict[str, str]:
    return {name: each.state for name, each in found.variants.items()}


def test_only_the_undecided_and_the_baseline_get_seeds() -> None:
    verdicts = {"a": OPEN, "b": BETTER, "c": SAME, "d": FUTILE}
    found = allocated(verdicts, dict.fromkeys(["base", *verdicts], 3))
    assert found.seeds == {"a": (3,), "base": (3,)}
    assert states(found) == {"a": "open", "b": "decided", "c": "decided", "d": "futile"}


def test_a_variant_is_open_while_one_of_its_contrasts_is() -> None:
    found = allocated({"a": (BETTER, OPEN), "b": (SAME, FUTILE)}, {"base": 3, "a": 3, "b": 3})
    assert states(found) == {"a": "open", "b": "futile"}
    assert found.variants["a"].words == ("better", "inconclusive")


def test_the_last_step_is_as_short_as_is_left() -> None:
    stages = SeedStages(first=3, last=6, step=2)
    assert stages.counts == (3, 5, 6)
    assert allocated({"a": OPEN}, {"base": 3, "a": 3}, stages=stages).seeds["a"] == (3, 4)
    assert allocated({"a": OPEN}, {"base": 5, "a": 5}, stages=stages).seeds["a"] == (5,)
    last = allocated({"a": OPEN}, {"base": 6, "a": 6}, stages=stages)
    assert (last.seeds, states(last)) == ({}, {"a": "spent"})


def test_a_variant_that_falls_open_again_catches_up_without_the_baseline() -> None:
    found = allocated({"a": OPEN, "b": OPEN}, {"base": 5, "a": 3, "b": 5})
    assert found.seeds == {"a": (3,), "b": (5,), "base": (5,)}


def test_a_variant_whose_new_seeds_all_failed_is_not_extended() -> None:
    opened = {"base": 4, "a": 4, "b": 4}
    found = allocated({"a": OPEN, "b": OPEN}, opened, failed={"a": {3}, "b": {1}})
    assert states(found) == {"a": "failed", "b": "open"}
    assert found.seeds == {"b": (4,), "base": (4,)}


def test_nothing_is_extended_once_the_baseline_fails() -> None:
    found = allocated({"a": OPEN}, {"base": 4, "a": 4}, failed={"base": {3}})
    assert (found.seeds, states(found)) == ({}, {"a": "failed"})


def test_a_baseline_without_seeds_pairs_with_every_seed() -> None:
    found = next_seeds(
        [contrast("a", OPEN)], {"base": {None}, "a": {0, 1, 2}}, {"base": {None}, "a": {2}}, STAGES
    )
    assert found.seeds == {"a": (3,)}


def test_the_sentence_of_a_look() -> None:
    verdicts = {"V3": BETTER, "light": WORSE, "a": FUTILE, "b": OPEN, "c": OPEN}
    found = allocated(verdicts, dict.fromkeys(["base", *verdicts], 4))
    assert look_sentence(found.variants, STAGES, 3) == (
        "Look at 4 of 6 seeds: 2 decided (V3 better, light worse), 1 stopped as it cannot become "
        "decided, 2 go on: 3 runs more."
    )
    over = allocated({"V3": OPEN}, {"base": 6, "V3": 6})
    assert look_sentence(over.variants, STAGES, 0) == (
        "Look at 6 of 6 seeds: 1 undecided with all its seeds."
    )


@given(st.data())
def test_looking_ends_whatever_is_seen(data: st.DataObject) -> None:
    """With any verdicts and failures: seeds are added in order, to open variants and the baseline,
    within the stages, and after as many looks as there are stages for each variant it is over."""
    first = data.draw(st.integers(3, 5))
    last = data.draw(st.integers(first + 1, 12))
    stages = SeedStages(first=first, last=last, step=data.draw(st.integers(1, 4)))
    names = ["a", "b", "c"][: data.draw(st.integers(1, 3))]
    opened = {name: set(range(first)) for name in ["base", *names]}
    failed: set[tuple[str, int]] = set()
    looks = 0
    while True:
        verdicts = {
            name: data.draw(st.sampled_from([OPEN, OPEN, BETTER, SAME, FUTILE])) for name in names
        }
        for name, seeds in opened.items():
            for seed in seeds - {seed for own, seed in failed if own == name}:
                if data.draw(st.integers(0, 9)) == 0:
                    failed.add((name, seed))
        done = {
            name: {seed for seed in seeds if (name, seed) not in failed}
            for name, seeds in opened.items()
        }
        contrasts = [contrast(name, each) for name, each in verdicts.items()]
        found = next_seeds(contrasts, opened, done, stages)
        assert found == next_seeds(contrasts, opened, done, stages)
        for name, seeds in found.seeds.items():
            assert not opened[name] & set(seeds)
            assert name == "base" or found.variants[name].state == "open"
            opened[name] |= set(seeds)
            assert opened[name] == set(range(len(opened[name])))
            assert len(opened[name]) in stages.counts
        for name, each in found.variants.items():
            if each.state == "open":
                assert opened["base"] >= opened[name]
        if not found.seeds:
            break
        looks += 1
    assert looks <= len(names) * len(stages.counts)
    assert "open" not in states(found).values()
