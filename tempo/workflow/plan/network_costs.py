"""Ask a process that has torch loaded what a config costs before training."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from tempo.core.errors import TempoError
from tempo.core.identity import canonical
from tempo.launch.worker_command import WORKER
from tempo.workflow.plan.pricing import Calibrator

Config = Mapping[str, Any]


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
            out |= self._count(config)
        if "step_time" in quantities:
            out["step_time"] = self._time(config)
        return out

    def _time(self, config: Config) -> float:
        known = self._calibrator.prices.known(config, self._calibrator.world)
        price = known[0] if known else self._calibrator.price(config)
        return price.step_ms

    def _count(self, config: Config) -> dict[str, float]:
        question = {"arch": config["arch"], "crop": config["recipe"]["crop"]}
        key = canonical(question)
        if key not in self._counts:
            self._counts[key] = self._ask(question)
        return self._counts[key]

    def _ask(self, question: Mapping[str, Any]) -> dict[str, float]:
        process = self._process = self._process or _start()
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


def _start() -> subprocess.Popen[str]:
    argv = [*WORKER, "network-cost"]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
