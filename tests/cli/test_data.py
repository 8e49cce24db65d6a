"""`tempo data`, from the command line, on tiny trees of real files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tempo.cli.main import main
from tempo.data.datasets.photographs import PHOTOGRAPHS

PLAIN = ["--set", "size=[32,48]", "--set", "every=1", "--set", "val=[b]", "--set", "test=[c]"]


def sliding(seed, count):
    """Noise blocks that move 2 px a frame, 48 x 64."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 20, 3), dtype=np.uint8)
    wide = blocks.repeat(8, 0).repeat(8, 1)
    return [np.ascontiguousarray(wide[:, 2 * k : 2 * k + 64]) for k in range(count)]


@pytest.fixture
def pictures(tmp_path):
    for seed, name in enumerate("abc"):
        (tmp_path / "in" / name).mkdir(parents=True)
        for number, pixels in enumerate(sliding(seed, 8)):
            Image.fromarray(pixels).save(tmp_path / "in" / name / f"{number:03d}.png")
    return tmp_path / "in"


@pytest.fixture
def snu(tmp_path):
    root = tmp_path / "snu"
    (root / "test" / "GOPR1").mkdir(parents=True)
    for number, pixels in enumerate(sliding(0, 17), 1):
        Image.fromarray(pixels).save(root / "test" / "GOPR1" / f"{number:06d}.png")
    for level, gap in (("easy", 1), ("medium", 2), ("hard", 4), ("extreme", 8)):
        line = " ".join(f"data/SNU-FILM/test/GOPR1/{1 + k * gap:06d}.png" for k in range(3))
        (root / f"test-{level}.txt").write_bytes(f"\r\n{line}\r\n".encode())
    return root


def data(capsys, *argv):
    """(exit code, what was printed as JSON, what went to stderr)."""
    code = main(["data", *map(str, argv), "--json"])
    out = capsys.readouterr()
    return code, json.loads(out.out) if out.out else None, out.err


def test_prepare_builds_the_cache_and_says_what_is_in_it(pictures, tmp_path, capsys):
    asked = ["prepare", "frames", "--root", pictures, *PLAIN, "--cache", tmp_path / "cache"]
    code, told, _ = data(capsys, *asked)
    assert code == 0
    assert {name: split["clips"] for name, split in told["splits"].items()} == {
        "train": 6, "val": 6, "test": 6,
    }  # fmt: skip
    assert told["splits"]["train"]["pictures"] == 8
    assert told["splits"]["train"]["sizes"] == ["48x32"]
    assert told["splits"]["train"]["counts"] == {"kept": 6}
    again = data(capsys, *asked)[1]
    assert again == told


def test_bad_pictures_are_listed_and_read_again_when_repaired(tmp_path, capsys):
    root = tmp_path / "vimeo"
    names = [f"00001/{k:04d}" for k in range(1, 6)]
    for name in (*names, "00002/0001"):
        (root / "sequences" / name).mkdir(parents=True)
        for k in (1, 2, 3):
            Image.new("RGB", (448, 256), (k, 0, 0)).save(root / "sequences" / name / f"im{k}.png")
    (root / "tri_trainlist.txt").write_bytes("\r\n".join([*names, ""]).encode())
    (root / "tri_testlist.txt").write_text("\n00002/0001\n\n")
    asked = ["prepare", "vimeo90k", "--root", root, "--set", "val_clips=1", "--cache",
             tmp_path / "cache"]  # fmt: skip
    good = data(capsys, *asked)[1]
    bad = next(root / "sequences" / n for n in names if _is_train(root, n)) / "im2.png"
    whole = bad.read_bytes()
    bad.write_bytes(whole[:100])
    cache = tmp_path / "other"
    asked[-1] = cache
    code, told, _ = data(capsys, *asked)
    assert code == 0
    assert told["splits"]["train"]["clips"] == 3
    assert str(bad) in told["splits"]["train"]["notes"][0]
    assert told["lists"]["tri_trainlist.txt"]["sequences"] == 5
    assert told["lists"]["tri_trainlist.txt"]["published"] == 51313
    assert len(told["lists"]["tri_testlist.txt"]["sha256"]) == 64
    bad.write_bytes(whole)
    assert data(capsys, *asked)[1]["splits"] == good["splits"]
    # Frame 3 of the only test clip: nothing looks at it before it is decoded.
    (root / "sequences" / "00002/0001/im3.png").write_bytes(b"")
    asked[-1] = tmp_path / "third"
    assert main(["data", *map(str, asked)]) == 2
    said = capsys.readouterr().err
    assert "1 of 1 clips of the test split" in said
    assert "im3.png is not an image" in said
    assert "Traceback" not in said


def _is_train(root, name):
    from tempo.data.datasets.vimeo90k import sequences
    from tempo.spec.data import Vimeo90k

    return name in sequences(Vimeo90k(root=str(root), val_clips=1), "train")


def test_test_sets_are_read_whole_and_held_against_what_was_published(snu, capsys):
    code, told, _ = data(capsys, "prepare", "snu_film", "--root", snu)
    assert code == 1
    assert [each["test_set"] for each in told] == [
        f"snu_film_{level}" for level in ("easy", "medium", "hard", "extreme")
    ]
    assert {each["clips"] for each in told} == {1}
    assert {each["published"] for each in told} == {310}
    assert "1 clips where 310 were published" in told[0]["notes"][0]
    path = snu / "test" / "GOPR1" / "000017.png"
    path.write_bytes(path.read_bytes()[:80])
    code, told, _ = data(capsys, "prepare", "snu_film_extreme", "--root", snu)
    assert code == 1
    assert str(path) in told["notes"][1]


def test_info_tells_motion_and_draws_a_sheet(pictures, tmp_path, capsys):
    asked = ["info", "frames", "--root", pictures, *PLAIN, "--cache", tmp_path / "cache"]
    code, told, _ = data(capsys, *asked, "--split", "train", "--sheet", tmp_path / "sheet.png")
    assert code == 0
    motion = told["motion"]["train"]
    assert motion["estimated"]
    assert motion["clips"] == 6
    # 2 px a frame, scaled by 3/4, over two frames.
    assert motion["motion"]["50%"] == pytest.approx(3.0, abs=0.5)
    assert set(motion["occlusion"]) == {"0%", "10%", "25%", "50%", "75%", "90%", "100%"}
    assert told["splits"]["train"]["sources"] == 1
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size[0] > 800
        assert len(sheet.getcolors(1 << 24)) > 100
    assert motion["sheet"] == str(tmp_path / "sheet.png")


def test_info_says_whether_clips_share_a_first_correction(tmp_path, capsys):
    rendered = ["info", "procedural", "--set", "size=[48,48]", "--set", "train_clips=24",
                "--set", "val_clips=1", "--set", "test_clips=1", "--split", "train",
                "--sample", "24", "--cache", str(tmp_path)]  # fmt: skip
    code, told, _ = data(capsys, *rendered, "--set", "motion=[1,6]")
    assert code == 0
    assert told["shared_correction"]["share"] > 0.005
    assert len(told["shared_correction"]["sources"]) == len(PHOTOGRAPHS["train"])
    assert main(["data", *rendered, "--set", "motion=[1,6]"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "one 5 x 5 filter for all clips saves" in said
    assert "likely to stay at averaging" not in said
    assert main(["data", *rendered, "--set", "motion=[0,0.2]"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "is likely to stay at averaging. Let it begin with rendered clips" in said


def test_info_of_a_test_set_shows_its_protocol(snu, tmp_path, capsys):
    cache = ("--cache", tmp_path / "cache")
    code, told, _ = data(capsys, "info", "snu_film_easy", "--root", snu, *cache)
    assert code == 0
    assert told["protocol"]["data_set"] == "snu_film_easy"
    assert "Choi et al. 2020" in told["reference"]
    assert Path(told["motion"]["test"]["sheet"]).is_file()
    assert main(["data", "info", "snu_film_easy", "--root", str(snu), "--cache",
                 str(tmp_path / "cache")]) == 0  # fmt: skip
    assert "first, third path of a line" in capsys.readouterr().out


def test_the_data_of_a_spec_are_those_of_its_variants(pictures, tmp_path, capsys):
    spec = tmp_path / "study.yaml"
    kept = "size: [32, 48], every: 1, val: [b], test: [c]"
    spec.write_text(
        "study: strides\n"
        f"data: {{kind: frames, root: '{pictures}', {kept}}}\n"
        "recipe: {budget: {steps: 10}, batch: 2, crop: 16}\n"
        "factors: {stride: {path: data.stride, levels: {one: 1, two: 2}}}\n"
        "design: [{kind: factorial, factors: [stride]}]\n"
    )
    code, told, _ = data(capsys, "prepare", spec, "--cache", tmp_path / "cache")
    assert code == 0
    assert [each["data"]["stride"] for each in told] == [1, 2]
    assert [each["splits"]["train"]["clips"] for each in told] == [6, 4]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["prepare", "vimeo9k"], "unknown data set 'vimeo9k'; did you mean 'vimeo90k'?"),
        (["prepare", "video"], "root"),
        (["prepare", "video", "--root", "/no/where"], "'/no/where', which does not exist"),
        (["info", "ucf101", "--root", "/no/where"], "published with Deep Voxel Flow"),
        (["info", "ucf101", "--set", "size=3"], "a test set has no options"),
        (["prepare", "procedural", "--set", "sice=[4,4]"], "size"),
        (["prepare", "procedural", "--set", "size"], "--set is KEY=VALUE, not 'size'"),
        (["prepare", "nothing.yaml"], "nothing.yaml: there is no such file"),
    ],
)
def test_what_is_wrong_is_one_message_and_exit_code_2(argv, said, tmp_path, capsys):
    assert main(["data", *argv, "--cache", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert said in captured.err


def test_from_a_shell(pictures, tmp_path):
    command = [sys.executable, "-m", "tempo.cli.main", "data", "prepare", "frames", "--root",
               str(pictures), *PLAIN, "--jobs", "2"]  # fmt: skip
    environment = os.environ | {"TEMPO_CACHE": str(tmp_path / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "6 kept" in done.stdout
    assert (tmp_path / "cache").is_dir()
    wrong = subprocess.run([*command[:4], "prepare", "video"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr
