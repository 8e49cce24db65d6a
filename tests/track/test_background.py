"""The background thread, several processes, and what importing costs."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempo.records.layout import Store
from tempo.track.mlflow.mlflow_store import MlflowMirror

from .conftest import Study, Written, make_plan
from .reader import assert_equal, in_store


def test_the_thread_follows_the_records_and_stops(study: Study) -> None:
    mirror = MlflowMirror(study.store, interval=0.02)
    mirror.open(study.plan, {})
    mirror.start()
    with pytest.raises(RuntimeError, match="runs already"):
        mirror.start()
    study.write("on0").whole()
    give_up = time.monotonic() + 30
    while not list(study.store.root.glob("mirror/*/se_study/runs/on0.json")):
        assert time.monotonic() < give_up, mirror.problem
        time.sleep(0.02)
    study.write("off0").whole()
    assert mirror.finish("complete"), mirror.problem
    mirror.stop(timeout=1.0)
    assert_equal(study.uri, study.store.root, study.plan)


def test_a_look_that_is_asked_for_comes_before_its_time(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempo.track.mirror_thread.FIRST_WAIT", 600)
    mirror = MlflowMirror(study.store, interval=600)
    mirror.open(study.plan, {})
    mirror.start()
    study.write("on0").whole()
    mirror.hurry()
    give_up = time.monotonic() + 30
    while not list(study.store.root.glob("mirror/*/se_study/runs/on0.json")):
        assert time.monotonic() < give_up, mirror.problem
        time.sleep(0.02)
    mirror.stop()


def test_a_mirror_says_what_it_lacks(study: Study) -> None:
    mirror = MlflowMirror(study.store)
    with pytest.raises(RuntimeError, match="open a plan first"):
        mirror.finish("complete")
    mirror.open(study.plan, None)
    with pytest.raises(RuntimeError, match="no invocation is open"):
        mirror.finish("complete")


def test_importing_the_mirror_imports_no_mlflow() -> None:
    code = "import sys, tempo.track.mlflow.mlflow_store, tempo.track.mlflow.ui\n"
    code += "print('mlflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_nothing_is_printed(study: Study, capfd: pytest.CaptureFixture[str]) -> None:
    study.write_all()
    new = f"sqlite:///{study.store.root / 'new' / 'mlflow.db'}"
    mirror = MlflowMirror(study.store, new)
    mirror.open(study.plan, {})
    assert mirror.finish("complete"), mirror.problem
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_eight_studies_at_once_into_one_new_store(tmp_path: Path) -> None:
    """Creating a store together, and writing to it together, breaks nothing."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tempo.records.layout import Store\n"
        "from tempo.track.mlflow.mlflow_store import MlflowMirror\n"
        "store = Store(Path(sys.argv[1]))\n"
        "mirror = MlflowMirror(store)\n"
        "mirror.open(store.load_plan(sys.argv[2]), {})\n"
        "assert mirror.finish('complete'), mirror.problem\n"
    )
    store = Store(tmp_path)
    studies = [Study(store, make_plan(1, f"study{number}")) for number in range(8)]
    for number, run in enumerate(studies[0].plan.runs):
        Written(store, studies[0].plan, run, 30.0 + number).whole()
    for study in studies:
        store.save_plan(study.plan)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path), study.plan.study],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for study in studies
    ]
    said = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, said
    assert said == [""] * 8
    for study in studies:
        assert_equal(study.uri, tmp_path, study.plan)
        assert len(in_store(study.uri, study.plan.study)) == 3
