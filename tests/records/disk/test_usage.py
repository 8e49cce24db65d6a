"""Every byte of the records is counted once, as one kind, and for each study that plans the run."""

from __future__ import annotations

from pathlib import Path

from tempo.records.disk.sizes import size_of
from tempo.records.disk.usage import KINDS, RUN_KINDS, measure
from tempo.records.layout import Store

SIZES = {
    "runs/aaaaaaaa/run.json": ("events", 1),
    "runs/aaaaaaaa/events.jsonl": ("events", 2),
    "runs/aaaaaaaa/checkpoints/step-1.pt": ("checkpoints", 4),
    "runs/aaaaaaaa/gallery/deep/0.png": ("galleries", 8),
    "runs/aaaaaaaa/images/0.png": ("samples", 16),
    "runs/aaaaaaaa/clips-a1.parquet": ("tables", 32),
    "runs/aaaaaaaa/attempts/1.log": ("logs", 64),
    "runs/aaaaaaaa/evaluations/x/r.json": ("evaluations", 128),
    "runs/bbbbbbbb/run.json": ("events", 256),
    "runs/cccccccc/run.json": ("events", 512),
    "studies/one/plans/default.json": ("plans", None),
    "studies/two/plans/default.json": ("plans", None),
    "mlflow.db": ("mlflow", 1024),
    "mlflow.db-wal": ("mlflow", 2048),
    "mlartifacts/one/x.png": ("mlflow", 4096),
    "mirror/s/one/experiment.json": ("mlflow", 8192),
    "derived.db": ("derived", 64),
    "derived.db-journal": ("derived", 4),
    "ledger.db": ("other", 16384),
    "prices/x.json": ("other", 32768),
}
PLANS = {"one": ("aaaaaaaa", "bbbbbbbb", "dddddddd"), "two": ("aaaaaaaa",)}


def _write(root: Path) -> None:
    for name, (_, size) in SIZES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if size is None:
            ids = PLANS[path.parents[1].name]
            path.write_text("".join(f'{{"run_id": "{each}"}}' for each in ids))
        else:
            path.write_bytes(b"x" * size)


def test_each_file_is_of_one_kind(tmp_path: Path) -> None:
    _write(tmp_path)
    use = measure(Store(tmp_path))
    assert set(use.bytes) == set(KINDS) and set(RUN_KINDS) < set(KINDS)
    for kind in KINDS:
        names = [name for name, (of, _) in SIZES.items() if of == kind]
        assert use.files[kind] == len(names)
        assert use.bytes[kind] == sum((tmp_path / name).stat().st_size for name in names), kind
    assert sum(use.bytes.values()) == size_of(tmp_path)


def test_runs_and_studies(tmp_path: Path) -> None:
    _write(tmp_path)
    use = measure(Store(tmp_path))
    assert sum(use.runs["aaaaaaaa"].values()) == 255
    # A run that was never begun takes nothing; one that no plan names is told apart.
    assert use.studies == {
        "one": frozenset({"aaaaaaaa", "bbbbbbbb"}),
        "two": frozenset({"aaaaaaaa"}),
    }
    assert use.unplanned == {"cccccccc"}


def test_links_count_as_themselves_and_circles_end(tmp_path: Path) -> None:
    _write(tmp_path)
    before = sum(measure(Store(tmp_path)).bytes.values())
    (tmp_path / "runs/aaaaaaaa/gallery/up").symlink_to(tmp_path, target_is_directory=True)
    after = sum(measure(Store(tmp_path)).bytes.values())
    assert before < after < before + 1024
