"""What is derived from records is remembered, and never taken for what the record says now."""

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from tempo.comparison.build import compare
from tempo.core.errors import RecordError
from tempo.core.records import RunStatus
from tempo.launch.study_status import study_status
from tempo.ledger.sql import SqliteLedger
from tempo.records import event_log
from tempo.records.event_log import EventLog, Tail, is_complete, read_events
from tempo.records.events import (
    AttemptStarted,
    CheckpointSaved,
    Finished,
    ImageSaved,
    Trained,
    Validated,
)
from tempo.records.layout import Store, load_run
from tempo.records.memory import derived_values
from tempo.records.memory.derived_values import NAME, remembering
from tempo.records.memory.kept_curves import columns, field_of, names_of
from tempo.records.progress import Progress
from tempo.records.reuse import reuse_status
from tempo.records.run_record import read_result, read_run
from tests.record_generator import Arm, Study, write_study


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were written a moment ago count as those of last week."""
    monkeypatch.setattr(derived_values, "SETTLED_NS", 0)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("written") / "records"
    arms = [Arm(name="a"), Arm(name="b", gain=0.5, broken=frozenset({1}))]
    write_study(root, Study(arms=arms, seeds=2, clips=8, sources=4, baseline="a"))
    return root


@pytest.fixture
def root(written: Path, tmp_path: Path) -> Path:
    shutil.copytree(written, tmp_path / "records")
    return tmp_path / "records"


def folders(root: Path) -> list[Path]:
    return sorted((root / "runs").iterdir())


def progress_of(folder: Path) -> Progress:
    tail = Tail(folder)
    tail.catch_up()
    tail.progress.curve = dict(tail.progress.curve)
    return tail.progress


def all_that_is_read(root: Path) -> list[object]:
    return [
        (
            read_result(each),
            read_run(each),
            progress_of(each),
            is_complete(each),
            reuse_status(each),
        )
        for each in folders(root)
    ]


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Note each log that is opened."""
    opened: list[Path] = []
    original = event_log.open_file

    def noted(path: Path, *given: int) -> object:
        opened.append(path)
        return original(path, *given)

    monkeypatch.setattr(event_log, "open_file", noted)
    return opened


def test_what_is_remembered_is_what_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = all_that_is_read(root)
    with remembering(root):
        assert all_that_is_read(root) == plain
    opened = count_reads(monkeypatch)
    with remembering(root):
        assert all_that_is_read(root) == plain
    assert opened == []
    assert all_that_is_read(root) == plain
    assert opened != []


def test_a_plan_finds_what_a_status_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = [reuse_status(each) for each in folders(root)]
    assert sum(each.complete and each.stale for each in plain) == len(plain) - 1
    store = Store(root)
    study_status(store.load_plan("planted"), store, SqliteLedger(root / "ledger.db"))
    opened = count_reads(monkeypatch)
    with remembering(root):
        assert [reuse_status(each) for each in folders(root)] == plain
    assert opened == []


def test_the_environments_that_count_are_told(root: Path) -> None:
    folder = folders(root)[0]
    first = progress_of(folder).environments

    def add(attempt: int, **start: object) -> Progress:
        with EventLog(folder, attempt) as log:
            log.append(AttemptStarted(total_steps=9, **start))
            log.append(Finished(status="stopped", step=1, seconds=1, train_seconds=1,
                                peak_memory=1))  # fmt: skip
        with remembering(root):
            found = progress_of(folder)
        with remembering(root):
            assert progress_of(folder) == found
        return found

    resumed = {"host": "b", "bad": float("nan"), "parents": {"x": "y"}}
    found = add(2, resumed_step=5, environment=resumed)
    assert found.environments[:-1] == first and repr(found.environments[-1]) == repr(resumed)
    bare = add(3, resumed_step=5, environment={})
    assert repr(bare.environments) == repr(found.environments) and bare.environment == {}
    afresh = {"host": "c"}
    assert add(4, resumed_step=0, environment=afresh, afresh=True).environments == (afresh,)


def test_another_event_is_seen(root: Path) -> None:
    folder = folders(root)[0]
    with remembering(root):
        before = read_result(folder), progress_of(folder)
    with EventLog(folder, 2) as log:
        log.append(AttemptStarted(resumed_step=0, total_steps=9))
        log.append(Finished(status="failed", step=1, seconds=1, train_seconds=1, peak_memory=1))
    with remembering(root):
        record, progress = read_result(folder), progress_of(folder)
        assert (record, progress) != before
        assert record.status is RunStatus.FAILED and progress.attempt == 2
        assert not is_complete(folder)


def test_a_file_of_the_same_size_and_time_is_another(root: Path) -> None:
    folder = folders(root)[0]
    path = folder / event_log.NAME
    with remembering(root):
        read_result(folder)
    about, content = path.stat(), path.read_bytes()
    path.write_bytes(content.replace(b'"planted"', b'"replant"'))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    with remembering(root):
        assert read_result(folder).attempts[0].environment["code_stamp"] == "replant"


def test_a_record_that_was_damaged_since_is_named(root: Path) -> None:
    folder = folders(root)[0]
    with remembering(root):
        all_that_is_read(root)
    path = folder / event_log.NAME
    path.write_bytes(b"x" + path.read_bytes()[1:])
    with remembering(root):
        for reader in (read_result, read_run, progress_of, is_complete, reuse_status):
            with pytest.raises(RecordError, match="is no event"):
                reader(folder)
    (folder / "run.json").write_text("[")
    with remembering(root), pytest.raises(RecordError, match="is damaged"):
        load_run(folder)


def test_a_file_that_just_changed_is_not_remembered(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived_values, "SETTLED_NS", 10**15)
    with remembering(root):
        all_that_is_read(root)
    opened = count_reads(monkeypatch)
    with remembering(root):
        all_that_is_read(root)
    assert opened != []


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scrambled(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[200:] = bytes(byte ^ 0x55 for byte in content[200:])
    path.write_bytes(content)


def no_database(path: Path) -> None:
    path.write_text("nothing of the kind" * 100)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def of_other_columns(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE derived (file TEXT)")
    database.close()


def altered_values(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE derived SET value = replace(value, 'complete', 'failed')")
    database.close()


def of_other_kinds(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE derived SET value = 7, checksum = 'x'")
    database.close()


DAMAGES = (truncated, scrambled, no_database, a_folder, emptied, of_other_columns, altered_values,
           of_other_kinds)  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_memory_counts_for_nothing(root: Path, damage: object) -> None:
    plain = all_that_is_read(root)
    with remembering(root):
        all_that_is_read(root)
    damage(root / NAME)
    for _ in range(3):
        with remembering(root):
            assert all_that_is_read(root) == plain


def test_values_that_are_no_such_thing_are_derived_again(root: Path) -> None:
    """A value with the right checksum that another program wrote."""
    plain = all_that_is_read(root)
    with remembering(root):
        all_that_is_read(root)
    for text in ("{}", "[[1]]", '{"offset": 0}', "7", "null", "x"):
        value = text.encode()
        with sqlite3.connect(root / NAME) as database:
            database.execute(
                "UPDATE derived SET value = ?, checksum = ?",
                (value, derived_values.zlib.crc32(value)),
            )
        database.close()
        with remembering(root):
            assert all_that_is_read(root) == plain


def test_another_process_that_writes_is_not_waited_for_long(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(derived_values, "PATIENCE", 0.01)
    with remembering(root):
        pass
    plain = all_that_is_read(root)
    other = sqlite3.connect(root / NAME, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with remembering(root):
        assert all_that_is_read(root) == plain
    other.close()
    assert (root / NAME).is_file()


def test_a_run_that_goes_on_from_what_was_remembered_is_followed(root: Path) -> None:
    folder = folders(root)[0]
    with remembering(root):
        progress_of(folder)
    with remembering(root):
        tail = Tail(folder)
        tail.catch_up()
    steps = list(tail.progress.curve)
    with EventLog(folder, 2) as log:
        log.append(AttemptStarted(resumed_step=steps[1], total_steps=9))
        log.append(Validated(step=777, clips=1, epoch=1, seconds=1, values={"psnr": 1.5}))
    tail.catch_up()
    assert list(tail.progress.curve) == [*steps[:2], 777]
    assert tail.progress.psnr == 1.5
    fresh = Tail(folder)
    for _ in read_events(folder):
        pass
    fresh.catch_up()
    assert dict(fresh.progress.curve) == dict(tail.progress.curve)


def test_status_and_comparison_are_the_same_cold_and_warm(root: Path) -> None:
    store = Store(root)
    plan = store.load_plan("planted")
    ledger = SqliteLedger(root / "ledger.db")
    seen = [repr(study_status(plan, store, ledger)) for _ in range(2)]
    first, second = (compare(store, plan) for _ in range(2))
    assert first == second
    (root / NAME).unlink()
    states = [(each.state, each.value) for each in study_status(plan, store, ledger).runs]
    assert all(repr(each) in text for text in seen for each, _ in states)
    assert compare(store, plan) == first


def test_curves_are_read_by_column_as_point_by_point(root: Path) -> None:
    folder = folders(root)[0]
    with EventLog(folder, 2) as log:
        log.append(AttemptStarted(resumed_step=900, total_steps=9))
        log.append(Trained(step=901, clips=2, epoch=0.5, values={"loss": float("nan")}))
        log.append(Trained(step=902, clips=2, epoch=0.5, values={"lr": 0.25, "other": -0.0}))
        log.append(CheckpointSaved(step=902, path="a.pt", sha256="", best=True))
        log.append(ImageSaved(step=902, key="k", path="i.png"))
        log.append(Finished(status="complete", step=7, seconds=1, train_seconds=1, peak_memory=1))
    plain = read_run(folder)
    with remembering(root):
        read_run(folder)
    with remembering(root):
        kept = read_run(folder)
    assert repr(tuple(kept.train)) == repr(plain.train)
    assert repr(replace(kept, train=(), validations=())) == repr(
        replace(plain, train=(), validations=())
    )
    assert kept.validations == plain.validations and len(kept.train) == len(plain.train)
    assert kept.train[-1] == plain.train[-1] and kept.train[1:3] == plain.train[1:3]
    with pytest.raises(IndexError):
        kept.train[len(plain.train)]
    for name in ("loss", "lr", "other", "grad_norm", "absent"):
        pairs = zip(
            columns(kept.train, name, ("step", "epoch")),
            columns(plain.train, name, ("step", "epoch")),
            strict=True,
        )
        assert all(repr(list(one)) == repr(list(other)) for one, other in pairs)
    assert list(field_of(kept.train, "clips")) == field_of(plain.train, "clips")
    assert names_of(kept.train) == names_of(plain.train) and "other" in names_of(kept.train)
    assert kept.step == plain.step == 902
