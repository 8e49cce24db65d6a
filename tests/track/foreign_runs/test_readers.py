"""Files of other programs, byte by byte: what stands in them is read, damage is named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tempo.core.errors import MissingError, RecordError, UnknownNameError
from tempo.track.foreign_runs.checksums import crc32c
from tempo.track.foreign_runs.clip_tables import read_clip_tables
from tempo.track.foreign_runs.json_folder import read_json_folder
from tempo.track.foreign_runs.sources import kind_of
from tempo.track.foreign_runs.tensorboard_events import read_tensorboard
from tempo.track.foreign_runs.wandb_offline import read_wandb

from .wire import field, frame, items, log_records, scalar, tensor

EVENTS = "events.out.tfevents.1.host.1.0"


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283 and crc32c(b"") == 0


# --- TensorBoard -----------------------------------------------------------------------------


def write(folder: Path, content: bytes, name: str = EVENTS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def hparams(values: dict[str, bytes], status: int = 1) -> bytes:
    entries = b"".join(field(1, field(1, name) + field(2, v)) for name, v in values.items())
    out = b""
    for data in (field(3, entries), field(4, field(1, status))):
        metadata = field(1, field(1, "hparams") + field(2, data))
        out += frame(field(1, 1.0) + field(5, field(1, field(1, "_h") + field(9, metadata))))
    return out


def test_scalars_of_both_kinds_and_hyperparameters_are_read(tmp_path: Path) -> None:
    content = scalar("train/loss", 0, 0.5) + scalar("train/loss", 10, 0.25, 1060.0)
    write(tmp_path / "a_s1", content + tensor("val/psnr", 10, 30.5))
    chosen = {"lr": field(2, 0.001), "seed": field(2, 1.0), "net": field(3, "film"),
              "se": field(4, True)}  # fmt: skip
    write(tmp_path / "a_s1" / "17.5", hparams(chosen) + scalar("hparam/psnr", 0, 30.0))
    (run,) = read_tensorboard(tmp_path)
    assert run.name == "a_s1" and run.status == "FINISHED"
    assert run.history["train/loss"] == ((0, 1000.0, 0.5), (10, 1060.0, 0.25))
    assert run.history["val/psnr"] == ((10, 1000.0, 30.5),)
    assert dict(run.params) == {"lr": "0.001", "seed": "1", "net": "film", "se": "true"}
    assert (run.started, run.ended) == (1000.0, 1060.0)


def test_runs_without_hyperparameters_are_told_apart_by_their_names(tmp_path: Path) -> None:
    for name in ("a_s0", "a_s1", "b_s0"):
        write(tmp_path / name, scalar("test/psnr", 1, 30.0))
    assert [dict(run.params) for run in read_tensorboard(tmp_path)] == [
        {"name": "a"}, {"name": "a"}, {"name": "b"}
    ]  # fmt: skip


def test_a_last_event_that_was_cut_off_is_left_out_and_damage_is_named(tmp_path: Path) -> None:
    whole = scalar("loss", 0, 1.0) + scalar("loss", 1, 2.0)
    for cut in (1, 5, len(scalar("loss", 1, 2.0)) - 1):
        write(tmp_path / "cut", whole[:-cut])
        (run,) = read_tensorboard(tmp_path / "cut")
        assert run.history["loss"] == ((0, 1000.0, 1.0),)
    flipped = bytearray(whole)
    flipped[20] ^= 1
    path = write(tmp_path / "bad", bytes(flipped))
    with pytest.raises(RecordError, match=rf"{path.name} is damaged at byte 0"):
        read_tensorboard(tmp_path / "bad")
    inside = bytearray(whole)
    inside[-10] ^= 1
    write(tmp_path / "inside", bytes(inside))
    with pytest.raises(RecordError, match="its checksum does not fit"):
        read_tensorboard(tmp_path / "inside")
    write(tmp_path / "odd", frame(b"\xff\xff\xff"))
    with pytest.raises(RecordError, match="damaged event"):
        read_tensorboard(tmp_path / "odd")


# --- W&B -------------------------------------------------------------------------------------


def wandb_run(exit_code: int | None = 0, *, big: bool = False) -> bytes:
    head = field(1, "abc") + field(3, "proj") + field(6, "se=on") + field(8, "se=on_s1")
    head += field(17, field(1, 1000) + field(2, 500_000_000))
    note = "x" * (100_000 if big else 1)
    contents = [
        field(17, head),
        field(5, items({"lr": 0.001, "seed": 1, "net": {"kind": "film"}, "_wandb": {}, "n": note})),
        field(2, items({"train/loss": 0.5, "_timestamp": 1001.0}) + field(2, field(1, 0))),
        field(2, field(1, field(1, "train/loss") + field(6, 0.25))
              + items({"val": {"psnr": "NaN"}, "_timestamp": 1002.0}) + field(2, field(1, 10))),
        field(3, items({"test/psnr": 31.5, "train/loss": 0.25, "_runtime": 3})),
    ]  # fmt: skip
    return log_records(contents + ([] if exit_code is None else [field(18, field(1, exit_code))]))


@pytest.mark.parametrize("big", [False, True])
def test_an_offline_run_is_read_also_over_several_blocks(tmp_path: Path, *, big: bool) -> None:
    write(tmp_path / "offline-run-1-abc", wandb_run(big=big), "run-abc.wandb")
    (run,) = read_wandb(tmp_path)
    assert (run.id, run.name, run.experiment) == ("wandb:proj/abc", "se=on_s1", "proj")
    assert run.tags == {"variant": "se=on"} and run.status == "FINISHED"
    assert run.params["lr"] == "0.001" and run.params["net.kind"] == "film"
    assert "_wandb" not in run.params
    assert run.history["train/loss"] == ((0, 1001.0, 0.5), (10, 1002.0, 0.25))
    assert math.isnan(run.history["val/psnr"][0][2])
    assert run.history["test/psnr"] == ((10, 1002.0, 31.5),) and "_runtime" not in run.history
    assert (run.started, run.ended) == (1000.5, 1002.0)


def test_runs_that_failed_or_were_killed_say_so(tmp_path: Path) -> None:
    write(tmp_path, wandb_run(1), "run-abc.wandb")
    assert read_wandb(tmp_path)[0].status == "FAILED"
    write(tmp_path, wandb_run(None)[:-3], "run-abc.wandb")
    (run,) = read_wandb(tmp_path)
    assert run.status == "RUNNING" and run.ended is None and "test/psnr" not in run.history


def test_a_file_that_is_none_of_wandb_or_damaged_is_named(tmp_path: Path) -> None:
    write(tmp_path, b"nothing of the kind", "run-abc.wandb")
    with pytest.raises(RecordError, match="no run of W&B"):
        read_wandb(tmp_path)
    flipped = bytearray(wandb_run())
    flipped[20] ^= 1
    write(tmp_path, bytes(flipped), "run-abc.wandb")
    with pytest.raises(RecordError, match="damaged at byte 7"):
        read_wandb(tmp_path)


# --- tables and JSON -------------------------------------------------------------------------


def test_one_table_holds_many_runs(tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(
        "method,seed,clip_id,video,psnr,ssim,motion,comment\n"
        "a,0,0001,v1,30.5,0.9,2,x\na,0,0002,v1,31.5,,3,\nb,1,0001,v1,29,0.8,2,y\n"
    )
    first, second = read_clip_tables(path)
    assert (first.tags["variant"], first.tags["seed"]) == ("a", "0")
    assert first.clips is not None and first.clips.clips == ("0001", "0002")
    assert first.clips.sources == ("v1", "v1") and set(first.clips.values) == {"psnr", "ssim"}
    assert first.clips.values["psnr"] == (30.5, 31.5)
    assert math.isnan(first.clips.values["ssim"][1])
    assert first.clips.properties == {"motion": (2.0, 3.0)}
    assert (second.tags["variant"], second.tags["seed"]) == ("b", "1")


def test_a_file_a_run_is_named_by_its_name(tmp_path: Path) -> None:
    for name in ("a_s0", "a_s1", "b_s0"):
        table = pa.table({"clip": ["x", "y"], "psnr": [30.0, 31.0]})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    found = [(run.tags["variant"], run.tags["seed"]) for run in read_clip_tables(tmp_path)]
    assert found == [("a", "0"), ("a", "1"), ("b", "0")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,psnr\nx,1\n", "no column of clips"),
        ("clip,note\nx,good\n", "no metric"),
        ("clip,psnr\nx,1\nx,2\n", "names the clip 'x' twice"),
        ("clip,seed,psnr\nx,-1,2\n", "a whole number from 0"),
        ("clip,psnr\n", "0 rows"),
        ("clip,psnr,psnr\nx,1,2\n", "two columns"),
        ("", "cannot be read as a table"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "theirs.csv"
    path.write_text(text)
    with pytest.raises(RecordError, match=said):
        read_clip_tables(path)


def test_json_files_are_read_in_the_forms_that_scripts_write(tmp_path: Path) -> None:
    (tmp_path / "plain_seed3.json").write_text('{"psnr": 31.2, "note": "x", "ok": true}')
    told = {
        "variant": "b",
        "seed": 1,
        "config": {"lr": 0.1, "net": {"kind": "film"}},
        "metrics": {"psnr": 30, "val/ssim": 0.9},
        "history": {"loss": [1.0, 0.5]},
        "clips": [{"clip": 1, "video": "v", "psnr": 30.0}, {"clip": 2, "video": "v", "psnr": None}],
    }
    (tmp_path / "other.json").write_text(json.dumps(told))
    other, plain = read_json_folder(tmp_path)
    assert plain.tags == {"variant": "plain", "seed": "3"}
    assert {name: points[0][2] for name, points in plain.history.items()} == {"test/psnr": 31.2}
    assert other.tags == {"variant": "b", "seed": "1"} and other.params["net.kind"] == "film"
    assert [point[:1] + point[2:] for point in other.history["loss"]] == [(0, 1.0), (1, 0.5)]
    assert other.history["val/ssim"][0][0] == 1 and other.history["test/psnr"][0][2] == 30.0
    assert other.clips is not None and other.clips.sources == ("v", "v")
    assert math.isnan(other.clips.values["psnr"][1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1]", "not a JSON object"),
        ("{broken", "damaged"),
        ('{"note": "x"}', "holds no number"),
        ('{"clips": [1]}', "a list of objects"),
        ('{"clips": [{"psnr": 1}]}', "needs a `clip`"),
        ('{"history": [1]}', "not an object of a step"),
    ],
)
def test_what_is_wrong_with_a_json_file_is_said(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(RecordError, match=said):
        read_json_folder(tmp_path)


# --- what a path holds -----------------------------------------------------------------------


def test_what_a_path_holds_is_told_from_its_content(tmp_path: Path) -> None:
    write(tmp_path / "tb" / "deep", scalar("loss", 0, 1.0))
    write(tmp_path / "wb" / "offline-run-1", wandb_run(), "run-abc.wandb")
    (tmp_path / "js").mkdir()
    (tmp_path / "js" / "a.json").write_text("{}")
    (tmp_path / "t.csv").write_text("clip,psnr\n")
    found = {each: kind_of(str(tmp_path / each)) for each in ("tb", "wb", "js", "t.csv")}
    assert found == {"tb": "tensorboard", "wb": "wandb", "js": "json", "t.csv": "clips"}
    assert kind_of("http://127.0.0.1:1") == kind_of("old/mlflow.db") == "mlflow"
    assert kind_of("t.csv", "json") == "json"
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match="holds neither"):
        kind_of(str(tmp_path / "empty"))
    with pytest.raises(MissingError, match="neither there"):
        kind_of(str(tmp_path / "gone"))
    with pytest.raises(UnknownNameError, match="did you mean"):
        kind_of("t.csv", "jsn")
