"""What is asked of Slurm and made of its answers, without a cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from tempo.core.errors import MissingError, SpecError, TempoError
from tempo.core.jobs import BUSY, RESUMABLE, JobSpec, JobState, Resources
from tempo.launch.launchers.catalog import LAUNCHERS, LauncherContext
from tempo.launch.launchers.cluster.contact import AwayError
from tempo.launch.launchers.cluster.site_profile import profile_path
from tempo.launch.launchers.slurm.commands import (
    DEAD,
    GOING_ON,
    WAITING,
    Row,
    Slurm,
    exit_code,
    status_of,
)
from tempo.launch.launchers.slurm.launcher import SlurmLauncher
from tempo.launch.launchers.slurm.script import (
    OURS,
    Placement,
    SlurmPolicy,
    array_name,
    directive,
    options,
)
from tempo.launch.launchers.slurm.site import Site, load_site


class FakeSlurm(Slurm):
    """A queue in memory. `lost_answers` submissions arrive although nobody hears of it."""

    def __init__(self, lost_answers: int = 0) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.queue: list[Row] = []
        self.lost_answers = lost_answers

    def check(self) -> None:
        return

    def submit(self, script: Path, environment: Mapping[str, str]) -> str:
        text = script.read_text()
        self.scripts.append(text)
        number = str(100 + len(self.scripts))
        size = int(text.partition("--array=0-")[2].split("\n")[0].partition("%")[0]) + 1
        comment = text.partition("--comment=")[2].split("\n")[0]
        for index in range(size):
            self.queue.append(Row(number, str(index), "PENDING", 0, "", 0, "", comment))
        if self.lost_answers:
            self.lost_answers -= 1
            raise AwayError("no answer")
        return number

    def rows(self) -> list[Row]:
        return list(self.queue)

    def remembered(self, arrays: Sequence[str]) -> list[Row]:
        return []

    def largest_array(self) -> int:
        return 3


def job(key: str, folder: Path, **resources: int) -> JobSpec:
    log = folder / key / "1.log"
    return JobSpec(key=key, argv=["true", key], log=log, resources=Resources(**resources))


def launcher(folder: Path, slurm: Slurm, **manner: object) -> SlurmLauncher:
    return SlurmLauncher(folder / "slurm", SlurmPolicy(study="s", **manner), slurm)  # type: ignore[arg-type]


def test_jobs_that_ask_for_the_same_share_arrays_as_large_as_the_cluster_allows(
    tmp_path: Path,
) -> None:
    slurm = FakeSlurm()
    small = [job(f"a{n}", tmp_path) for n in range(4)]
    large = [job("b", tmp_path, gpus_per_node=2)]
    ids = launcher(tmp_path, slurm).submit([*small, *large])
    assert [text.count("#SBATCH --gres=gpu:2") for text in slurm.scripts] == [0, 0, 1]
    assert ids == {"a0": "101_0", "a1": "101_1", "a2": "101_2", "a3": "102_0", "b": "103_0"}


def test_a_run_in_the_queue_is_not_submitted_by_another_driver(tmp_path: Path) -> None:
    slurm = FakeSlurm()
    first = launcher(tmp_path, slurm).submit([job("a", tmp_path), job("b", tmp_path)])
    other = launcher(tmp_path, slurm)
    assert other.attach(["b", "c"]) == {"b": first["b"]}
    again = other.submit([job("a", tmp_path), job("c", tmp_path)])
    assert again["a"] == first["a"]
    assert len(slurm.scripts) == 2
    elsewhere = launcher(tmp_path / "other records", slurm)
    assert elsewhere.attach(["a"]) == {}, "another folder's jobs carry out other records"


def test_a_lost_answer_does_not_submit_twice(tmp_path: Path) -> None:
    slurm = FakeSlurm(lost_answers=1)
    assert launcher(tmp_path, slurm).submit([job("a", tmp_path)]) == {"a": "101_0"}
    assert len(slurm.scripts) == 1


def test_what_slurm_does_not_remember_is_unknown(tmp_path: Path) -> None:
    slurm = FakeSlurm()
    mine = launcher(tmp_path, slurm)
    mine.submit([job("a", tmp_path)])
    slurm.queue.clear()
    assert mine.poll()["a"].state is JobState.UNKNOWN


def test_arrays_beyond_the_throttle_wait_for_each_other(tmp_path: Path) -> None:
    slurm = FakeSlurm()
    mine = launcher(tmp_path, slurm, throttle=2)
    mine.submit([job(f"a{n}", tmp_path) for n in range(5)])
    assert "#SBATCH --array=0-2%2\n#SBATCH --dependency=singleton\n" in slurm.scripts[0]
    assert "#SBATCH --array=0-1%2\n" in slurm.scripts[1]
    assert "#SBATCH --dependency=singleton,afterany:101\n" in slurm.scripts[1]


def test_equal_sets_of_runs_have_one_name() -> None:
    assert array_name("s", ["a", "b"]) == array_name("s", ["b", "a"]) != array_name("s", ["a"])


def test_the_script_is_one_that_bash_accepts_and_holds_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPO_LEDGER", "postgresql://tempo:hunter2@host/db")
    slurm = FakeSlurm()
    spread = job("a", tmp_path, nodes=2, processes=4, gpus_per_node=4, cpus=8)
    launcher(tmp_path, slurm).submit([spread])
    script = slurm.scripts[0]
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "--nodes=2 --ntasks=2 --ntasks-per-node=1 --cpus-per-task=8" in script
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert written
    assert not any(b"hunter2" in file.read_bytes() for file in written)


def test_no_argument_with_a_nul_byte_is_taken(tmp_path: Path) -> None:
    bad = JobSpec(key="a", argv=["true", "a\0b"], log=tmp_path / "1.log")
    with pytest.raises(ValueError, match="NUL byte"):
        launcher(tmp_path, FakeSlurm()).submit([bad])


def test_directives_quote_what_slurm_would_read_otherwise() -> None:
    assert directive("mem", "4G") == "#SBATCH --mem=4G"
    assert directive("requeue") == "#SBATCH --requeue"
    assert directive("output", '/a b/"x"\\') == '#SBATCH --output="/a b/\\"x\\"\\\\"'
    with pytest.raises(ValueError, match="line break"):
        directive("output", "/a\nb")


def test_resources_become_options() -> None:
    wanted = Resources(nodes=2, processes=4, gpus_per_node=4, cpus=8, mem_mb=512, time_s=90_061)
    where = Placement(partition="p", account="a", gpu_type="h100", extra={"qos": "high"})
    assert dict(options(wanted, where)) == {
        "partition": "p",
        "account": "a",
        "nodes": "2",
        "ntasks-per-node": "1",
        "cpus-per-task": "8",
        "gres": "gpu:h100:4",
        "mem": "512M",
        "time": "1-01:01:01",
        "qos": "high",
    }


@pytest.mark.parametrize("name", [*OURS, "Qos", "--qos", "a b"])
def test_extra_cannot_override_what_tempo_sets(name: str) -> None:
    with pytest.raises(SpecError, match=r"resources\.extra"):
        options(Resources(), Placement(extra={name: "x"}))


def row(state: str, code: int = 0, nodes: str = "n1") -> Row:
    return Row("1", "0", state, code, "", 0, nodes, "")


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (None, JobState.UNKNOWN),
        (row("COMPLETED"), JobState.OK),
        (row("FAILED", 1 << 8), JobState.FAILED),
        (row("FAILED", RESUMABLE << 8), JobState.STOPPED),
        (row("FAILED", BUSY << 8), JobState.BUSY),
        (row("FAILED", 9), JobState.LOST),
        (row("FAILED", 137 << 8), JobState.LOST),
        (row("CANCELLED", nodes=""), JobState.CANCELLED),
        (row("CANCELLED"), JobState.LOST),
        (row("A_STATE_OF_LATER_VERSIONS"), JobState.UNKNOWN),
        *((row(state), JobState.PENDING) for state in sorted(WAITING)),
        *((row(state), JobState.RUNNING) for state in sorted(GOING_ON)),
        *((row(state), JobState.LOST) for state in sorted(DEAD)),
    ],
)
def test_states_mean_what_they_do_everywhere(given: Row | None, state: JobState) -> None:
    assert status_of(given).state is state


def test_a_shell_reports_signals_above_128() -> None:
    assert [exit_code(status) for status in (0, 9, 85 << 8, 137 << 8)] == [0, -9, 85, -9]


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "tempo" / "slurm.yaml"
    path.parent.mkdir()
    assert profile_path("slurm") == path
    return path


def test_without_a_profile_there_are_defaults(profile: Path) -> None:
    assert load_site() == Site()
    profile.write_text("# nothing yet\n")
    assert load_site() == Site()


def test_a_profile_is_read(profile: Path) -> None:
    profile.write_text("partition: gpu\nextra: {qos: normal}\nsetup: [module load cuda]\n")
    site = load_site()
    assert (site.partition, site.extra, site.setup) == (
        "gpu",
        {"qos": "normal"},
        ("module load cuda",),
    )


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("partitoin: gpu\n", "1:1", "partition"),
        ("time: 12h\n", "1:7", "time must match"),
        ("mem: 4G\npoll: 0\n", "2:7", "greater than 0"),
        ("extra:\n  array: 1-2\n", "2:3", "extra: 'array' is set by Tempo"),
        ("extra: {nice: 5}\n", "1:15", "must be text"),
        ("- partition\n", "1:1", "a mapping"),
        ("a: [1\n", "2:1", ""),
    ],
)
def test_a_mistake_in_a_profile_has_its_place(
    profile: Path, text: str, place: str, words: str
) -> None:
    profile.write_text(text)
    with pytest.raises(SpecError) as error:
        load_site()
    assert str(error.value).startswith(f"{profile}:{place}:")
    assert words in str(error.value)


def fake_program(folder: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program of this name first on the path."""
    (folder / name).write_text(f"#!/bin/bash\n{body}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_a_controller_that_is_away_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = (
        f"echo x >> {tmp_path}/asked\n"
        f"[ $(wc -l < {tmp_path}/asked) -ge 3 ] && exit 0\n"
        "echo 'squeue: error: Unable to contact slurm controller (connect failure)' >&2; exit 1"
    )
    fake_program(tmp_path, "squeue", body, monkeypatch)
    assert Slurm(pause=0.01).rows() == []
    assert (tmp_path / "asked").read_text() == "x\n" * 3


def test_a_controller_that_stays_away_is_an_error_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program(tmp_path, "squeue", "sleep 5", monkeypatch)
    with pytest.raises(AwayError, match=r"does not answer squeue \(no answer within 0\.1 s\)"):
        Slurm(patience=0.1, pause=0.01).rows()


def test_a_refusal_is_told_as_slurm_words_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_program(tmp_path, "sbatch", "echo 'sbatch: error: invalid partition' >&2; exit 1",
                 monkeypatch)  # fmt: skip
    with pytest.raises(TempoError, match="invalid partition"):
        Slurm().submit(tmp_path / "script.sh", {})


def test_without_slurm_the_alternative_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingError, match="sbatch, squeue, scancel, scontrol") as error:
        LAUNCHERS.get("slurm")(LauncherContext(entry=lambda arguments: 0))
    assert "--launcher local" in str(error.value)
    assert error.value.exit_code == 2
