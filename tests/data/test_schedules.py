"""Data that follow a schedule over the budget: shares of a mixture, spacing, ranges of motion."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tempo.core.budget_course import END, Course, Moment, Ramp
from tempo.data.batches import TrainBatches
from tempo.data.cache.mixed_split import MixedSplit, Part
from tempo.data.cache.shards import Entry, Shard, write_shard
from tempo.data.cache.splits import Split, Window, WindowedSplit
from tempo.data.datasets.procedural import level
from tempo.data.open_dataset import open_split, shard_folders
from tempo.spec.data import Mixture, Procedural, X4k1000fps
from tempo.spec.recipe import Augment

PLAIN = Augment(flips=False, rot90=False, time_reversal=False)


def shard(folder: Any, clips: int, pictures: int = 2) -> Shard:
    def fill(writer: Any) -> None:
        for clip in range(clips):
            places = [writer.picture(np.full((8, 8, 3), clip, np.uint8)) for _ in range(pictures)]
            writer.clip(
                Entry(
                    id=str(clip), source="s", inputs=(places[0], places[-1]),
                    targets=tuple(places), times=(0.0, 1.0),
                    target_times=tuple(np.linspace(0, 1, pictures)),
                )
            )  # fmt: skip

    write_shard(folder, (8, 8), fill)
    return Shard(folder)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Split]:
    folder = tmp_path_factory.mktemp("parts")
    lengths = {"a": 30, "b": 20, "c": 10}
    return {name: Split("train", name, [shard(folder / name, n)]) for name, n in lengths.items()}


def mixed(parts: dict[str, Split], **ramps: Ramp) -> MixedSplit:
    return MixedSplit(
        "train",
        [Part(name, r.first, parts[name], r.start, r.last) for name, r in ramps.items()],
    )


def drawn(split: Split, samples: int, seed: int = 0) -> list[str]:
    """The ids of the clips of a training, in order."""
    epochs = -(-samples // len(split))
    orders = np.concatenate([split.order(seed, epoch) for epoch in range(epochs)])
    return [split.locate(int(index))[1].id for index in orders[:samples]]


def test_a_moment_and_a_course_say_where_a_step_lies() -> None:
    course = Course((5, 10), 4)
    assert [course.at(step) for step in (0, 4, 5, 14)] == [
        Moment(0, 5), Moment(4, 5), Moment(0, 10), Moment(9, 10)
    ]  # fmt: skip
    assert course.at(15) is END and list(course.spans()) == [(0, 20), (20, 40)]
    assert [Moment(step, 10).passed([0.25, 0.5]) for step in (0, 1, 2, 4, 5, 9)] == [
        0, 0, 1, 1, 2, 2
    ]  # fmt: skip


@given(
    first=st.floats(0.1, 10),
    last=st.floats(0, 10),
    start=st.floats(0, 0.9),
    samples=st.integers(1, 700),
    seed=st.integers(0, 3),
)
def test_parts_are_seen_as_often_as_their_weights_over_the_budget_say(
    parts: dict[str, Split], first: float, last: float, start: float, samples: int, seed: int
) -> None:
    ramps = {"a": Ramp(1.0), "b": Ramp(first, last), "c": Ramp(2.0, 0.5, start)}
    split = mixed(parts, **ramps).within(Course((samples,), 1))
    seen = drawn(split, samples, seed)
    where = (np.arange(20 * samples) + 0.5) / (20 * samples)
    weights = np.array([[ramp.at(place) for place in where] for ramp in ramps.values()])
    shares = weights / weights.sum(0)
    counts = Counter(name.split("/")[0] for name in seen)
    # Within one clip of the exact number, and what a hundred pieces of constant shares miss.
    for name, expected in zip(ramps, shares.mean(1) * samples, strict=True):
        assert abs(counts[name] - expected) < 2 + samples / 100
    half = samples // 2
    counts = Counter(name.split("/")[0] for name in seen[:half])
    for name, share in zip(ramps, shares[:, : 20 * half].sum(1) / 20, strict=True):
        assert abs(counts[name] - share) < 3 + samples / 50
    assert [each for each in seen[: round(start * samples)] if each[0] == "c"] == []


def test_small_shares_add_up_over_pieces_that_hold_less_than_a_clip_of_them(
    parts: dict[str, Split],
) -> None:
    split = mixed(parts, a=Ramp(1.0), b=Ramp(0.04, 0.0401)).within(Course((300,), 1))
    counts = Counter(name[0] for name in drawn(split, 300))
    assert abs(counts["b"] - 300 * 0.04 / 1.04) <= 1


@given(steps=st.integers(1, 60), seed=st.integers(0, 3))
def test_each_clip_is_seen_before_any_is_seen_again(
    parts: dict[str, Split], steps: int, seed: int
) -> None:
    split = mixed(parts, a=Ramp(1.0, 0.0), b=Ramp(0.0, 1.0)).within(Course((steps,), 7))
    seen = [name for name in drawn(split, 7 * steps, seed) if name[0] == "b"]
    counts = Counter(seen)
    assert not counts or len(counts) == min(20, len(seen))
    assert not counts or max(counts.values()) - min(counts.values()) <= 1


def test_a_second_stage_begins_its_schedule_anew_and_goes_on_with_the_clips(
    parts: dict[str, Split],
) -> None:
    split = mixed(parts, a=Ramp(1.0, 0.0), b=Ramp(0.0, 1.0)).within(Course((20, 20), 5))
    seen = drawn(split, 200)
    for first in (0, 100):
        early, late = seen[first : first + 30], seen[first + 70 : first + 100]
        assert Counter(each[0] for each in early)["a"] > 20
        assert Counter(each[0] for each in late)["b"] > 20
    counts = Counter(name for name in seen if name[0] == "a")
    assert max(counts.values()) - min(counts.values()) <= 1, "rounds go on over the border"


def test_without_a_schedule_nothing_depends_on_the_length_of_a_training(
    parts: dict[str, Split],
) -> None:
    bare = mixed(parts, a=Ramp(1.0), b=Ramp(3.0))
    for course in (Course((7,), 4), Course((3, 50), 4)):
        within = bare.within(course)
        assert within.digest == bare.digest
        for epoch in range(5):
            np.testing.assert_array_equal(within.order(1, epoch), bare.order(1, epoch))


def test_a_schedule_is_in_the_digest_and_the_course_is_not(parts: dict[str, Split]) -> None:
    made = [
        mixed(parts, a=Ramp(1.0), b=b)
        for b in (Ramp(1.0), Ramp(1.0, 2.0), Ramp(1.0, None, 0.5), Ramp(1.0, 2.0, 0.5))
    ]
    assert len({each.digest for each in made}) == 4
    assert made[1].within(Course((5,), 2)).digest == made[1].digest


def test_what_is_judged_does_not_depend_on_the_shares(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    judged: dict[str, set[str]] = {"val": set(), "test": set()}
    trained: set[str] = set()
    for over in ({}, {"weight": 3.0}, {"final": 0.0}, {"start": 0.5}):
        parts = [{"data": TINY | {"seed": 1}, "name": "a"}, {"data": TINY, "name": "b", **over}]
        spec = Mixture.model_validate({"parts": parts})
        trained.add(open_split(spec, "train", cache).digest)
        for name, found in judged.items():
            found.add(open_split(spec, name, cache).judged_digest)  # type: ignore[arg-type]
    assert len(trained) == 4
    assert {name: len(found) for name, found in judged.items()} == {"val": 1, "test": 1}


def test_spacing_follows_the_budget_and_judging_keeps_the_last(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    pictures = shard(tmp_path_factory.mktemp("x") / "shard", 6, 65)
    window = Window(spacing=32, any_time=False, earlier=((0.25, 4), (0.5, 16)))
    split = WindowedSplit("train", "d", [pictures], window)
    batches = TrainBatches(split, seed=0, batch=3, crop=8, augment=PLAIN, course=Course((8,), 3))

    def spacings(step: int) -> set[int]:
        moment = Course((8,), 3).at(step)
        entries = [split.draw(index, 0, 0, moment)[1] for index in range(6)]
        return {each.inputs[1] - each.inputs[0] for each in entries}

    assert [spacings(step) for step in range(8)] == [{4}] * 2 + [{16}] * 2 + [{32}] * 4
    assert {entry.inputs[1] - entry.inputs[0] for _, entry in map(split.locate, range(6))} == {32}
    assert all(batches.batch(step).target_time.tolist() == [0.5] * 3 for step in range(8))


SLOW = {"until": 0.5, "motion": [0.0, 1.0]}
TINY: dict[str, Any] = {
    "kind": "procedural", "size": [16, 16], "motion": [0.0, 4.0],
    "train_clips": 40, "val_clips": 2, "test_clips": 2,
}  # fmt: skip


def test_motion_keeps_to_its_range_and_no_clip_of_it_is_seen_more_than_others(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    cache = tmp_path_factory.mktemp("cache")
    whole = Procedural.model_validate(TINY)
    graded = Procedural.model_validate(TINY | {"progressive_motion": [SLOW]})
    split, plain = (open_split(each, "train", cache) for each in (graded, whole))
    assert split.digest != plain.digest
    assert shard_folders(graded, cache) == shard_folders(whole, cache), "rendered once"
    for name in ("val", "test"):
        digests = {open_split(each, name, cache).digest for each in (graded, whole)}  # type: ignore[arg-type]
        assert len(digests) == 1
    course = Course((20,), 4)
    given = {"seed": 0, "batch": 4, "crop": 16, "augment": PLAIN, "course": course}
    batches = TrainBatches(split, **given)  # type: ignore[arg-type]
    same = TrainBatches(plain, **given)  # type: ignore[arg-type]
    inside = [index for index in range(40) if level(whole, index) <= 1.0]
    seen = Counter(index for step in range(10) for index in batches.batch(step).indices.tolist())
    assert set(seen) == set(inside) and 4 < len(inside) < 40
    assert max(seen.values()) - min(seen.values()) <= 1, "40 samples are an epoch"
    for step in range(10, 20):
        assert batches.batch(step).frames.equal(same.batch(step).frames)


def test_parts_of_a_mixture_follow_their_own_schedules(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    spec = Mixture.model_validate(
        {
            "parts": [
                {"data": TINY | {"progressive_motion": [SLOW]}, "final": 0.0},
                {"data": TINY | {"seed": 1, "train_clips": 10}, "name": "other", "start": 0.5},
            ]
        }
    )
    split = open_split(spec, "train", tmp_path_factory.mktemp("cache"))
    batches = TrainBatches(split, seed=0, batch=5, crop=16, augment=PLAIN, course=Course((20,), 5))
    early, late = (
        [index for step in steps for index in batches.batch(step).indices.tolist()]
        for steps in (range(10), range(15, 20))
    )
    levels = Procedural.model_validate(TINY)
    assert all(index < 40 and level(levels, index) <= 1.0 for index in early)
    assert sum(index >= 40 for index in late) > len(late) * 0.6


@pytest.mark.parametrize("clips", [1, 2, 3, 7, 40, 333])
def test_a_range_that_the_rule_accepts_holds_a_clip(clips: int) -> None:
    options = Procedural.model_validate(TINY | {"train_clips": clips, "motion": [1.0, 3.0]})
    levels = sorted([1.0, 3.0, *(level(options, index) for index in range(clips))])
    assert max(np.diff(levels)) < 2 * 2.0 / clips


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([{"until": 0.5, "motion": [0.0, 5.0]}], "within motion, 0 to 4 px, and rises; 0 to 5"),
        ([{"until": 0.5, "motion": [2.0, 1.0]}], "2 to 1 does not"),
        ([{"until": 0.5, "motion": [1.0, 1.1]}], "may hold no clip.* at least 0.2 px wide"),
        ([SLOW, SLOW], r"progressive_motion: `until` rises from entry to entry, not \[0.5, 0.5\]"),
        ([{"until": 1.0, "motion": [0.0, 1.0]}], "less than 1"),
    ],
)
def test_ranges_that_mean_nothing_are_refused(ranges: list[Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Procedural.model_validate(TINY | {"progressive_motion": ranges})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"progressive_spacing": [{"until": 0.5, "spacing": 65}]}, "less than or equal to 64"),
        (
            {"progressive_spacing": [{"until": 0.5, "spacing": 5}], "target_times": "middle"},
            "middle needs an even spacing, not 5",
        ),
        (
            {"progressive_spacing": [{"until": u, "spacing": 4} for u in (0.5, 0.2)]},
            "progressive_spacing: `until` rises",
        ),
    ],
)
def test_spacings_that_mean_nothing_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        X4k1000fps.model_validate({"root": "x", **options})
