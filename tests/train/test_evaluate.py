"""Evaluation: clips alone or in batches, which clips are kept, what a table holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from tempo.core.errors import StoppedError
from tempo.data.cache.splits import Split
from tempo.data.open_dataset import open_split
from tempo.metrics.references import REFERENCES
from tempo.models.family import build_model
from tempo.train.evaluation import clip_evaluation as evaluate
from tempo.train.evaluation.clip_evaluation import Row, collect, judge, means
from tempo.train.evaluation.evaluator import write_clip_table
from tempo.train.evaluation.kept_pictures import choose_gallery
from tempo.train.hardware.process_group import Group
from tempo.train.run.stop_request import StopRequest

from .conftest import Make, config

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def split(cache: Path) -> Split:
    return open_split(config({"data": {"test_clips": 40}}).data, "test", cache)


def rows_of(split: Split, indices: range) -> list[Row]:
    made = config()
    model = build_model(made.arch, 3)
    random = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(model.head.last.weight, std=0.01, generator=random)
    return [each.row for each in judge(model, split, indices, CPU, StopRequest())]


def test_a_clip_scores_the_same_alone_and_in_company(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = rows_of(split, range(9))
    monkeypatch.setattr(evaluate, "MOST_CLIPS", 1)
    alone = rows_of(split, range(9))
    for one, other in zip(together, alone, strict=True):
        assert one.clip == other.clip
        assert one.values == pytest.approx(other.values, abs=1e-4)


def test_numbers_agree_with_scikit_image(split: Split) -> None:
    for judged in judge(REFERENCES["average"], split, range(4), CPU, StopRequest()):
        frames = judged.clip.frames.astype(np.float64) / 255
        expected = peak_signal_noise_ratio(
            judged.clip.target / 255.0, frames.mean(axis=0), data_range=1.0
        )
        assert judged.row.values["psnr"] == pytest.approx(expected, abs=1e-4)


def test_a_stop_ends_evaluation_and_is_raised_for_all(split: Split) -> None:
    stop = StopRequest()
    stop.signal = "SIGTERM"
    assert list(judge(REFERENCES["average"], split, range(5), CPU, stop)) == []
    with pytest.raises(StoppedError, match="SIGTERM"):
        collect([], Group(), stop)


def test_the_gallery_spreads_over_motion_and_depends_on_the_split_alone(split: Split) -> None:
    chosen = choose_gallery(split, 8)
    assert len(set(chosen)) == 8 and chosen == choose_gallery(split, 8)
    motion = [split[index].motion for index in range(len(split))]
    ranks = np.argsort(np.argsort(motion))
    assert [ranks[index] // 5 for index in chosen] == list(range(8))
    assert sorted(choose_gallery(split, 1000)) == list(range(40))
    assert choose_gallery(split, 0) == ()


def test_unknown_motion_stays_unknown(tmp_path: Path) -> None:
    rows = [
        Row(0, "a", "s", None, None, {"psnr": 30.0}),
        Row(1, "b", "s", 1.5, 0.25, {"psnr": 20.0}, target_time=0.125),
    ]
    write_clip_table(tmp_path / "clips.parquet", rows)
    table = pd.read_parquet(tmp_path / "clips.parquet")
    assert table["motion"].isna().tolist() == [True, False]
    assert table["occlusion"][1] == 0.25
    assert table["target_time"].isna().tolist() == [True, False]
    assert table["target_time"][1] == 0.125
    assert means(rows) == {"psnr": 25.0}


def test_gallery_pictures_are_the_clips_own(undisturbed: Make, cache: Path) -> None:
    from tempo.records.run_record import read_run

    folder = undisturbed()
    test = open_split(config().data, "test", cache)
    by_id = {clip.id: clip for clip in test}
    record = read_run(folder).test
    assert record is not None
    for entry in record.gallery:
        clip = by_id[entry["clip"]]
        assert np.array_equal(np.asarray(Image.open(folder / entry["input0"])), clip.frames[0])
        assert np.array_equal(np.asarray(Image.open(folder / entry["target"])), clip.target)
        prediction = np.asarray(Image.open(folder / entry["prediction"]))
        assert prediction.shape == clip.target.shape
