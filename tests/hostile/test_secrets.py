"""A planted password, searched for in everything that a study prints and stores."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempo.cli.main import main
from tempo.core.redaction import redacted
from tempo.design.expand import expand
from tempo.records.layout import Store
from tempo.spec.load import load_study
from tests.postgres import postgres

ROOT = Path(__file__).parents[2]
SECRET = "hunter2planted"

SPEC = """
study: secret
arch: {base_channels: 4, blocks: [0, 0, 1, 1], decoder: {kind: refined, refine: [0, 0, 1]}}
data: {kind: procedural, size: [32, 32], train_clips: 8, val_clips: 2, test_clips: 2}
recipe: {warmup: 1, batch: 2, crop: 16, budget: {steps: 4}}
evaluation: {val_every: 2, gallery: 1}
runtime: {device: cpu, checkpoint_every: 2, log_every: 1}
variants: {V3: {}, V2: {set: {arch: {preset: tempo_v2, base_channels: 4}}}}
baseline: V3
"""

ADDRESSES = (
    f"postgresql://ann:{SECRET}@db:5432/tempo",
    f"postgresql+psycopg://ann:{SECRET}@[::1]/x",
    f"postgres//ann:{SECRET}@db",
    f"ann:{SECRET}@db",
    f"http://ann:{SECRET}@host:5000/path",
    f"http://ann:{SECRET}/w@host",
    f"https://host/?token={SECRET}&x=1",
    f"host=db user=ann password={SECRET} dbname=x",
    f"mysql://ann:{SECRET}@h:notaport/[x",
)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("around", ["{}", "error: '{}' is no store", "--mlflow={} --yes", "({})"])
def test_a_password_is_removed_wherever_an_address_stands(address: str, around: str) -> None:
    said = redacted(around.format(address))
    assert SECRET not in said and "***" in said


@given(st.sampled_from(("http://127.0.0.1:5000", "sqlite:////a@b/c.db", "git@github.com:a/b")))
def test_what_holds_no_password_stays(address: str) -> None:
    assert redacted(f"see {address} at 12:30") == f"see {address} at 12:30"


def call(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tempo.cli.main", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=250,
    )


def leaks(folder: Path) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "words",
    [
        ("sync", "secret", "--mlflow", "{}"),
        ("import", "{}"),
        ("plan", "secret.yaml", "--set", "search.storage={}"),
        ("plan", "secret.yaml", "--set", "{}"),
        ("plan", "{}"),
        ("status", "{}"),
        ("compare", "{}"),
    ],
)
def test_a_refused_address_is_not_echoed(
    words: tuple[str, ...],
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.yaml").write_text(SPEC)
    with contextlib.suppress(SystemExit):
        assert main([word.format(address) for word in words]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: "), said
    assert SECRET not in said.out + said.err
    assert not leaks(tmp_path)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_ledgers_address_is_not_echoed(
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEMPO_LEDGER", address)
    (tmp_path / "secret.yaml").write_text(SPEC)
    Store(tmp_path / "records").save_plan(expand(load_study(tmp_path / "secret.yaml")))
    assert main(["stop", "secret"]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: "), said
    assert SECRET not in said.out + said.err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_password_reaches_no_record_report_log_terminal_or_store(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(SPEC)
    with postgres() as plain:
        address = plain.replace("tempo@", f"tempo:{SECRET}@")
        for words in (
            ("run", "secret.yaml", "--mlflow", address),
            ("run", "secret.yaml", "--mlflow", address, "--set", "seeds=2"),
            ("status", "secret"),
            ("logs", "secret"),
            ("sync", "secret", "--mlflow", address),
            ("compare", "secret"),
            ("import", address, "--study", "imported", "--experiment", "secret"),
            ("stop", "secret"),
            ("clean",),
        ):
            done = call(tmp_path, *words, TEMPO_LEDGER=address)
            assert SECRET not in done.stdout + done.stderr, words
            assert "Traceback" not in done.stderr, done.stderr
        assert not leaks(tmp_path)
        dump = subprocess.run(
            ["pg_dump", plain], capture_output=True, text=True, timeout=60, check=True
        )
        assert "secret" in dump.stdout and SECRET not in dump.stdout
