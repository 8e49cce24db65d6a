"""What the command line promises: its commands, its options, its errors, its speed of import."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tempo.cli import run
from tempo.cli.main import COMMANDS, main, parser, shim
from tempo.launch.launchers.catalog import LAUNCHERS

ROOT = Path(__file__).parents[2]

PLAN = {"--counts", "--arch", "--price", "--reprice", "--json"}
"""What a plan can be asked beside itself."""

RUN = {
    *PLAN,
    "--profile",
    "--set",
    "--records",
    "--plan",
    "--reports",
    "--cache",
    "--slots",
    "--priority",
    "--preempt",
    "--launcher",
    "--ray-address",
    "--ddp",
    "--dry-run",
    "--wait",
    "--scratch",
    "--profile-steps",
    "--reuse-stale",
    "--fail-fast",
    "--mlflow",
    "--mlflow-checkpoints",
    "--wandb",
}

OPTIONS = {
    "run": RUN | {"--evaluate"},
    "plan": PLAN
    | {"--profile", "--set", "--records", "--cache", "--slots", "--ddp", "--reuse-stale"},
    "compare": {
        "--profile",
        "--records",
        "--baseline",
        "--against",
        "--metric",
        "--at",
        "--where",
        "--group-by",
        "--weights",
        "--delta",
        "--level",
        "--passing",
        "--attribution",
        "--gate",
        "--md",
        "--csv",
        "--json",
        "--latex",
        "--reports",
        "--no-report",
        "--example",
        "--mlflow",
        "--on",
        "--paper-table",
    },
    "diff": {"--profile", "--weights", "--no-weights", "--exit-code", "--records", "--json"},
    "search": set(),
    "data": set(),
    "evaluate": {
        "--on",
        "--root",
        "--device",
        "--precision",
        "--tile",
        "--overlap",
        "--threads",
        "--round",
        "--metrics",
        "--check",
        "--again",
        "--plugin",
        "--by",
        "--figure",
        "--backbone",
        "--tta",
        "--card",
        "--verify",
        "--cache",
        "--records",
        "--md",
        "--csv",
        "--json",
    },
    "bench": {
        "--profile",
        "--sizes",
        "--precision",
        "--device",
        "--threads",
        "--warmup",
        "--passes",
        "--records",
        "--md",
        "--csv",
        "--json",
    },
    "interpolate": {
        "--video",
        "--between",
        "-o",
        "--output",
        "--x",
        "-n",
        "--cut",
        "--crf",
        "--allow-truncated",
        "--device",
        "--precision",
        "--tile",
        "--overlap",
        "--threads",
        "--records",
    },
    "status": {"--profile", "--metric", "--watch", "--all", "--json", "--records"},
    "watch": {"--profile", "--metric", "--port", "--reports", "--records"},
    "logs": {"-f", "--follow", "--attempt", "--records"},
    "stop": {"--profile", "--records"},
    "tend": {
        "--profile",
        "--submit",
        "--launcher",
        "--ray-address",
        "--records",
        "--reports",
        "--cache",
        "--slots",
        "--ddp",
        "--scratch",
        "--reuse-stale",
        "--fail-fast",
        "--mlflow",
        "--mlflow-checkpoints",
        "--wandb",
    },
    "retry": RUN | {"--failed"},
    "disk": {"--all", "--json", "--reports", "--cache", "--records"},
    "clean": {"--yes", "--only", "--cited", "--reports", "--cache", "--records"},
    "ui": {"--records", "--mlflow", "--port"},
    "sync": {"--profile", "--records", "--mlflow", "--mlflow-checkpoints", "--wandb"},
    "import": {"--kind", "--study", "--experiment", "--run", "--filter", "--rename", "--records"},
    "check": {"--set", "--frames"},
    "doctor": {"--records", "--cache", "--reports", "--mlflow", "--no-devices", "--json"},
    "notify": set(),
    "init": {"--specs"},
    "schema": {"--out", "--plugin"},
    "completion": set(),
}


def test_the_commands_are_these() -> None:
    assert list(COMMANDS) == list(OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
def test_the_options_of_a_command_are_these(command: str) -> None:
    strings = {text for action in shim(command, command)._actions for text in action.option_strings}
    assert strings - {"-h", "--help"} == OPTIONS[command]


@pytest.mark.parametrize("command", OPTIONS)
def test_help_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parser().parse_args([command, "--help"])
    assert stop.value.code == 0
    assert "example" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        ["run_experiment.py", "--help"],
        ["run_experiment.py", "ablations/se_dilation.yaml", "--plan"],
        ["compare.py", "--help"],
        ["-m", "tempo.cli.main", "plan", "ablations/se_dilation.yaml", "--profile", "demo"],
    ],
)
def test_planning_and_help_import_nothing_heavy(argv: list[str]) -> None:
    heavy = {
        "torch",
        "mlflow",
        "optuna",
        "matplotlib",
        "pandas",
        "skimage",
        "tempo.launch.scheduling.pool",
    }
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *argv], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert len(lines) > 50
    imported = {line.rsplit("|", 1)[1].strip() for line in lines}
    assert not heavy & imported


def test_a_missing_spec_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "nothing.yaml"
    assert main(["run", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ") and str(path) in captured.err


def test_an_unknown_study_names_what_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "nothing", "--records", str(tmp_path)]) == 2
    assert "unknown study 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "s.yaml"], "the same command goes on from there:\n  "),
        (["status"], ""),
    ],
)
def test_ctrl_c_says_what_goes_on_where_something_does(
    words: list[str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tempo.cli.plan.execute", interrupted)
    monkeypatch.setattr("tempo.cli.status.execute", interrupted)
    assert main(words) == 130
    err = capsys.readouterr().err
    assert said in err and bool(said) == bool(err)


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Have Ctrl-C raise a KeyboardInterrupt, as in a process that a user starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("interrupted", [True, False])
def test_ctrl_c_that_an_import_turns_into_its_own_error_is_ctrl_c(
    interrupted: bool, interrupts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def execute(*_: object) -> int:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT if interrupted else signal.SIGCONT)
        raise ValueError("no schema was made")

    monkeypatch.setattr("tempo.cli.status.execute", execute)
    if interrupted:
        assert main(["status"]) == 130
    else:
        with pytest.raises(ValueError, match="no schema"):
            main(["status"])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("script", ["run_experiment.py", "compare.py"])
def test_ctrl_c_while_a_script_starts_prints_no_traceback(script: str) -> None:
    for wait in (0.1, 0.2, 0.3):
        process = subprocess.Popen(
            [sys.executable, str(ROOT / script), "--help"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(wait)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        # Before the script's first line Python itself speaks.
        assert "tempo/" not in err


def test_a_closed_pipe_is_no_error() -> None:
    spec = "ablations/se_dilation.yaml"
    command = f"{sys.executable} run_experiment.py {spec} --plan --json | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_the_launchers_are_those_there_are() -> None:
    assert set(run.LAUNCHERS) == set(LAUNCHERS)
    assert run.LAUNCHERS[0] == "local", "the default is named first"
