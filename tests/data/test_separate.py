"""A data set of its own for each split: what is opened, what it is called, what is refused."""

import json

import pytest

from tempo.core.errors import MissingError
from tempo.data.open_dataset import check_available, open_split, prepare, shard_folders
from tempo.spec.data import DATASETS, Separate, Video, data_of
from tempo.spec.options import parse_slot
from tempo.spec.study import RunConfig, identity
from tempo.train.evaluation.run_evaluation import SpecTestSplit
from tempo.train.hardware.preflight import missing
from tests.data.test_video import moving, write_video

RENDERED = {"kind": "procedural", "size": [16, 16], "motion": [1.0, 2.0], "train_clips": 6,
            "val_clips": 2, "test_clips": 3}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    for number, name in enumerate(("a", "b", "c", "night_d")):
        write_video(root / f"{name}.mp4", moving(12, seed=number))
    return root


def videos(root, **change):
    return {"kind": "video", "root": str(root), "size": [32, 48]} | change


def separate(**parts):
    return Separate.model_validate(parts)


def test_each_split_comes_from_its_own_data_set(folder, tmp_path):
    options = separate(train=RENDERED, test=videos(folder, test=["*"]))
    splits = prepare(options, tmp_path)
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 6,
        "val": 2,
        "test": 16,
    }
    alone = parse_slot(DATASETS, RENDERED)
    assert splits["train"].digest == open_split(alone, "train", tmp_path).digest
    assert splits["val"].digest == open_split(alone, "val", tmp_path).digest
    assert {clip.source for clip in splits["test"]} == {"a.mp4", "b.mp4", "c.mp4", "night_d.mp4"}
    # Nothing was made for splits that no run reads.
    built = {path.parent for path in tmp_path.rglob("*.npy")}
    assert built == set(shard_folders(options, tmp_path))


def test_validation_may_have_a_data_set_of_its_own(folder, tmp_path):
    options = separate(
        train=RENDERED, val=RENDERED | {"seed": 1}, test=videos(folder, test=["night_*"])
    )
    assert data_of(options, "val") == parse_slot(DATASETS, RENDERED | {"seed": 1})
    assert data_of(options.train, "val") is options.train
    assert {clip.source for clip in open_split(options, "test", tmp_path)} == {"night_d.mp4"}


def test_the_training_may_be_a_mixture_with_videos_that_are_not_tested(folder, tmp_path):
    own = videos(folder, val=["a"], test=["night_*"])
    mixture = {"kind": "mixture", "parts": [{"data": RENDERED}, {"data": own, "weight": 2.0}]}
    options = separate(train=mixture, val=RENDERED, test=own)
    train = open_split(options, "train", tmp_path)
    sources = {train.locate(index)[1].source for index in range(len(train))}
    assert {name for name in sources if name.startswith("video/")} == {
        "video/b.mp4",
        "video/c.mp4",
    }


def test_what_is_judged_alone_decides_the_protocol(folder, tmp_path):
    judged = videos(folder, test=["*"])
    kinds = [RENDERED, RENDERED | {"seed": 3}]
    every = [separate(train=one, test=judged) for one in kinds]
    protocols = [
        SpecTestSplit("test", open_split(each, "test", tmp_path), each).protocol for each in every
    ]
    assert protocols[0] == protocols[1]
    assert protocols[0]["data_set"] == "video"
    recipe = {"crop": 16, "budget": {"steps": 1}}
    ids = [
        identity(RunConfig.model_validate({"data": each, "recipe": recipe}), 0) for each in every
    ]
    assert ids[0] != ids[1]


def test_a_folder_is_no_part_of_the_identity(folder, tmp_path):
    ids = {
        identity(
            RunConfig.model_validate(
                {
                    "data": separate(train=RENDERED, test=videos(root, test=["*"])),
                    "recipe": {"crop": 16, "budget": {"steps": 1}},
                }
            ),
            0,
        )
        for root in (folder, tmp_path)
    }
    assert len(ids) == 1


def test_no_stage_is_trained_on_what_is_judged(folder):
    data = separate(train=RENDERED, test=videos(folder, test=["*"]))
    stages = [{"budget": {"steps": 1}, "data": videos(folder)}]
    recipe = {"budget": {"steps": 1}, "crop": 16, "stages": stages}
    config = RunConfig.model_validate({"data": data, "recipe": recipe})
    assert len(config.datasets) == 2
    (said,) = missing(config)
    assert "would be in the train split and in the test split" in said
    apart = videos(folder, val=[], test=["night_*"])
    config = RunConfig.model_validate(
        {"data": {**data.model_dump(), "test": apart}, "recipe": recipe | {
            "stages": [{"budget": {"steps": 1}, "data": apart}]}}
    )  # fmt: skip
    assert missing(config) == []


@pytest.mark.parametrize("link", [False, True], ids=["folder", "link"])
def test_a_video_that_would_be_learned_and_judged_is_refused(folder, tmp_path, link):
    other = folder
    if link:
        other = tmp_path / "elsewhere"
        other.symlink_to(folder)
    options = separate(train=videos(folder), test=videos(other, test=["*"]))
    with pytest.raises(MissingError, match=r"\.mp4 would be in the train split and in the test"):
        check_available(options)
    apart = separate(
        train=videos(folder, stride=2, test=["a"], val=["b"]),
        test=videos(other, test=["a"], val=["b"]),
    )
    check_available(apart)


def test_the_parts_of_a_mixture_are_kept_apart_too(folder):
    parts = [{"data": videos(folder, test=[name]), "name": name} for name in ("a", "b")]
    with pytest.raises(MissingError, match="a result would be measured on what was learned"):
        check_available(parse_slot(DATASETS, {"kind": "mixture", "parts": parts}))


def test_a_split_without_a_source_is_refused(folder, tmp_path):
    with pytest.raises(MissingError, match="none is left for train and val"):
        check_available(Video.model_validate(videos(folder, test=["*"])))
    with pytest.raises(MissingError, match=r"data\.test: unknown video file 'day_\*'"):
        check_available(separate(train=RENDERED, test=videos(folder, test=["day_*"])))
    with pytest.raises(MissingError, match=r"both name a\.mp4"):
        check_available(Video.model_validate(videos(folder, val=["a"], test=["*"])))


def test_a_name_with_signs_of_a_pattern_is_taken_as_it_is(tmp_path):
    for name in ("x[1].mp4", "x1.mp4", "y.mp4", "z.mp4"):
        write_video(tmp_path / name, moving(4))
    options = separate(train=RENDERED, test=videos(tmp_path, test=["x[1]"]))
    assert {clip.source for clip in open_split(options, "test", tmp_path / "cache")} == {"x[1].mp4"}


def test_combinations_do_not_hold_one_another(folder):
    inner = {"kind": "separate", "train": RENDERED, "test": RENDERED}
    with pytest.raises(ValueError, match="not `separate` once more"):
        separate(train=inner, test=RENDERED)
    with pytest.raises(ValueError, match="not mixtures or other combinations such as 'separate'"):
        parse_slot(DATASETS, {"kind": "mixture", "parts": [{"data": inner}]})


def test_it_is_written_and_read_again(folder):
    options = separate(train=RENDERED, test=videos(folder, test=["*"]))
    text = options.model_dump_json()
    assert json.loads(text)["val"] is None
    assert parse_slot(DATASETS, json.loads(text)) == options
