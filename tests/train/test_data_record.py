"""What the record says about data: a bad clip is counted, and a run keeps to one data set."""

import numpy as np
import pytest

from tempo.core.errors import RunError
from tempo.data.cache.shards import Entry, Shard, write_shard
from tempo.data.cache.splits import Split
from tempo.records.events import AttemptStarted, Logged
from tempo.train.run.environment_record import check_same_data, left_out


def started(attempt, data):
    event = AttemptStarted(resumed_step=0, total_steps=9, environment={"data": data})
    return Logged(event=event, time=0.0, attempt=attempt)


def test_clips_left_out_are_counted_and_named(tmp_path):
    def fill(writer):
        place = writer.picture(np.zeros((4, 4, 3), np.uint8))
        clip = Entry(id="good", source="s", inputs=(place, place), times=(0.0, 1.0),
                     targets=(place,), target_times=(0.5,))  # fmt: skip
        writer.clip(clip)
        writer.skip("00001/0007", "Vimeo-90K: cannot read im2.png")

    write_shard(tmp_path / "one", (4, 4), fill)
    split = Split("train", "d", [Shard(tmp_path / "one")])
    (note,) = left_out({"train": split}, step=3)
    assert note.message == "1 of 2 clips of train are unreadable and left out: 00001/0007"
    assert note.values == {"split": "train", "unreadable": 1, "clips": 2}
    assert (note.topic, note.step) == ("data", 3)


def test_a_run_goes_on_with_the_data_it_began_with():
    past = [started(1, {"train": "a", "val": "b", "test": "c"})]
    check_same_data(past, {"train": "a", "val": "b", "test": "c"}, step=5)
    with pytest.raises(RunError, match="since this run reached step 5: train, test") as caught:
        check_same_data(past, {"train": "x", "val": "b", "test": "y"}, step=5)
    assert caught.value.failure == "data"


def test_what_starts_over_may_use_other_data():
    check_same_data([started(1, {"train": "a"})], {"train": "x"}, step=0)
    check_same_data([], {"train": "x"}, step=5)
