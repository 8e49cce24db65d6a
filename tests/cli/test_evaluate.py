"""`tempo evaluate` as a user calls it."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import tempo as api
from tempo.cli.main import main

from .conftest import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """DAVIS's layout: one sequence, 3 targets."""
    folder = tmp_path / "davis" / "scene"
    folder.mkdir(parents=True)
    down, across = np.mgrid[:40, :48]
    for number in range(7):
        wave = 128 + 90 * np.sin((across + 1.5 * number) / 4) * np.cos(down / 5)
        pixels = np.stack([wave, wave[::-1], 255 - wave], -1).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:05d}.png")
    return tmp_path / "davis"


def tempo(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tempo.cli.main", "evaluate", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )


def test_references_a_callable_and_pictures_share_one_table(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "mine.py").write_text("def first(frames, times, t):\n    return frames[:, 0]\n")
    outputs = tmp_path / "outputs" / "scene"
    outputs.mkdir(parents=True)
    words = ["average", "flow", "mine:first", "--on", "davis", "--root", f"davis={tree}"]
    words += ["--metrics", "psnr,ssim,flicker"]
    first = tempo(tmp_path, *words)
    assert first.returncode == 0, first.stderr
    assert first.stdout.count("judged in") == 3
    again = tempo(tmp_path, *words, "--json")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("recorded before") == 3
    rows = json.loads(again.stdout)
    assert [row["method"] for row in rows] == ["flow", "average", "mine:first"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert len({row["protocol_hash"] for row in rows}) == 1
    assert all(row["values"]["flicker"] > 0 for row in rows)
    for row in rows:
        (folder,) = (tmp_path / "records" / "evaluations").glob(
            f"{row['method'].replace(':', '.')}/davis-*"
        )
        assert {path.name for path in folder.iterdir()} == {
            "evaluation.json", "clips.parquet", "gallery",
        }  # fmt: skip
    # Their outputs, as 8-bit files, are another protocol unless everything is rounded.
    for index, row in enumerate(sorted((tree / "scene").glob("*1.png"))):
        assert index == 0
        (outputs / row.name).write_bytes(row.read_bytes())
    mixed = tempo(tmp_path, "average", "outputs", *words[3:], "--csv")
    assert mixed.returncode == 0, mixed.stderr
    lines = list(csv.DictReader(io.StringIO(mixed.stdout)))
    assert [(line["method"], line["rank"]) for line in lines] == [
        ("average", "1"),
        ("outputs", "1"),
    ]
    assert lines[0]["protocol"] != lines[1]["protocol"]
    assert lines[1]["broken"] == "2"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["average", "--on", "vimeo"], "vimeo90k"),
        (["average", "--on", "davis", "--root", "davis"], "--root is SET=DIR"),
        (["average", "--on", "davis", "--root", "davis=nowhere"], "nowhere"),
        (["average", "--on", "davis", "--root", "davsi={tree}"], "did you mean 'davis'"),
        (["average", "--on", "davis", "--metrics", "psmr"], "did you mean 'psnr'"),
        (["avarage", "--on", "davis", "--root", "davis={tree}"], "did you mean 'average'"),
        (["average", "--on", "davis", "--root", "davis={tree}", "--tile", "60"], "multiple of 8"),
        (["no.such.module:f", "--on", "davis", "--root", "davis={tree}"], "cannot import"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str], said: str, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = [word.replace("{tree}", str(tree)) for word in words]
    assert main(["evaluate", *argv, "--records", str(tmp_path), "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and said in error and "Traceback" not in error


OWN = """
import json
import torch

def nothing(frames, times, t):
    return frames[:, 0] * float("nan")

def broken(frames, times, t):
    return helper(frames)

def helper(frames):
    return json.loads("{")

class Unmade:
    def __init__(self):
        raise ValueError("no weights\\n  here")
"""


def test_a_method_without_numbers_says_so(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("own_nan.py").write_text(OWN)
    words = ["--on", "davis", "--root", f"davis={tree}", "--device", "cpu", "--metrics", "psnr,ie"]
    assert main(["evaluate", "own_nan:nothing", *words]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "own_nan:nothing on davis: every one of 3 predictions gives a metric that is no" in out
    # Once more, from the record.
    assert main(["evaluate", "own_nan:nothing", "average", *words]) == 1
    assert "every one of 3 predictions" in " ".join(capsys.readouterr().out.split())
    assert main(["evaluate", "average", *words]) == 0
    assert "no number" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("broken", 12, "calling own_broken:broken with frames of shape [3, 2, 3, 40, 48] failed"),
        ("Unmade", 16, "making own_broken:Unmade failed"),
    ],
)
def test_an_error_in_code_of_a_user_has_its_place_and_a_log(
    name: str,
    line: int,
    said: str,
    tmp_path: Path,
    tree: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("own_broken.py").write_text(OWN)
    words = ["--on", "davis", "--root", f"davis={tree}", "--device", "cpu", "--metrics", "psnr"]
    assert main(["evaluate", f"own_broken:{name}", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and f"own_broken.py:{line}: " in error and "Traceback" not in error
    log = Path("records/evaluations") / f"own_broken.{name}" / "error.log"
    assert str(log) in error and "Traceback" in log.read_text()


def test_a_module_that_fails_on_import_has_its_place(
    tmp_path: Path, tree: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("own_syntax.py").write_text("x = 1\ndef f(:\n")
    Path("own_failing.py").write_text("x = 1\ny = x / 0\n")
    words = ["--on", "davis", "--root", f"davis={tree}", "--device", "cpu"]
    for module, place in (("own_syntax", 2), ("own_failing", 2)):
        assert main(["evaluate", f"{module}:f", *words]) == 2
        error = capsys.readouterr().err
        assert f"importing {module} failed at " in error and f"{module}.py:{place}: " in error


def test_from_python_the_cause_of_an_error_is_kept(tmp_path: Path, tree: Path) -> None:
    def mine(frames: object, times: object, t: object) -> object:
        raise KeyError("weights")

    with pytest.raises(api.PluginError, match="mine with frames of shape") as caught:
        api.evaluate(
            mine,
            on="davis",
            roots={"davis": tree},
            records=tmp_path / "records",
            observer=api.SilentObserver(),
        )
    assert isinstance(caught.value.__cause__, KeyError)
    assert f"{__file__}:" in str(caught.value)


SLOW = """
import time, pathlib

def first(frames, times, t):
    pathlib.Path("called").touch()
    time.sleep(60)
    return frames[:, 0]
"""


def test_ctrl_c_leaves_at_once_and_writes_no_record(tmp_path: Path, tree: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-m", "tempo.cli.main", "evaluate", "slow:first", "--on", "davis",
         "--root", f"davis={tree}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    try:
        for _ in range(600):
            if (tmp_path / "called").exists():
                break
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in error
    assert not list(tmp_path.rglob("evaluation.json"))
