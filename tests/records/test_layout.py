"""Plans and run specs on disk."""

from pathlib import Path

import pytest

from tempo.core.errors import RecordError
from tempo.core.records import Exclusion, Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.records.files import sha256_of, write_atomic
from tempo.records.layout import Store, load_run


def plan(profile: str | None = None) -> Plan:
    return Plan(
        study="s",
        question="why?",
        profile=profile,
        source="s.yaml",
        spec={"seeds": [0]},
        spec_hash="abc",
        baseline="a",
        variants=(PlannedVariant(name="a", role="baseline", levels={"se": "on"}, config={"x": 1}),),
        runs=(PlannedRun(run_id="r1", variant="a", seed=0),),
        exclusions=(Exclusion(levels={"se": "off"}, reason="because"),),
    )


def test_a_plan_survives_and_the_last_one_saved_is_current(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_plan(plan("demo"))
    store.save_plan(plan())
    assert store.load_plan("s") == plan()
    assert store.load_plan("s", "demo") == plan("demo")
    assert store.studies() == ["s"]


def test_a_missing_plan_names_the_studies_there_are(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_plan(plan())
    with pytest.raises(RecordError, match=r"no study 't' in .*known: s"):
        store.load_plan("t")
    with pytest.raises(RecordError, match="under profile 'full'"):
        store.load_plan("s", "full")


def test_a_run_spec_survives_and_is_replaced_only_by_another(tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = RunSpec(run_id="r1", seed=3, config={"a": [1, 2]})
    folder = store.save_run(spec)
    before = (folder / "run.json").stat().st_mtime_ns
    store.save_run(spec)
    assert (folder / "run.json").stat().st_mtime_ns == before
    assert load_run(folder) == spec
    other = RunSpec(run_id="r1", seed=3, config={"a": [1, 3]})
    assert load_run(store.save_run(other)) == other


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"run\.json is missing"):
        load_run(tmp_path)


def test_a_write_that_fails_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "x"
    write_atomic(path, lambda file: file.write(b"old"))
    digest = sha256_of(path)

    def broken(file: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomic(path, broken)
    assert sha256_of(path) == digest
    assert list(tmp_path.iterdir()) == [path]
