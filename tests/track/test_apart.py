"""The mirror's process may die at any moment, and so may the study it mirrors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient

from tempo.track.mirror_process import MirrorProcess
from tempo.track.mlflow.mlflow_store import MlflowMirror

from .conftest import Study
from .reader import assert_equal

pytestmark = pytest.mark.slow
ARGV = (sys.executable, "-m", "tempo.worker", "mirror")

STUDY = """
import sys, time
from pathlib import Path
from tempo.records.layout import Store
from tempo.track.mirror_process import MirrorProcess
store = Store(Path(sys.argv[1]))
mirror = MirrorProcess(store, None, (sys.executable, "-m", "tempo.worker", "mirror"))
mirror.open(store.load_plan("se_study"), {"id": "abc", "git_commit": "c0ffee"})
mirror.start()
print(mirror._process.pid, flush=True)
time.sleep(300)
"""


def parents(study: Study) -> list[str]:
    client = MlflowClient(study.uri)
    experiment = client.get_experiment_by_name(study.plan.study)
    found = client.search_runs([experiment.experiment_id], "tags.role = 'study'")
    return [run.info.status for run in found]


def wait_for_runs(study: Study, count: int) -> None:
    client = MlflowClient(study.uri)
    give_up = time.monotonic() + 60
    while True:
        experiment = client.get_experiment_by_name(study.plan.study)
        found = client.search_runs([experiment.experiment_id]) if experiment else []
        if len([run for run in found if "run_id" in run.data.tags]) >= count:
            return
        assert time.monotonic() < give_up
        time.sleep(0.2)


def child(mirror: MirrorProcess) -> int:
    assert mirror._process is not None
    return mirror._process.pid


def test_a_mirror_that_is_killed_is_started_again_and_nothing_is_lost(study: Study) -> None:
    """Killed after the first run: the last pass sends the rest, under the same parent run."""
    report = study.store.root / "report"
    report.mkdir()
    (report / "index.html").write_text("<p>report</p>")
    mirror = MirrorProcess(study.store, None, ARGV)
    mirror.open(study.plan, {"id": "abc", "git_commit": "c0ffee"})
    mirror.start()
    study.write("on0").whole()
    wait_for_runs(study, 1)
    os.kill(child(mirror), signal.SIGKILL)
    for run_id in ("off0", "on1", "off1", "avg"):
        study.write(run_id).whole()
    assert mirror.finish("complete", [report]), mirror.problem
    assert mirror.problem is None
    assert_equal(study.uri, study.store.root, study.plan)
    assert parents(study) == ["FINISHED"]
    client = MlflowClient(study.uri)
    experiment = client.get_experiment_by_name(study.plan.study)
    (parent,) = client.search_runs([experiment.experiment_id], "tags.role = 'study'")
    listed = client.list_artifacts(parent.info.run_id, "report")
    assert [file.path for file in listed] == ["report/index.html"]


@pytest.mark.parametrize("begun", [False, True])
def test_a_mirror_that_is_killed_leaves_no_temporary_file(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """A study that is stopped before its first run kills the mirror, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mirror = MirrorProcess(study.store, None, ARGV)
    mirror.open(study.plan, {"id": "abc", "git_commit": "c0ffee"})
    mirror.warm()
    (folder,) = tmp_path.glob("tempo-mirror-*")
    if begun:
        mirror.start()
        os.kill(child(mirror), signal.SIGKILL)
    mirror.stop()
    assert not folder.exists()


def test_the_folder_of_a_mirror_that_was_killed_with_its_study_is_removed_by_the_next(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = "import os, tempfile; print(tempfile.mkdtemp(prefix=f'tempo-mirror-{os.getpid()}-'))"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    left = Path(done.stdout.decode().strip())
    assert left.is_dir()
    mirror = MirrorProcess(study.store, None, ARGV)
    mirror.open(study.plan, {"id": "abc", "git_commit": "c0ffee"})
    mirror.warm()
    try:
        (own,) = tmp_path.glob("tempo-mirror-*")
        assert own != left
    finally:
        mirror.stop()
    assert list(tmp_path.glob("tempo-mirror-*")) == []


def test_a_mirror_that_dies_whenever_it_is_asked_is_given_up(study: Study) -> None:
    said = (sys.executable, "-c", "import sys; sys.exit('no room left')")
    mirror = MirrorProcess(study.store, None, said)
    mirror.open(study.plan, {"id": "abc"})
    mirror.start()
    study.write_all()
    assert not mirror.finish("complete")
    assert mirror.problem is not None
    assert "the mirror's process ended: no room left" in mirror.problem
    later = MlflowMirror(study.store)
    later.open(study.plan, None)
    assert later.sync(over=True), later.problem
    assert_equal(study.uri, study.store.root, study.plan)


def test_a_study_that_is_killed_takes_its_mirror_along_and_sync_completes(study: Study) -> None:
    root = Path(study.store.root)
    command = [sys.executable, "-c", STUDY, str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as scheduler:
        assert scheduler.stdout is not None
        mirror = psutil.Process(int(scheduler.stdout.readline()))
        study.write("on0").whole()
        wait_for_runs(study, 1)
        scheduler.kill()
    assert psutil.wait_procs([mirror], timeout=30)[1] == []
    for run_id in ("off0", "on1", "off1", "avg"):
        study.write(run_id).whole()
    later = MlflowMirror(study.store)
    later.open(study.plan, None)
    assert later.sync(), later.problem
    assert_equal(study.uri, study.store.root, study.plan)
    assert parents(study) == ["FINISHED"]
