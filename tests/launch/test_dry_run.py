"""What `--dry-run` prints, and that docs/clusters.md shows exactly that."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME = "/home/ada/tempo"
PROFILE = """
partition: gpu
account: vfi
time: "24:00:00"
mem: 64G
scratch: $TMPDIR
setup:
  - module load cuda
"""


def dry_run(folder: Path, *options: str) -> str:
    (folder / "config" / "tempo").mkdir(parents=True, exist_ok=True)
    (folder / "config" / "tempo" / "slurm.yaml").write_text(PROFILE)
    spec = str(ROOT / "experiments" / "tempo_v3.yaml")
    argv = [sys.executable, str(ROOT / "run_experiment.py"), spec, "--dry-run", *options]
    # Neither Slurm's commands nor anything else has to be there.
    done = subprocess.run(
        argv,
        cwd=folder,
        env={"PATH": "", "PYTHONPATH": str(ROOT), "XDG_CONFIG_HOME": str(folder / "config")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [each.name for each in folder.iterdir()] == ["config"], "nothing is written"
    return done.stdout


def masked(text: str) -> str:
    """Without the hashes, which change with the spec's defaults."""
    return re.sub(r"\b[0-9a-f]{12}\b|(?<=-)[0-9a-f]{8}\b", "HASH", text).strip()


def test_the_worked_example_is_what_the_program_prints(tmp_path: Path) -> None:
    spread = ("--set", "resources.nodes=2", "--set", "resources.gpus_per_run=4")
    text = dry_run(tmp_path, "--launcher", "slurm", *spread, "--set", "references=[]")
    text = text.replace(str(tmp_path), HOME).replace(sys.executable, f"{HOME}/.venv/bin/python")
    page = (ROOT / "docs" / "clusters.md").read_text()
    shown = page.partition("<!-- dry-run:")[2].partition("```bash\n")[2].partition("\n```\n")[0]
    assert masked(shown) == masked(text)


def test_the_profile_of_the_example_is_the_one_above_it() -> None:
    page = (ROOT / "docs" / "clusters.md").read_text()
    for line in PROFILE.strip().splitlines():
        assert f"    {line}" in page


def test_references_get_an_array_of_their_own(tmp_path: Path) -> None:
    text = dry_run(tmp_path, "--launcher", "slurm", "--set", "resources.gpus_per_run=4")
    assert re.findall(r"--array=(\S+)", text) == ["0-1", "0-0"]
    assert re.findall(r"--gres=(\S+)", text) == ["gpu:1", "gpu:4"]
    assert "#   0  average: " in text and "#   0  tempo_v3 s0: " in text


@pytest.mark.parametrize("launcher", ["local", "torchrun"])
def test_the_exact_launch_on_several_gpus(tmp_path: Path, launcher: str) -> None:
    text = dry_run(tmp_path, "--launcher", launcher, "--ddp", "8")
    commands = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(commands) == 3
    words = shlex.split(commands[-1])
    assert words[0] == "OMP_NUM_THREADS=1"
    assert {"torch.distributed.run", "--nproc-per-node=8", "--max-restarts=0"} <= set(words)
    assert words[words.index("run") + 1].startswith("records/runs/")


def test_several_machines_without_a_scheduler(tmp_path: Path) -> None:
    text = dry_run(tmp_path, "--ddp", "8", "--set", "resources.nodes=2")
    assert "# on each of 2 machines:" in text
    assert "--nnodes=2 --nproc-per-node=8 --rdzv-backend=c10d --rdzv-endpoint=HOST:29400" in text


def test_several_machines_without_a_scheduler_are_refused(tmp_path: Path) -> None:
    spec = str(ROOT / "experiments" / "tempo_v3.yaml")
    argv = [sys.executable, str(ROOT / "run_experiment.py"), spec, "--profile", "smoke"]
    done = subprocess.run(
        [*argv, "--set", "resources.nodes=2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "choose --launcher slurm" in done.stderr


def ray_requests(text: str) -> list[dict[str, object]]:
    """The requests that a dry run printed."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    decoder, found, at = json.JSONDecoder(), [], 0
    while plain[at:].strip():
        at += len(plain[at:]) - len(plain[at:].lstrip())
        value, at = decoder.raw_decode(plain, at)
        found.append(value)
    return found


def test_the_exact_requests_to_ray(tmp_path: Path) -> None:
    profile = tmp_path / "config" / "tempo" / "ray.yaml"
    profile.parent.mkdir(parents=True)
    profile.write_text("address: http://head.cluster:8265\nmem: 64G\nlabels: {kind: h100}\n")
    text = dry_run(tmp_path, "--launcher", "ray", "--set", "resources.gpus_per_run=4")
    assert text.startswith("# POST http://head.cluster:8265/api/jobs/\n# average")
    average, _, network = ray_requests(text)
    assert average["entrypoint_num_gpus"] == 1 and network["entrypoint_num_gpus"] == 4
    assert network["entrypoint_memory"] == 64 * 2**30
    assert network["entrypoint_label_selector"] == {"kind": "h100"}
    words = shlex.split(str(network["entrypoint"]))
    assert words[:2] == ["cd", str(tmp_path)] and "tempo.worker" in words
    assert words[words.index("--ddp") + 1] == "4"


def test_runs_that_share_a_gpu_ask_ray_for_a_part_of_one(tmp_path: Path) -> None:
    text = dry_run(tmp_path, "--launcher", "ray", "--set", "resources.runs_per_gpu=4")
    assert {each["entrypoint_num_gpus"] for each in ray_requests(text)} == {0.25}


def test_a_ray_job_on_several_nodes_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    spec = str(ROOT / "experiments" / "tempo_v3.yaml")
    argv = [sys.executable, str(ROOT / "run_experiment.py"), spec, "--launcher", "ray"]
    done = subprocess.run(
        [*argv, "--dry-run", "--set", "resources.nodes=2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert "a Ray job reserves one node" in done.stderr
