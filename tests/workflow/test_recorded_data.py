"""Results that were measured on other pictures than a folder holds now are never passed off."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

import tempo
from tempo.data.cache.splits import SplitPlan
from tempo.data.open_dataset import planned_split
from tempo.spec.data import Video, Vimeo90k
from tests.data.test_footage import moving, write
from tests.moving_noise import picture, sequence

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


def carried_out(
    spec: str, word: str, monkeypatch: pytest.MonkeyPatch, root: Path, **options: object
) -> tuple[bool, list[str]]:
    """Carry a study out on the pictures in `root`; whether it is complete, and the notes with
    `word` in them."""
    monkeypatch.setenv("PICTURES", str(root))
    notes = Heard()
    study = tempo.load_study(spec, mlflow="off", **options)
    return study.run(observer=notes).complete, [said for said in notes.said if word in said]


def test_another_content_is_refused_and_a_moved_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder.yaml").write_text(SPEC)
    run = partial(carried_out, "folder.yaml", "recorded", monkeypatch)

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


def record_as(plan: SplitPlan) -> None:
    """Write into the records what an earlier Tempo wrote."""
    assert plan.earlier_digest is not None
    for events in Path("records").rglob("events.jsonl"):
        text = events.read_text()
        assert plan.digest in text
        events.write_text(text.replace(plan.digest, plan.earlier_digest.digest))


def test_results_before_mirrored_films_were_mirrored_are_shown_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("films.yaml").write_text(SPEC.replace("kind: frames", "kind: video"))
    films = tmp_path / "films"
    films.mkdir()
    for number, name in enumerate("abcd"):
        write(films / f"{name}.mkv", moving(5, seed=number))
    run = partial(carried_out, "films.yaml", "recorded", monkeypatch)
    assert run(films) == (True, [])
    data = Video(root=str(films), size=(32, 32), every=1, cut=255, limit=2)
    plan = planned_split(data, "test", Path("cache"))
    assert plan is not None
    record_as(plan)
    complete, (said,) = run(films)
    assert complete and said.endswith("hold unless a film is stored mirrored.")


VIMEO = """
study: triplets
data: {kind: vimeo90k, root: "${PICTURES}", val_clips: 1}
arch: {preset: tempo_v2, base_channels: 4}
recipe: {warmup: 1, batch: 2, crop: 32, budget: {steps: 2}}
evaluation: {val_every: 2, val_clips: 1, gallery: 0, metrics: [psnr]}
runtime: {device: cpu}
"""


def vimeo(root: Path, seed: int) -> Path:
    """Write four sequences in the published layout, of which the last is tested on."""
    names = [f"0000{number}/0001" for number in range(1, 5)]
    for number, name in enumerate(names):
        folder = root / "sequences" / name
        folder.mkdir(parents=True)
        for frame in (1, 2, 3):
            drawn = picture(frame, size=(256, 448), seed=seed + number)
            drawn.save(folder / f"im{frame}.png", compress_level=1)
    (root / "tri_trainlist.txt").write_text("\n".join(names[:3]))
    (root / "tri_testlist.txt").write_text(names[3])
    return root


def test_published_sets_are_known_by_their_pictures_and_early_records_by_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("triplets.yaml").write_text(VIMEO)
    run = partial(carried_out, "triplets.yaml", "record", monkeypatch)

    first, other = vimeo(tmp_path / "first", seed=0), vimeo(tmp_path / "other", seed=9)
    assert run(first) == (True, [])
    with pytest.raises(tempo.RecordError, match="was measured on other test clips than"):
        run(other)
    # The remedy that the sentence offers.
    named = tempo.load_study("triplets.yaml", overrides=["data.name=noisy"], mlflow="off")
    assert named.plan().reusable == []
    # As it was recorded when a published set was known by its names.
    plan = planned_split(Vimeo90k(root=str(first), val_clips=1), "test", Path("cache"))
    assert plan is not None
    record_as(plan)
    for root in (first, other):
        complete, (said,) = run(root)
        assert complete and "known by their names alone" in said
