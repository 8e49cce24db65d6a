"""What a config costs before it is trained, asked of processes that have torch loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from tempo.cli.pricing import PRELOAD, Calibrator
from tempo.core.errors import TempoError
from tempo.core.identity import canonical
from tempo.launch.launchers.worker_processes import ForkServer
from tempo.records.prices import Prices

Config = Mapping[str, Any]


class Measuring:
    """Answers for one config after another; a context manager that ends its process.

    Nothing is started before the first question, so a search without constraints pays nothing.
    Steps are timed once for each price of the records, on the device of `environment`.
    """

    def __init__(self, calibrator: Calibrator) -> None:
        self._calibrator = calibrator
        self._process: subprocess.Popen[str] | None = None
        self._weights: dict[str, dict[str, float]] = {}

    def __enter__(self) -> Measuring:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
            out |= self._weigh(config)
        if "step_time" in quantities:
            out["step_time"] = self._time(config)
        return out

    def _time(self, config: Config) -> float:
        known = self._calibrator.prices.known(config, self._calibrator.world)
        price = known[0] if known else self._calibrator.price(config)
        return price.step_ms

    def _weigh(self, config: Config) -> dict[str, float]:
        question = {"arch": config["arch"], "crop": config["recipe"]["crop"]}
        key = canonical(question)
        if key not in self._weights:
            self._weights[key] = self._ask(question)
        return self._weights[key]

    def _ask(self, question: Mapping[str, Any]) -> dict[str, float]:
        process = self._process = self._process or _start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(question) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            raise TempoError("the process that weighs networks died; its message stands above")
        answer: dict[str, Any] = json.loads(line)
        if "broken" in answer:
            raise TempoError(f"a proposed network cannot be built: {answer['broken']}")
        return answer


def _start() -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "tempo.cli.weighing"]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def make_calibrator(
    prices: Prices, options: Any, environment: Mapping[str, str], world: int
) -> Calibrator:
    """A calibrator whose server starts with its first question."""
    from tempo.cli.main import main

    return Calibrator(prices, options.cache, environment, world, ForkServer(main, PRELOAD))
