"""Every study that ships plans under each of its profiles."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.design.measurements import Config, Unmeasured, Width
from tempo.records.event_log import is_complete
from tempo.records.layout import Store
from tempo.records.seed_log import opened_plan
from tempo.spec.load import load_study
from tempo.spec.study import RunConfig

ROOT = Path(__file__).parents[2]
STUDIES = sorted([*ROOT.glob("experiments/*.yaml"), *ROOT.glob("ablations/*.yaml")])
DEMOS = ("se_dilation", "v2_to_v3", "optimiser", "norm", "tempo_v3")
"""Studies whose demonstration is carried out as well."""

SHORT = ("--set", "recipe.budget.steps=24", "--set", "evaluation.val_every=12")
"""A demonstration's every step but their number, which takes minutes (`make demo` takes them)."""


@pytest.fixture(autouse=True)
def _clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPO_CLIPS", "clips")


class Guessed(Unmeasured):
    """Every width is found: counting networks takes torch, and the smoke tests do it."""

    def width(self, config: Config, target: Config, by: str) -> Width | None:
        return Width(base_channels={"parameters": 5, "macs": 6}[by], cost=1.0, wanted=1.0)


def plan_of(path: Path, profile: str | None) -> Plan:
    return expand(load_study(path, profile=profile), Guessed())


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_it_plans_and_its_smoke_profile_is_tiny(path: Path) -> None:
    loaded = load_study(path)
    assert loaded.spec.study == path.stem
    assert loaded.spec.question.endswith("?")
    plans = {profile: plan_of(path, profile) for profile in loaded.profiles}
    smoke = plans["smoke"]
    for variant in smoke.variants:
        config = RunConfig.model_validate(variant.config)
        assert config.recipe.budget.steps is not None
        assert config.recipe.budget.steps <= 2
        assert config.runtime.device == "cpu"
        assert config.recipe.precision in {"fp32", "bf16", "fp16"}
    fewest = range(1 if smoke.stages is None else smoke.stages.first + 1)
    assert {run.seed for run in smoke.runs} <= {None, *fewest}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_demo_needs_neither_data_nor_a_gpu(path: Path) -> None:
    if "demo" not in load_study(path).profiles:
        pytest.skip("has no demo profile")
    for variant in plan_of(path, "demo").variants:
        assert variant.config["data"]["kind"] == "procedural"
        assert variant.config["runtime"]["device"] == "cpu"


def test_the_main_study_differs_in_nothing_but_its_factors() -> None:
    for profile in ("smoke", "demo", "full"):
        plan = plan_of(ROOT / "ablations/se_dilation.yaml", profile)
        cells = [variant for variant in plan.variants if variant.levels]
        assert len(cells) == 4
        for variant in cells:
            arch = dict(variant.config["arch"])
            arch.pop("se"), arch.pop("dilations")
            first = dict(cells[0].config["arch"])
            first.pop("se"), first.pop("dilations")
            assert arch == first
            assert variant.config["recipe"] == cells[0].config["recipe"]
            assert variant.config["data"] == cells[0].config["data"]


def test_the_dilation_pattern_dilates_something_at_every_size() -> None:
    """A pattern 1, 1, 2 cut to two blocks is no pattern: both levels would be one network."""
    for profile in ("smoke", "demo", "full"):
        plan = plan_of(ROOT / "ablations/se_dilation.yaml", profile)
        arch = plan.variant("se=on dilation=pattern").config["arch"]
        longest = max(size for scale in arch["blocks"] for size in scale)
        assert max(arch["dilations"][:longest]) > 1


# --- carried out -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records that all studies share: what one has done another reuses."""
    return tmp_path_factory.mktemp("shipped")


def carried_out(path: Path, folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [
            *[sys.executable, str(ROOT / "run_experiment.py"), str(path)],
            *["--slots", "2", "--mlflow", "off", *arguments],
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    page = folder / "reports" / path.stem / "index.html"
    assert page.is_file()
    store = Store(folder / "records")
    for run in opened_plan(store, store.load_plan(path.stem)).distinct_runs:
        assert is_complete(folder / "records" / "runs" / run.run_id), run.title


def _self_contained(path: Path) -> bool:
    """Whether a smoke test needs neither files nor a search, which have tests of their own."""
    loaded = load_study(path, profile="smoke")
    return loaded.spec.data.kind == "procedural" and loaded.spec.search is None


@pytest.mark.slow
@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_its_smoke_profile_passes(path: Path, folder: Path) -> None:
    if not _self_contained(path):
        pytest.skip("its smoke profile reads files or searches: tested beside what it needs")
    carried_out(path, folder, "--profile", "smoke")


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMOS)
def test_its_demo_profile_passes(name: str, folder: Path) -> None:
    (path,) = [each for each in STUDIES if each.stem == name]
    carried_out(path, folder, "--profile", "demo", *SHORT)


@pytest.mark.slow
def test_what_one_study_has_done_another_shows_as_reused(folder: Path) -> None:
    """After the smoke tests: the baseline of `se` is that of `norm`."""
    for name in ("norm", "se"):
        carried_out(ROOT / "ablations" / f"{name}.yaml", folder, "--profile", "smoke")
    done = subprocess.run(
        [
            *[sys.executable, "-m", "tempo.cli.main", "plan"],
            *[str(ROOT / "ablations/se.yaml"), "--profile", "smoke", "--json"],
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert len(said["complete"]) == len({run["run_id"] for run in said["runs"]})
    baseline = next(run["run_id"] for run in said["runs"] if run["variant"] == "se=r8")
    assert "norm" in said["reused"][baseline]["studies"]
