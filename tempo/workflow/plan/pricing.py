"""Price a plan: train a few real steps of every variant, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tempo.core.errors import TempoError
from tempo.core.identity import canonical
from tempo.core.jobs import JobSpec
from tempo.core.records import Plan, PlannedVariant
from tempo.launch.launchers.process_groups import KILL, signal_group
from tempo.launch.launchers.worker_processes import Child, WorkerStart, make_start
from tempo.launch.worker_command import WORKER, call_worker
from tempo.records.files import write_json
from tempo.records.layout import Store
from tempo.records.prices import (
    CONFIG_FILE,
    NETWORKS_FILE,
    PRICE_FILE,
    Price,
    Prices,
    price_key,
    read_price,
)
from tempo.workflow.observer import Observer, advancing
from tempo.workflow.plan.machine_check import Checked, check
from tempo.workflow.plan.start_costs import networks_behind

POLL_SECONDS = 0.05
PRELOAD = ("tempo.train.hardware.calibration", "torch._dynamo")
Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Prices configs on this machine, `world` processes to a run.

    `networks` are those whose weights the configs take, by source, as the check before training
    describes them.
    """

    prices: Prices
    cache: Path
    environment: Mapping[str, str]
    world: int
    start: WorkerStart
    networks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def price(self, config: Config) -> Price:
        """Measure a config and keep its price.

        Raises:
            TempoError: with what the calibration said, when it failed.
        """
        with tempfile.TemporaryDirectory(prefix="tempo-price-") as name:
            folder = Path(name)
            write_json(folder / CONFIG_FILE, dict(config))
            write_json(folder / NETWORKS_FILE, dict(self.networks))
            argv = [*WORKER, "calibrate", name, "--cache", str(self.cache.resolve())]
            world = world_of(config, self.world)
            argv += ["--with-parent", *(["--ddp", str(world)] if world > 1 else [])]
            log = folder / "log"
            code = _wait(self.start(JobSpec(key=name, argv=argv, log=log), self.environment))
            if code != 0:
                lines = log.read_text(errors="replace").strip().splitlines()
                raise TempoError(
                    lines[-1].strip() if lines else f"its process ended with code {code}"
                )
            price = read_price(folder / PRICE_FILE)
        self.prices.save(config, price)
        return price


def _wait(child: Child) -> int:
    """The exit code of a process, which is ended when this one is interrupted."""
    code = None
    try:
        while (code := child.code()) is None:
            time.sleep(POLL_SECONDS)
    finally:
        if code is None:
            signal_group(child.pid, KILL)
    return code


def ready(
    plan: Plan, prices: Prices, cache: Path, world: int, observer: Observer
) -> tuple[Checked, Calibrator]:
    """Check the machine; returns what the machine offers, and a calibrator on its first device."""
    server = make_start(call_worker, PRELOAD)
    server.warm()
    names = [variant.name for variant in plan.variants]
    checked = check(plan, names, cache, prices.root, observer, server)
    sources = networks_behind(plan, names, Store(prices.root)).values()
    networks = {name: each for found in sources for name, each in found.items()}
    devices = {name for slot in checked.slots for name in slot}
    together = {
        name: ",".join(slot[name] for slot in checked.slots[:world]) for name in sorted(devices)
    }
    return checked, Calibrator(prices, cache, together, world, server, networks)


def price_plan(
    plan: Plan, checked: Checked, calibrator: Calibrator, observer: Observer, *, again: bool
) -> dict[str, str]:
    """Price every variant that has no price on this device yet, or all `again`.

    Returns:
        By variant, why it could not be priced.
    """
    todo = _distinct(plan, checked, calibrator, again=again)
    failed: dict[str, str] = {}
    with advancing(observer, "Pricing", "configs") as advance:
        for done, variants in enumerate(todo):
            advance(done, len(todo))
            try:
                calibrator.price(variants[0].config)
            except TempoError as error:
                failed |= {each.name: str(error) for each in variants}
        advance(len(todo), len(todo))
    return failed


def _distinct(
    plan: Plan, checked: Checked, calibrator: Calibrator, *, again: bool
) -> list[list[PlannedVariant]]:
    """The variants to price, those of one price together."""
    groups: dict[str, list[PlannedVariant]] = {}
    for variant in plan.variants:
        device = "cpu" if variant.config["runtime"]["device"] == "cpu" else checked.device
        known = calibrator.prices.get(
            variant.config, device, world_of(variant.config, calibrator.world)
        )
        if again or known is None:
            groups.setdefault(price_key(variant.config), []).append(variant)
    return list(groups.values())


def world_of(config: Config, world: int) -> int:
    """Processes of a config's run: a method without weights has one."""
    return world if config["method"] == "network" else 1


class NetworkCosts:
    """Answers for one config after another; a context manager that ends its process.

    No process is started before the first question, so a search without constraints pays nothing.
    Steps are timed once for each price of the records, on the device of `environment`.
    """

    def __init__(self, calibrator: Calibrator) -> None:
        self._calibrator = calibrator
        self._process: subprocess.Popen[str] | None = None
        self._counts: dict[str, dict[str, float]] = {}

    def __enter__(self) -> NetworkCosts:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def __call__(self, config: Config, quantities: Sequence[str]) -> dict[str, float]:
        """What a config costs: `parameters`, `macs` (one pass at the training crop), `step_time`
        in milliseconds.

        Raises:
            TempoError: it cannot be built, or its steps cannot be timed.
        """
        out: dict[str, float] = {}
        if {"parameters", "macs"} & set(quantities):
            out |= self._count(config)
        if "step_time" in quantities:
            out["step_time"] = self._time(config)
        return out

    def _time(self, config: Config) -> float:
        known = self._calibrator.prices.known(config, self._calibrator.world)
        price = known[0] if known else self._calibrator.price(config)
        return price.step_ms

    def _count(self, config: Config) -> dict[str, float]:
        question = {
            "arch": config["arch"],
            "crop": config["recipe"]["crop"],
            "plugins": config.get("plugins") or [],
        }
        key = canonical(question)
        if key not in self._counts:
            self._counts[key] = self._ask(question)
        return self._counts[key]

    def _ask(self, question: Mapping[str, Any]) -> dict[str, float]:
        if self._process is None:
            argv, pipe = [*WORKER, "network-cost"], subprocess.PIPE
            self._process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True)
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise TempoError("the process that counts networks died; its message stands above")
        answer: dict[str, Any] = json.loads(line)
        if "broken" in answer:
            raise TempoError(f"a proposed network cannot be built: {answer['broken']}")
        return answer
