"""`tempo evaluate --tta` as a user calls it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tempo.cli.main import main

from .test_evaluate import tree

__all__ = ["tree"]

MINE = """
def leaning(frames, times, t):
    left = frames[..., :1].expand(*frames.shape)
    return 0.5 * frames[:, 0] + 0.25 * frames[:, 1] + 0.25 * left[:, 1]
"""


def test_an_ensemble_is_a_protocol_of_its_own_and_pictures_are_left_as_they_are(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaning_method.py").write_text(MINE)
    words = ["evaluate", "leaning_method:leaning", "--on", "davis", "--root", f"davis={tree}"]
    words += ["--metrics", "psnr", "--json"]
    found = {}
    for tta in ("none", "flips", "flips+reverse"):
        assert main([*words, "--tta", tta]) == 0
        [found[tta]] = json.loads(capsys.readouterr().out)
    values = [each["values"]["psnr"] for each in found.values()]
    assert len({round(each, 6) for each in values}) == 3
    assert len({each["protocol_hash"] for each in found.values()}) == 3
    assert found["flips"]["protocol"]["test_time_augmentation"].startswith("mean of 4 predictions")


def test_stored_pictures_keep_their_protocol_and_a_line_says_why(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    on = ["--on", "davis", "--root", f"davis={tree}", "--metrics", "psnr"]
    assert main(["evaluate", "average", *on]) == 0
    folder = next((tmp_path / "records" / "evaluations" / "average").iterdir())
    clips = json.loads((folder / "evaluation.json").read_text())["gallery"]
    for each in clips:
        target = tmp_path / "theirs" / f"{each['clip']}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / each["prediction"], target)
        assert np.asarray(Image.open(target)).shape == (40, 48, 3)
    assert main(["evaluate", "theirs", *on, "--tta", "flips"]) == 0
    out = " ".join("".join(capsys.readouterr()).split())
    assert "its pictures exist already" in out and "does not apply" in out
