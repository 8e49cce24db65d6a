"""What the launcher of Ray Jobs asks for and makes of answers, against a cluster in memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tempo.core.errors import MissingError, SpecError, TempoError
from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, JobState, Resources
from tempo.launch.launchers.catalog import LAUNCHERS, LauncherContext
from tempo.launch.launchers.cluster.contact import AwayError
from tempo.launch.launchers.ray.job_client import RayJobs, Row, chosen_address
from tempo.launch.launchers.ray.job_state import NEVER_BEGAN, status_of
from tempo.launch.launchers.ray.launcher import RayLauncher
from tempo.launch.launchers.ray.request import BY_NAME, RayPolicy, job_request, quoted, with_values
from tempo.launch.launchers.ray.site import RaySite, amounts_of, load_ray_site
from tempo.launch.launchers.ray.tender import begin_tending


class FakeRay(RayJobs):
    """Jobs in memory. `lost_answers` submissions arrive although nobody hears of it."""

    def __init__(self, lost_answers: int = 0) -> None:
        super().__init__("http://head:8265")
        self.requests: list[Mapping[str, Any]] = []
        self.jobs: dict[str, Row] = {}
        self.stopped: list[str] = []
        self.lost_answers, self.away = lost_answers, False

    def submit(self, request: Mapping[str, Any]) -> None:
        self._answer()
        name, metadata = request["submission_id"], request["metadata"]
        assert name not in self.jobs
        self.requests.append(request)
        self.jobs[name] = Row(name, metadata["tempo_run"], "PENDING", None, "", "", "")
        if self.lost_answers:
            self.lost_answers -= 1
            raise AwayError("no answer")

    def rows(self) -> list[Row]:
        self._answer()
        return list(self.jobs.values())

    def stop(self, name: str) -> None:
        self._answer()
        self.stopped.append(name)

    def becomes(self, run: str, state: str, code: int | None = None, **more: str) -> None:
        """Have Ray say of the newest job of a run that it is in `state`."""
        name = [row.name for row in self.jobs.values() if row.run == run][-1]
        changed = {"where": "10.0.0.7"} | more
        self.jobs[name] = replace(self.jobs[name], state=state, code=code, **changed)

    def _answer(self) -> None:
        if self.away:
            raise AwayError("Ray at http://head:8265 does not answer")


def job(key: str, folder: Path, *after: str, **resources: int) -> JobSpec:
    log = folder / key / "attempts" / "3.log"
    wanted = Resources(**resources)
    return JobSpec(key=key, argv=["true", key], log=log, resources=wanted, after=after)


def launcher(folder: Path, ray: RayJobs, **policy: Any) -> RayLauncher:
    asked = policy.pop("ask", None)
    said = policy.pop("say", lambda text: None)
    return RayLauncher(folder / "ray", RayPolicy(study="s", poll=0.0, **policy), ray, said, asked)


def requested(folder: Path, wanted: JobSpec, **policy: Any) -> dict[str, Any]:
    return job_request(wanted, "n", folder / "ray", RayPolicy(study="s", **policy))


def test_a_job_asks_for_what_its_run_needs(tmp_path: Path) -> None:
    wanted = job("x", tmp_path, gpus_per_node=2, cpus=6, mem_mb=512)
    asked = requested(tmp_path, wanted, resources={"nvme": 1.0}, labels={"zone": "a"})
    assert asked["entrypoint_num_gpus"] == 2 and asked["entrypoint_num_cpus"] == 6
    assert asked["entrypoint_memory"] == 512 * 2**20
    assert asked["entrypoint_resources"] == {"nvme": 1.0}
    assert asked["entrypoint_label_selector"] == {"zone": "a"}
    told = {"tempo_study": "s", "tempo_run": "x", "tempo_attempt": "3", "tempo_job": "n"}
    assert asked["metadata"] == told


@pytest.mark.parametrize(("runs", "share"), [(1, 1), (2, 0.5), (3, 0.3333), (8, 0.125)])
def test_runs_that_share_a_gpu_ask_for_a_part_of_it(
    tmp_path: Path, runs: int, share: float
) -> None:
    asked = requested(tmp_path, job("x", tmp_path, gpus_per_node=1), runs_per_gpu=runs)
    assert asked["entrypoint_num_gpus"] == share and runs * share <= 1


def test_a_run_on_several_gpus_shares_none(tmp_path: Path) -> None:
    asked = requested(tmp_path, job("x", tmp_path, gpus_per_node=2), runs_per_gpu=4)
    assert asked["entrypoint_num_gpus"] == 2


def test_no_job_is_without_resources_which_would_put_it_on_the_head(tmp_path: Path) -> None:
    assert requested(tmp_path, job("x", tmp_path))["entrypoint_num_cpus"] == 1


def test_secrets_travel_by_name_and_stand_in_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPO_LEDGER", "postgresql://ada:hunter2@db/tempo")
    monkeypatch.setenv("TEMPO_RECORDS", "elsewhere")
    monkeypatch.setenv("NCCL_DEBUG", "INFO")
    monkeypatch.setenv("AWS_SECRET", "hunter3")
    monkeypatch.setenv("OTHER", "hunter4")
    ray = FakeRay()
    held = launcher(tmp_path, ray, environment=("NCCL_*", "AWS_SECRET", "NOT_SET"))
    held.submit([replace(job("x", tmp_path), env={"OWN": "hunter5"})])
    given = ray.requests[0]["runtime_env"]["env_vars"]
    assert given == {
        "AWS_SECRET": "hunter3",
        "NCCL_DEBUG": "INFO",
        "OWN": "hunter5",
        "TEMPO_LEDGER": "postgresql://ada:hunter2@db/tempo",
        "RAY_JOB_STOP_WAIT_TIME_S": "60",
    }
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert "hunter" not in written and BY_NAME in written and "AWS_SECRET" in written


def test_values_are_filled_in_only_for_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A", "1")
    request = {"runtime_env": {"env_vars": {"A": BY_NAME, "B": BY_NAME, "C": "3"}}}
    filled = with_values(request, {"B": "2"})
    assert filled["runtime_env"]["env_vars"] == {"A": "1", "B": "2", "C": "3"}
    assert request["runtime_env"]["env_vars"]["A"] == BY_NAME


@pytest.mark.parametrize("word", ["", "plain", "a b'\"$(x)`y`\n", "é\udcff\\", "--x=é 'q'", "~*?["])
def test_a_shell_reads_every_word_as_it_was(word: str) -> None:
    code = "import os, sys; sys.stdout.buffer.write(os.fsencode(sys.argv[1]))"
    text = f"exec {quoted(sys.executable)} -c {quoted(code)} {quoted(word)}"
    assert text.isascii()
    done = subprocess.run(["sh", "-c", text], capture_output=True, check=True)
    assert done.stdout == word.encode("utf-8", "surrogateescape")


def test_a_word_with_a_nul_byte_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quoted("a\0b")


def carried_out(folder: Path, code: str, setup: tuple[str, ...] = ()) -> int:
    """The exit code of an entrypoint that is executed here."""
    (folder / "ray" / "n").mkdir(parents=True, exist_ok=True)
    wanted = replace(job("x", folder), argv=[sys.executable, "-c", code])
    text = requested(folder, wanted, setup=setup)["entrypoint"]
    return subprocess.run(["sh", "-c", text], check=False).returncode


def test_the_shell_keeps_log_and_exit_code(tmp_path: Path) -> None:
    setup = ("export SET=yes",)
    code = "import os; print(os.environ['SET']); raise SystemExit(85)"
    assert carried_out(tmp_path, code, setup) == 85
    assert (tmp_path / "x" / "attempts" / "3.log").read_text() == "yes\n"
    assert (tmp_path / "ray" / "n" / "code").read_text() == "85\n"


def test_a_job_that_was_withdrawn_does_nothing_when_its_turn_comes(tmp_path: Path) -> None:
    (tmp_path / "ray" / "n").mkdir(parents=True)
    (tmp_path / "ray" / "n" / "withdrawn").touch()
    assert carried_out(tmp_path, "print('began')") == RESUMABLE
    assert not (tmp_path / "x").exists()


def row(state: str, code: int | None = None, error: str = "", where: str = "10.0.0.7") -> Row:
    return Row("n", "x", state, code, error, "", where)


@pytest.mark.parametrize(
    ("given", "written", "state", "code"),
    [
        (row("PENDING", where=""), None, JobState.PENDING, None),
        (row("RUNNING"), None, JobState.RUNNING, None),
        (row("SUCCEEDED", 0), 0, JobState.OK, 0),
        (row("FAILED", 1), 1, JobState.FAILED, 1),
        (row("FAILED", RESUMABLE), None, JobState.STOPPED, RESUMABLE),
        (row("FAILED", BUSY), None, JobState.BUSY, BUSY),
        (row("FAILED", 137), None, JobState.LOST, -9),
        (row("FAILED", -9), None, JobState.LOST, -9),
        (row("FAILED"), None, JobState.LOST, None),
        (row("FAILED", error="JOB_SUPERVISOR_ACTOR_DIED"), None, JobState.LOST, None),
        (row("FAILED", error="JOB_SUPERVISOR_ACTOR_DIED"), 0, JobState.OK, 0),
        (row("FAILED", error=NEVER_BEGAN, where=""), None, JobState.BUSY, None),
        (row("FAILED", error="RUNTIME_ENV_SETUP_FAILURE"), None, JobState.FAILED, None),
        (row("STOPPED"), RESUMABLE, JobState.STOPPED, RESUMABLE),
        (row("STOPPED"), None, JobState.LOST, None),
        (row("STOPPED", where=""), None, JobState.CANCELLED, None),
        (None, None, JobState.UNKNOWN, None),
        (None, 0, JobState.OK, 0),
        (None, RESUMABLE, JobState.STOPPED, RESUMABLE),
    ],
)
def test_what_a_job_came_to(
    given: Row | None, written: int | None, state: JobState, code: int | None
) -> None:
    status = status_of(given, written)
    assert (status.state, status.code) == (state, code)


def test_a_study_submitted_twice_is_submitted_once(tmp_path: Path) -> None:
    ray = FakeRay()
    first = launcher(tmp_path, ray).submit([job("x", tmp_path), job("y", tmp_path)])
    assert launcher(tmp_path, ray).submit([job("x", tmp_path)])["x"] == first["x"]
    assert len(ray.jobs) == 2


def test_jobs_of_other_folders_of_records_are_left_alone(tmp_path: Path) -> None:
    ray = FakeRay()
    launcher(tmp_path / "one", ray).submit([job("x", tmp_path)])
    (tmp_path / "two" / "ray").mkdir(parents=True)
    assert launcher(tmp_path / "two", ray).attach(["x"]) == {}
    launcher(tmp_path / "two", ray).submit([job("x", tmp_path)])
    assert len(ray.jobs) == 2


def test_a_run_is_submitted_again_under_another_id(tmp_path: Path) -> None:
    ray = FakeRay()
    held = launcher(tmp_path, ray)
    first = held.submit([job("x", tmp_path)])
    ray.becomes("x", "FAILED", error="JOB_SUPERVISOR_ACTOR_DIED")
    assert held.poll()["x"].state is JobState.LOST
    held.forget("x")
    assert held.submit([job("x", tmp_path)])["x"] != first["x"]


def test_a_submission_whose_answer_was_lost_is_not_repeated(tmp_path: Path) -> None:
    told: list[str] = []
    ray = FakeRay(lost_answers=1)
    held = launcher(tmp_path, ray, say=told.append)
    held.submit([job("x", tmp_path)])
    assert held.poll()["x"].state is JobState.PENDING
    assert len(ray.jobs) == 1
    assert len(told) == 2 and "answers again" in told[1]


def test_a_cluster_that_is_away_changes_nothing_and_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    ray = FakeRay()
    held = launcher(tmp_path, ray, say=told.append)
    held.submit([job("x", tmp_path)])
    ray.becomes("x", "RUNNING")
    held.poll()
    ray.away = True
    held.submit([job("y", tmp_path)])
    assert {held.poll()[key].state for key in "xy"} == {JobState.RUNNING, JobState.PENDING}
    held.poll()
    assert len(told) == 1 and "going on with what was last known" in told[0]
    ray.away = False
    held.poll()
    assert {each.run for each in ray.jobs.values()} == {"x", "y"} and len(told) == 2


def test_a_job_waits_for_those_whose_weights_it_takes(tmp_path: Path) -> None:
    ray = FakeRay()
    held = launcher(tmp_path, ray)
    held.submit([job("parent", tmp_path), job("child", tmp_path, "parent")])
    assert [each["metadata"]["tempo_run"] for each in ray.requests] == ["parent"]
    assert held.poll()["child"].state is JobState.PENDING
    ray.becomes("parent", "SUCCEEDED", 0)
    held.poll()
    assert [each["metadata"]["tempo_run"] for each in ray.requests] == ["parent", "child"]


def test_cancelling_asks_the_ledger_first_and_ray_last(tmp_path: Path) -> None:
    ray, asked = FakeRay(), []
    held = launcher(tmp_path, ray, ask=lambda keys: asked.append(list(keys)), notice=1)
    names = held.submit([job("runs", tmp_path), job("waits", tmp_path)])
    ray.becomes("runs", "RUNNING")
    held.poll()
    held.cancel(["runs", "waits"])
    assert (asked == [["runs"]] and ray.stopped == [names["waits"]]) or asked == [["runs", "waits"]]
    assert names["runs"] not in ray.stopped, "the ledger's request comes first"
    assert held.poll()["waits"].state is JobState.CANCELLED
    time.sleep(1.1)
    held.poll()
    assert names["runs"] in ray.stopped, "what did not leave is stopped"


def test_what_ray_does_not_have_yet_is_simply_dropped(tmp_path: Path) -> None:
    ray = FakeRay()
    held = launcher(tmp_path, ray)
    held.submit([job("x", tmp_path), job("y", tmp_path, "x")])
    held.cancel(["y"])
    assert held.poll()["y"].state is JobState.CANCELLED
    ray.becomes("x", "SUCCEEDED", 0)
    held.poll()
    assert len(ray.requests) == 1


def test_several_nodes_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"a Ray job reserves one node.*--launcher slurm"):
        launcher(tmp_path, FakeRay()).submit([job("x", tmp_path, nodes=2)])


def test_what_ray_says_of_a_job_without_a_code_is_in_its_log(tmp_path: Path) -> None:
    ray = FakeRay()
    held = launcher(tmp_path, ray)
    wanted = job("x", tmp_path)
    held.submit([wanted])
    message = "The actor died because its node has died."
    ray.becomes("x", "FAILED", error="JOB_SUPERVISOR_ACTOR_DIED", message=message)
    held.poll()
    assert message in wanted.log.read_text()


def test_folders_and_interpreter_may_be_others_on_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = JobSpec(
        key="x", argv=[sys.executable, "run", "records/x"], log=Path("records/x/attempts/1.log")
    )
    policy = RayPolicy(study="s", directory="/shared/tempo", python="/opt/venv/bin/python")
    text = job_request(wanted, "n", Path("records/ray"), policy)["entrypoint"]
    assert "cd /shared/tempo " in text and "/opt/venv/bin/python run records/x" in text
    assert "/shared/tempo/records/x/attempts/1.log" in text
    assert "/shared/tempo/records/ray/n/code" in text and str(tmp_path) not in text


def test_what_nodes_cannot_find_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    policy = RayPolicy(study="s", directory="/shared")
    outside = JobSpec(key="x", argv=["true"], log=Path("/elsewhere/1.log"))
    with pytest.raises(SpecError, match="keep the records below the working directory"):
        job_request(outside, "n", Path("records/ray"), policy)
    whole = JobSpec(key="x", argv=["true", f"{tmp_path}/cache"], log=Path("records/1.log"))
    with pytest.raises(SpecError, match="has to be given relative to it"):
        job_request(whole, "n", Path("records/ray"), policy)


def test_one_job_tends_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ray, policy = FakeRay(), RayPolicy(study="s", resources={"nvme": 1.0})
    site = RaySite(directory="/shared", python="/opt/python", notice=7)
    argv = [sys.executable, "-m", "tempo", "tend", "s"]
    names = {
        begin_tending(Path("records/ray"), policy, site, ray, argv, runs)
        for runs in (["a", "b"], ["b", "a"])
    }
    assert len(names) == 1 and len(ray.requests) == 1
    asked = ray.requests[0]
    assert not [key for key in asked if key.startswith("entrypoint_")], "so it is on the head"
    profile = Path(asked["runtime_env"]["env_vars"]["TEMPO_RAY_PROFILE"])
    assert load_ray_site(profile) == RaySite(notice=7)
    ray.becomes(ray.jobs[names.pop()].run, "FAILED", 1)
    begin_tending(Path("records/ray"), policy, site, ray, argv, ["a", "b"])
    assert len(ray.requests) == 2


def test_an_address_of_the_command_prevails_over_the_environment_and_that_over_the_site(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    assert chosen_address(None, None) is None
    assert chosen_address(None, "http://site:1") == "http://site:1"
    monkeypatch.setenv("RAY_ADDRESS", "http://env:1")
    assert chosen_address(None, "http://site:1") == "http://env:1"
    assert chosen_address("http://own:1", "http://site:1") == "http://own:1"


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ray", "ray.job_submission"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingError, match=r"pip install 'tempo-vfi\[ray\]'") as error:
        LAUNCHERS.get("ray")(LauncherContext(entry=lambda arguments: 0))
    assert error.value.exit_code == 2


def test_a_cluster_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray.job_submission")
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:2")
    with pytest.raises(
        MissingError, match=r"finds no Ray cluster at http://127\.0\.0\.1:1 .*start"
    ):
        RayJobs("http://127.0.0.1:1").check()


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (RuntimeError("Request failed with status code 400: bad label."), TempoError, "bad label"),
        (RuntimeError("Request failed with status code 503: gone."), AwayError, "does not answer"),
        (ConnectionResetError("reset"), AwayError, "does not answer"),
    ],
)
def test_refusals_and_silence_are_told_apart(
    answer: Exception, kind: type[TempoError], words: str
) -> None:
    class Client:
        def list_jobs(self) -> list[Any]:
            raise answer

    ray = RayJobs("http://head:8265", pause=0.001)
    ray._client = Client()
    with pytest.raises(TempoError, match=words) as error:
        ray.rows()
    assert type(error.value) is kind


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("adress: http://x\n", "1:1", "address"),
        ("environment: ['A=1']\n", "1:", "never a value"),
        ("resources: {GPU: 1}\n", "1:", "resources.gpus_per_run"),
        ("resources: {nvme: 1.5}\n", "1:", "whole above 1"),
        ("directory: here\n", "1:12", "directory must"),
        ("notice: 0\n", "1:9", "1"),
    ],
)
def test_a_mistake_in_a_profile_has_its_place(
    tmp_path: Path, text: str, place: str, words: str
) -> None:
    path = tmp_path / "ray.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as error:
        load_ray_site(path)
    assert str(error.value).startswith(f"{path}:{place}") and words in str(error.value)


def test_options_of_sbatch_are_no_amounts() -> None:
    assert amounts_of({"nvme": "2", "half": "0.5"}) == {"nvme": 2.0, "half": 0.5}
    with pytest.raises(ValueError, match=r"'qos' is 'high'.*custom resources"):
        amounts_of({"qos": "high"})


def test_a_request_is_the_json_that_is_printed(tmp_path: Path) -> None:
    held = launcher(tmp_path, FakeRay())
    (asked,) = held.requests([job("x", tmp_path)])
    assert json.loads(json.dumps(asked)) == asked
    assert re.fullmatch(r"s-x-0", asked["submission_id"])
