"""Tending a study: by whom, under which options, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import tempo
from tempo.cli.main import parser
from tempo.core.errors import SpecError
from tempo.workflow.execution.launch_setup import LaunchSetup
from tempo.workflow.execution.tender_job import submit_tender, tending_command, tends_itself

from .conftest import ROOT

SPEC = ROOT / "ablations" / "v2_to_v3.yaml"


def study(tmp_path: Path, **options: object) -> tempo.Study:
    given = {"records": tmp_path / "records", "mlflow": "off", "launcher": "ray"} | options
    return tempo.load_study(SPEC, profile="smoke", **given)


def test_the_tending_job_has_the_options_of_the_command_that_began_the_study(
    tmp_path: Path,
) -> None:
    begun = study(
        tmp_path, slots=3, ddp=2, scratch="$TMPDIR", fail_fast=True, reuse_stale=True, wandb=True,
        mlflow_checkpoints=2.5,
    )  # fmt: skip
    words = tending_command(begun.expanded, begun.options)
    assert words[1:3] == ["-m", "tempo"]
    told = parser("tend").parse_args(words[3:])
    assert (told.name, told.profile, told.submit) == ("v2_to_v3", "smoke", False)
    for name in ("launcher", "slots", "ddp", "scratch", "fail_fast", "reuse_stale", "wandb",
                 "mlflow_checkpoints", "mlflow", "records", "reports", "cache"):  # fmt: skip
        assert getattr(told, name) == getattr(begun.options, name), name


def test_a_study_of_this_machine_is_not_tended(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--launcher slurm or ray, not local"):
        study(tmp_path).tend(launcher="local")
    assert not (tmp_path / "records").exists()


def test_only_ray_needs_a_job_that_tends(tmp_path: Path) -> None:
    begun = study(tmp_path, launcher="slurm")
    with pytest.raises(SpecError, match="slurm starts lost jobs again by itself"):
        submit_tender(begun.expanded, begun.options)


@pytest.mark.parametrize(
    ("launcher", "profile", "tends"),
    [("ray", "", True), ("ray", "tend: false\n", False), ("slurm", "", False)],
)
def test_the_site_says_whether_the_cluster_tends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str, profile: str, tends: bool
) -> None:
    path = tmp_path / "ray.yaml"
    path.write_text(profile)
    monkeypatch.setenv("TEMPO_RAY_PROFILE", str(path))
    begun = study(tmp_path, launcher=launcher)
    assert tends_itself(LaunchSetup.of(begun.expanded, begun.options)) is tends


def test_a_launcher_of_one_machine_has_no_profile_of_a_cluster(tmp_path: Path) -> None:
    begun = study(tmp_path, launcher="local")
    assert not tends_itself(LaunchSetup.of(begun.expanded, begun.options))


def test_jobs_in_flight_are_bounded_where_the_queue_does_not(tmp_path: Path) -> None:
    for launcher, most in (("ray", 2), ("slurm", None), ("local", None)):
        begun = study(tmp_path, launcher=launcher, slots=2)
        assert LaunchSetup.of(begun.expanded, begun.options).most_jobs == most
