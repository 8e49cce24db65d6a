import hashlib

import numpy as np
import pytest

from tempo.data.datasets import procedural
from tempo.data.datasets.photographs import PHOTOGRAPHS, Photograph, read_rgb
from tempo.data.open_dataset import check_available, open_split, prepare
from tempo.spec.data import Procedural

SMALL = Procedural(
    size=(24, 32), motion=(0.0, 3.0), train_clips=10, val_clips=4, test_clips=12, seed=7
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    prepare(SMALL, folder)
    return folder


def test_photographs_are_disjoint_and_most_of_all_test():
    contents = []
    for each in PHOTOGRAPHS.values():
        assert len(each) >= 4
        contents += [hashlib.sha256(read_rgb(one.path).tobytes()).hexdigest() for one in each]
    assert len(set(contents)) == len(contents) == 15
    assert len(PHOTOGRAPHS["test"]) == max(map(len, PHOTOGRAPHS.values())) == 6


def test_clips_have_the_promised_form(cache):
    split = open_split(SMALL, "test", cache)
    assert len(split) == 12
    for clip in split:
        assert clip.frames.shape == (2, 24, 32, 3)
        assert clip.frames.dtype == clip.target.dtype == np.uint8
        assert clip.target.shape == (24, 32, 3)
        assert clip.times == (0.0, 1.0)
        assert clip.target_time == 0.5
        assert 0 <= clip.motion <= 3.1
        assert 0 <= clip.occlusion <= 1
    assert {clip.source for clip in split} == {one.name for one in PHOTOGRAPHS["test"]}
    assert len({clip.id for clip in split}) == 12


def test_no_clip_is_blank(cache):
    for name in ("train", "val", "test"):
        for clip in open_split(SMALL, name, cache):
            assert clip.target.std() > 4, clip.id


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others(tmp_path, cache):
    again = open_split(SMALL, "val", tmp_path)
    here = open_split(SMALL, "val", cache)
    other = open_split(SMALL.model_copy(update={"seed": 8}), "val", tmp_path)
    assert again.digest == here.digest != other.digest
    assert all((a.frames == b.frames).all() for a, b in zip(again, here, strict=True))
    assert not all((a.frames == b.frames).all() for a, b in zip(other, here, strict=True))


def test_a_longer_split_starts_with_the_shorter(tmp_path, cache):
    longer = open_split(SMALL.model_copy(update={"test_clips": 16}), "test", tmp_path)
    shorter = open_split(SMALL, "test", cache)
    assert longer.digest != shorter.digest
    assert all((longer[i].target == shorter[i].target).all() for i in range(len(shorter)))


def test_digest_depends_on_its_own_split_only(tmp_path):
    def digest(split, **change):
        options = SMALL.model_copy(update=change)
        return procedural.plan_split(options, split, tmp_path).digest

    assert digest("test") == digest("test", train_clips=99, target_times="any")
    assert digest("train") != digest("train", target_times="any")
    assert len({digest("test"), digest("test", motion=(0.0, 4.0)), digest("val")}) == 3


@pytest.mark.parametrize("count", [8, 16, 40, 128])
def test_levels_fill_the_motion_range_evenly_for_any_number_of_clips(count):
    options = Procedural(motion=(1.0, 9.0))
    levels = np.sort([procedural.level(options, index) for index in range(count)])
    even = 1 + 8 * (np.arange(count) + 0.5) / count
    assert np.abs(levels - even).max() < 8 * 2 / count


def test_mean_motion_grows_with_the_level():
    options = Procedural(size=(32, 32), motion=(0.0, 6.0))
    levels = [procedural.level(options, index) for index in range(24)]
    means = []
    for index in range(24):
        truth = procedural.compose(options, "test", index)[1].truth(0.5)
        means.append(np.linalg.norm(truth.motion, axis=-1).mean())
    assert np.corrcoef(levels, means)[0, 1] > 0.9


def test_any_target_times_are_rendered_at_those_times(tmp_path):
    options = SMALL.model_copy(update={"target_times": "any", "train_clips": 3})
    split = open_split(options, "train", tmp_path)
    times = set()
    for index in range(3):
        shard, entry = split.locate(index)
        assert len(entry.targets) == procedural.TARGETS_AT_ANY_TIME
        assert all(0 < time < 1 for time in entry.target_times)
        times.update(entry.target_times)
        made = procedural.compose(options, "train", index)[1]
        for place, time in zip(entry.targets, entry.target_times, strict=True):
            np.testing.assert_array_equal(shard.pixels[place], made.render(time))
    assert len(times) == 12
    assert all(clip.target_time == 0.5 for clip in open_split(options, "val", tmp_path))


def test_averaging_leaves_room_for_a_network(tmp_path):
    options = Procedural(size=(48, 48), motion=(1.0, 4.0), test_clips=32)
    scores = []
    for clip in open_split(options, "test", tmp_path):
        blend = clip.frames.astype(float).mean(0)
        scores.append(10 * np.log10(255**2 / ((blend - clip.target) ** 2).mean()))
    assert 24 < np.mean(scores) < 32


def test_a_missing_package_or_file_is_named():
    with pytest.raises(Exception, match="ships inside no_such_package, which is not installed"):
        _ = Photograph("x", "no_such_package", "x.png").path
    with pytest.raises(Exception, match=r"should be at .*nothing\.png, and is not"):
        _ = Photograph("x", "skimage", "data/nothing.png").path
    check_available(SMALL)
