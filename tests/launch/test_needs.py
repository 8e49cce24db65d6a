"""From a spec's resources to what a job asks for, and what a study may spend."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tempo.core.errors import MissingError, TempoError
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.launch.accounting import gpu_hour_budget as spending
from tempo.launch.accounting.gpu_hour_budget import check_budget, expected_hours, spent_hours
from tempo.launch.accounting.resource_needs import Needs, mebibytes, seconds
from tempo.launch.launchers.slurm.site import Site
from tempo.records.event_log import EventLog
from tempo.records.events import AttemptStarted, Trained
from tempo.records.layout import Store
from tempo.records.prices import Price, Prices


@pytest.mark.parametrize(
    ("text", "expected"), [("1K", 1), ("512", 512), ("512M", 512), ("32G", 32_768), ("1T", 2**20)]
)
def test_memory(text: str, expected: int) -> None:
    assert mebibytes(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 5_400),
        ("10:30", 630),
        ("12:00:00", 43_200),
        ("2-03:04:05", 183_845),
        ("1-12:30", 131_400),
    ],
)
def test_time_is_read_as_slurm_reads_it(text: str, expected: int) -> None:
    assert seconds(text) == expected


def needs(ddp: int = 1, site: Site | None = None, device: str = "cuda", **resources: Any) -> Needs:
    runtime = {"device": device, "threads": 2, "workers": 3}
    return Needs.of({"resources": resources, "runtime": runtime}, ddp, site)


def test_a_spec_prevails_over_the_site_and_the_site_over_defaults() -> None:
    site = Site(partition="gpu", mem="8G", time="60", cpus=5, extra={"qos": "low", "nice": "5"})
    own = needs(site=site, mem="4G", partition="debug", extra={"qos": "high"})
    assert own.resources().mem_mb == 4096
    assert own.resources().time_s == 3600
    assert own.resources().cpus == 5
    placement = own.slurm_policy("s").placement
    assert placement.partition == "debug"
    assert placement.extra == {"qos": "high", "nice": "5"}
    assert needs(gpus_per_run=4).resources().cpus == 4 * (2 + 3)


def test_a_process_for_each_gpu_of_each_node() -> None:
    own = needs(gpus_per_run=4, nodes=2)
    assert (own.processes.per_node, own.processes.nodes, own.gpus) == (4, 2, 8)
    assert own.resources().gpus_per_node == 4
    assert needs(ddp=2).processes.per_node == 2
    cpu = needs(device="cpu", gpus_per_run=4, ddp=2)
    assert (cpu.processes.per_node, cpu.gpus, cpu.resources().gpus_per_node) == (2, 0, 0)


def test_a_reference_takes_one_process() -> None:
    own = needs(gpus_per_run=4, nodes=2, mem="4G")
    assert own.of_method({"method": "network"}) is own
    alone = own.of_method({"method": "average"})
    assert (alone.gpus, alone.resources().mem_mb) == (1, 4096)


def test_the_tighter_bound_on_jobs_counts() -> None:
    limited = Needs.of({"budget": {"jobs": 4}})
    assert limited.slurm_policy("s").throttle == 4
    assert limited.slurm_policy("s", slots=2).throttle == 2
    assert needs().slurm_policy("s").throttle is None


def config(budget: dict[str, int]) -> dict[str, Any]:
    return {
        "method": "network",
        "arch": {},
        "data": {"kind": "vimeo90k"},
        "recipe": {
            "batch": 10,
            "budget": {"steps": None, "epochs": None, "clips": None, **budget},
            "crop": 8,
        },
        "evaluation": {"val_every": 1000},
        "runtime": {"device": "cuda", "checkpoint_every": 1000},
    }


def make_plan(budget: dict[str, int]) -> Plan:
    reference = {**config(budget), "method": "average"}
    return Plan(
        study="s",
        question="",
        profile=None,
        source="s.yaml",
        spec={},
        spec_hash="",
        baseline=None,
        variants=(
            PlannedVariant(name="v", role="variant", levels={}, config=config(budget)),
            PlannedVariant(name="average", role="reference", levels={}, config=reference),
        ),
        runs=(
            *(PlannedRun(run_id=f"r{n}", variant="v", seed=n) for n in range(3)),
            PlannedRun(run_id="reference", variant="average", seed=None),
        ),
    )


def price(device: str = "gpu", world: int = 1, step_ms: float = 360.0) -> Price:
    return Price(
        device=device,
        world_size=world,
        steps=5,
        step_ms=step_ms,
        setup_s=0.0,
        validation_s=0.0,
        evaluation_s=0.0,
        peak_memory=0,
        train_clips=50_000,
    )


def test_hours_by_price(tmp_path: Path) -> None:
    prices = Prices(tmp_path)
    plan = make_plan({"steps": 10_000})
    with pytest.raises(MissingError, match=r"a price for v: .*`\S*tempo plan s\.yaml --price`"):
        expected_hours(plan, plan.runs, prices)
    prices.save(plan.variants[0].config, price())
    assert expected_hours(plan, plan.runs, prices) == pytest.approx(3 * 1.0)
    assert expected_hours(plan, plan.runs, prices, world=4) == pytest.approx(3.0)
    prices.save(plan.variants[0].config, price(world=4, step_ms=100.0))
    assert expected_hours(plan, plan.runs, prices, world=4) == pytest.approx(3 * 4 / 3.6)
    prices.save(plan.variants[0].config, price(device="slow gpu", step_ms=720.0))
    assert expected_hours(plan, plan.runs, prices) == pytest.approx(6.0), "the dearest counts"
    assert expected_hours(plan, plan.runs, prices, device="gpu") == pytest.approx(3.0)
    with pytest.raises(MissingError, match="a price on other gpu"):
        expected_hours(plan, plan.runs, prices, device="other gpu")


def test_epochs_are_as_long_as_the_price_found_them(tmp_path: Path) -> None:
    plan = make_plan({"epochs": 2})
    Prices(tmp_path).save(plan.variants[0].config, price())
    assert expected_hours(plan, plan.runs, Prices(tmp_path)) == pytest.approx(3.0)


def test_what_was_spent_counts_gpus_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    clock = iter([0.0, 3600.0, 3600.0, 7200.0])
    folders = [store.save_run(RunSpec(run_id=name, seed=0, config={})) for name in ("a", "b")]
    for folder, device in zip(folders, ("NVIDIA H100", "cpu"), strict=True):
        with EventLog(folder, 1) as log:
            monkeypatch.setattr("tempo.records.event_log.time.time", lambda: next(clock))
            environment = {"device": device, "world_size": 4}
            log.append(AttemptStarted(resumed_step=0, total_steps=9, environment=environment))
            log.append(Trained(step=1, clips=1, epoch=0.1, values={}))
    assert spent_hours([*folders, tmp_path / "never begun"]) == pytest.approx(4.0)


def test_a_watch_objects_once_the_budget_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    spent, now = iter([0.5, 1.5]), 100.0
    monkeypatch.setattr(spending, "spent_hours", lambda folders: next(spent))
    monkeypatch.setattr("tempo.launch.accounting.gpu_hour_budget.time.monotonic", lambda: now)
    watch = spending.BudgetWatch(1.0, list)
    assert watch() is None
    now += spending.PAUSE - 1
    assert watch() is None, "it does not look all the time"
    now += 1
    assert watch() == "budget.gpu_hours is 1, and 1.5 GPU-hours were spent"


def test_a_watch_that_takes_long_looks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = 0.0, 0

    def slow(folders: object) -> float:
        nonlocal now, looks
        now, looks = now + 6.0, looks + 1
        return 0.0

    monkeypatch.setattr(spending, "spent_hours", slow)
    monkeypatch.setattr("tempo.launch.accounting.gpu_hour_budget.time.monotonic", lambda: now)
    watch = spending.BudgetWatch(1.0, list)
    for _ in range(2000):
        watch()
        now += 1.0
    assert looks == 4, "six seconds of looking in ten minutes at most"


def test_a_study_is_watched_as_far_as_its_plan_limits_it(tmp_path: Path) -> None:
    store, plan = Store(tmp_path), make_plan({"steps": 2})
    store.save_plan(replace(plan, spec={**plan.spec, "budget": {"gpu_hours": None}}))
    assert spending.BudgetWatch.of_study(store, plan.study, plan.profile_name) is None
    store.save_plan(replace(plan, spec={**plan.spec, "budget": {"gpu_hours": 0.0}}))
    watch = spending.BudgetWatch.of_study(store, plan.study, plan.profile_name)
    assert watch is not None
    assert "0 GPU-hours were spent" in (watch() or "")


def test_a_budget_is_kept() -> None:
    check_budget(None, 1e9, 1e9)
    check_budget(10.0, 6.0, 4.0)
    with pytest.raises(TempoError, match=r"gpu_hours is 10: 5 were spent.* 6 more; nothing"):
        check_budget(10.0, 6.0, 5.0)
