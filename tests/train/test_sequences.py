"""Predictions beside their neighbours in time, and motion where the data set does not know it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skimage import data

from tempo.data.clips import Clip
from tempo.train.evaluation.clip_evaluation import Judged, Row
from tempo.train.evaluation.evaluator import Motions
from tempo.train.evaluation.temporal_sequences import (
    judge_in_time,
    share_of_stretches,
    stretches,
    surrounding,
)
from tempo.train.hardware.process_group import Group

PHOTOGRAPH = data.astronaut()


def view(shift):
    return np.ascontiguousarray(PHOTOGRAPH[100:148, 120 + shift : 184 + shift])


def clip(index, inputs, target, times=(0.0, 1.0), motion=None):
    first, last = inputs
    return Clip(
        id=f"c{index}",
        source="s",
        frames=np.stack([view(first), view(last)]),
        times=times,
        target=view(target),
        target_time=(target - first) / (last - first),
        motion=motion,
        occlusion=None,
    )


def judged(index, made, error=0.0):
    row = Row(index, made.id, made.source, made.motion, made.occlusion, {"psnr": 1.0})
    pixels = torch.from_numpy(made.target).permute(2, 0, 1).float() / 255
    return Judged(row, made, pixels * (1 - error))


def split_of(*entries):
    """Entries (shard, source, inputs, target) as a split."""
    shards = {}
    made = [
        (
            shards.setdefault(shard, object()),
            SimpleNamespace(source=source, inputs=inputs, targets=(target,)),
        )
        for shard, source, inputs, target in entries
    ]

    class Fake:
        locate = staticmethod(made.__getitem__)

        def __len__(self):
            return len(made)

    return Fake()


def test_stretches_are_clips_of_a_source_that_share_pictures():
    split = split_of(
        ("a", "x", (0, 2), 1),
        ("a", "x", (2, 4), 3),
        ("a", "x", (5, 7), 6),
        ("a", "y", (7, 9), 8),
        ("b", "y", (7, 9), 8),
        ("b", "y", (7, 11), 10),
    )
    assert stretches(split) == [range(2), range(2, 3), range(3, 4), range(4, 6)]


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_processes_share_whole_stretches(world):
    found = [range(3), range(3, 4), range(4, 8), range(8, 9)]
    shares = [share_of_stretches(found, Group(rank=rank, world=world)) for rank in range(world)]
    assert sorted(index for share in shares for index in share) == list(range(9))
    assert all(share == sorted(share) for share in shares)
    assert any(set(range(4, 8)) <= set(share) for share in shares)


def test_flicker_is_given_where_targets_follow_each_other_and_only_there():
    clips = [clip(0, (0, 4), 2), clip(1, (4, 8), 6), clip(2, (20, 24), 22)]
    errors = (0.0, 0.1, 0.2)
    found = list(
        judge_in_time(
            (
                judged(i, each, error)
                for i, (each, error) in enumerate(zip(clips, errors, strict=True))
            ),
            [range(2), range(2, 3)],
            ("psnr", "flicker", "warping"),
        )
    )
    assert [each.row.index for each in found] == [0, 1, 2]
    assert all("warping" in each.row.values and "psnr" in each.row.values for each in found)
    assert found[0].row.values["flicker"] == pytest.approx(found[1].row.values["flicker"])
    assert found[0].row.values["flicker"] > 1
    assert "flicker" not in found[2].row.values


def test_a_clip_left_out_parts_its_neighbours():
    clips = {0: clip(0, (0, 4), 2), 2: clip(2, (8, 12), 10)}
    rows = judge_in_time((judged(i, c) for i, c in clips.items()), [range(3)], ("flicker",))
    assert all("flicker" not in each.row.values for each in rows)


def test_predictions_between_the_same_inputs_are_each_others_neighbours():
    """A prediction that is wrong shows in the step from the one before, not from the input."""
    names = ("warping",)
    pair = [clip(0, (0, 12), 4), clip(1, (0, 12), 8)]
    wrong = [judged(0, pair[0], 0.3), judged(1, pair[1])]
    together = [dict(j.row.values) for j in judge_in_time(wrong, [range(2)], names)]
    wrong = [judged(0, pair[0], 0.3), judged(1, pair[1])]
    alone = [dict(j.row.values) for j in judge_in_time(wrong, [range(1), range(1, 2)], names)]
    assert together[1]["warping"] > 5 * alone[1]["warping"]


def test_frame_metrics_alone_need_no_neighbours():
    rows = [judged(0, clip(0, (0, 4), 2))]
    assert list(judge_in_time(iter(rows), [range(1)], ("psnr", "ssim"))) == rows


@pytest.mark.parametrize(
    ("times", "moment", "expected"),
    [((0, 1), 0.5, (0, 1)), ((0, 0.3, 0.6, 1), 0.5, (1, 2)), ((0, 0.5, 1), 0.5, (0, 1)),
     ((0, 0.5, 1), 1.0, (1, 2)), ((0, 1), 0.0, (0, 1))],
)  # fmt: skip
def test_the_inputs_around_a_target(times, moment, expected):
    assert surrounding(SimpleNamespace(times=times, target_time=moment)) == expected


def test_motion_is_estimated_once_and_what_is_known_stays(tmp_path, monkeypatch):
    clips = [clip(0, (0, 4), 2), clip(1, (0, 4), 2, motion=99.0)]
    found = [
        each.row
        for each in Motions(tmp_path / "motion", "d").describe(
            judged(i, each) for i, each in enumerate(clips)
        )
    ]
    assert found[0].motion == pytest.approx(4, abs=0.5)
    assert found[1].motion == 99.0
    assert found[0].occlusion == found[1].occlusion is not None
    (kept,) = (tmp_path / "motion").iterdir()
    assert set(json.loads(kept.read_text())) == {"c0", "c1"}
    monkeypatch.setattr("tempo.train.evaluation.evaluator.estimate_motion", None)
    again = list(Motions(tmp_path / "motion", "d").describe([judged(0, clips[0])]))
    assert again[0].row == found[0]


def test_a_damaged_memory_of_motion_is_made_again(tmp_path):
    first = Motions(tmp_path, "d")
    list(first.describe([judged(0, clip(0, (0, 4), 2))]))
    (kept,) = tmp_path.iterdir()
    kept.write_text(kept.read_text()[:20])
    rows = list(Motions(tmp_path, "d").describe([judged(0, clip(0, (0, 4), 2))]))
    assert rows[0].row.motion == pytest.approx(4, abs=0.5)
    assert "c0" in json.loads(kept.read_text())


def test_motion_of_pictures_too_small_for_a_flow_stays_missing(tmp_path):
    small = clip(0, (0, 4), 2)
    cut = Clip(
        id="small", source="s", frames=small.frames[:, :12, :12], times=(0.0, 1.0),
        target=small.target[:12, :12], target_time=0.5, motion=None, occlusion=None,
    )  # fmt: skip
    rows = list(Motions(tmp_path, "d").describe([judged(0, cut)]))
    assert rows[0].row.motion is None
    assert rows[0].row.occlusion is None
