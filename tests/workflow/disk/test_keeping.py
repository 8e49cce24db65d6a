"""A keep policy while a study runs: what goes, and that all that needs weights still finds them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tempo
from tests.tiny_study import TINY

SPEC = (
    f"study: kept\n{TINY}".replace("steps: 4", "steps: 6").replace("gallery: 0", "gallery: 1")
    + "seeds: 2\nkeep: {checkpoints: best, galleries: 1 seed}\n"
)
CHILD = f"study: child\n{TINY}variants: {{c: {{set: {{recipe: {{init: {{from: PARENT}}}}}}}}}}\n"


def _study(folder: Path, text: str, **options: Any) -> tempo.Study:
    path = folder / "spec.yaml"
    path.write_text(text)
    places = {name: folder / name for name in ("records", "reports", "cache")}
    return tempo.load_study(path, mlflow="off", slots=1, **places, **options)


class Notes(tempo.SilentObserver):
    def __init__(self) -> None:
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def _files(study: tempo.Study) -> dict[int, tuple[int, bool]]:
    """By seed, how many checkpoints there are, and whether there are pictures."""
    store = study.options.store
    found = {}
    for run in study.expanded.runs:
        folder = store.run_dir(run.run_id)
        files = list((folder / "checkpoints").glob("*"))
        found[run.seed or 0] = (len(files), (folder / "gallery").is_dir())
    return found


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config" / "tempo" / "profile.yaml"
    path.parent.mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return path


@pytest.mark.slow
def test_a_policy_removes_files_as_runs_end_and_keeps_the_study_whole(
    tmp_path: Path, profile: Path
) -> None:
    study, notes = _study(tmp_path, SPEC), Notes()
    outcome = study.run(observer=notes)
    assert outcome.complete and outcome.comparison is not None
    assert _files(study) == {0: (1, True), 1: (1, False)}
    said = [text for text in notes.said if "keep policy" in text]
    assert len(said) == 1 and said[0].startswith("Removed ") and "the pictures of 1 run" in said[0]
    # What was removed is not made again, and nothing goes twice.
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "records/runs").rglob("*.pt")}
    again = Notes()
    assert study.run(observer=again).complete
    assert not any("keep policy" in text for text in again.said)
    assert before == {path: path.stat().st_mtime_ns for path in before}
    assert study.compare().verdict is not None and study.report().is_file()
    # The weights that results were made with are there for whoever takes or judges them.
    run = study.expanded.runs[1]
    judged = tempo.evaluate(
        run.run_id,
        on=str(tmp_path / "spec.yaml"),
        records=tmp_path / "records",
        cache=tmp_path / "cache",
    )
    assert len(judged.table()) >= 1
    child = _study(tmp_path, CHILD.replace("PARENT", run.run_id))
    assert child.run().complete


@pytest.mark.slow
def test_the_profile_of_the_user_applies_to_studies_without_a_policy(
    tmp_path: Path, profile: Path
) -> None:
    text = SPEC[: SPEC.index("keep:")]
    study = _study(tmp_path, text)
    assert study.run().complete
    everything = _files(study)
    assert all(pictures for _, pictures in everything.values())
    assert max(count for count, _ in everything.values()) > 1
    profile.write_text("keep: {checkpoints: best, after: 1h}\n")
    assert not study.apply_keep().expired
    profile.write_text("keep: {checkpoints: best}\n")
    removed = study.apply_keep()
    assert removed.expired and {each.kind for each in removed.expired} == {"checkpoints"}
    assert _files(study) == {0: (1, True), 1: (1, True)}
    assert not study.apply_keep().expired


def test_a_broken_profile_stops_a_study_before_anything_begins(
    tmp_path: Path, profile: Path
) -> None:
    profile.write_text("keep: {checkpoints: most}\n")
    study = _study(tmp_path, SPEC)
    with pytest.raises(tempo.SpecError, match=r"profile.yaml:1:21: keep.checkpoints must be"):
        study.run()
    assert not list((tmp_path / "records").glob("runs/*"))
