"""Results that were measured on other pictures than a folder holds now are never passed off."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import tempo
from tests.moving_noise import sequence

from .heard import Heard

SPEC = """
study: folder
data: {kind: frames, root: "${PICTURES}", size: [32, 32], every: 1, cut: 255, limit: 2}
arch: {preset: tempo_v2, base_channels: 4}
recipe: {warmup: 1, batch: 2, crop: 32, budget: {steps: 2}}
evaluation: {val_every: 2, val_clips: 2, gallery: 0}
runtime: {device: cpu}
references: [average]
"""


def draw(root: Path, seed: int) -> Path:
    """Write four sequences of moving pictures."""
    for name in "abcd":
        sequence(root / name, frames=5, seed=seed)
    return root


def test_another_content_is_refused_and_a_moved_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.yaml").write_text(SPEC)

    def run(root: Path, **options: bool) -> tuple[bool, list[str]]:
        monkeypatch.setenv("PICTURES", str(root))
        notes = Heard()
        study = tempo.load_study("folder.yaml", mlflow="off", **options)
        return study.run(observer=notes).complete, [s for s in notes.said if "recorded" in s]

    first = draw(tmp_path / "first", seed=0)
    assert run(first) == (True, [])
    other = draw(tmp_path / "other", seed=1)
    with pytest.raises(tempo.RecordError, match="was measured on other test clips than") as caught:
        run(other)
    assert str(other) in str(caught.value) and "`name` of its own" in str(caught.value)
    assert run(other, reuse_stale=True)[0]
    moved = tmp_path / "moved"
    shutil.move(first, moved)
    assert run(moved) == (True, [])
    complete, (said,) = run(tmp_path / "nowhere")
    assert complete and said.startswith("Results are shown as recorded: ")
