"""Average training metrics over intervals of steps and report them as events."""

from __future__ import annotations

from collections.abc import Mapping

from tempo.records.events import Noted, Trained
from tempo.train.hardware.device import peak_memory
from tempo.train.optim.trainer import Step
from tempo.train.run.batch_stream import Horizon
from tempo.train.run.system_metrics import SystemMeter


class Meters:
    """Means of named values over the steps since the last report.

    They are part of a checkpoint, so that a resumed run reports the same numbers.
    """

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def drain(self) -> dict[str, float]:
        """Return the mean of each value since the last call."""
        means = {name: total / self._counts[name] for name, total in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def state(self) -> dict[str, dict[str, float] | dict[str, int]]:
        return {"sums": dict(self._sums), "counts": dict(self._counts)}

    def load(self, state: Mapping[str, Mapping[str, float]]) -> None:
        self._sums = dict(state["sums"])
        self._counts = {name: int(count) for name, count in state["counts"].items()}


WAITING = 0.05
"""The share of a step's time spent waiting for data above which a note is written."""


class Reports:
    """Turns steps into `Trained` events, with metrics of the machine."""

    def __init__(self, horizon: Horizon, system: SystemMeter) -> None:
        self.horizon, self._system = horizon, system
        self.meters = Meters()
        self._since: tuple[int, float] | None = None
        self._reports, self._warned = 0, False

    def begin(self, step: int, seconds: float) -> None:
        """Start measuring speed at `step`, after `seconds` of training."""
        self._since = (step, seconds)

    def add(self, done: Step, waited: float) -> None:
        """Add a step; `waited`: seconds until its batch was there."""
        self.meters.add(done.values() | {"data_ms": 1e3 * waited})

    def trained(self, step: int, seconds: float, phases: Mapping[str, float]) -> Trained | None:
        """Return the report at `step`; None when this attempt made no step since the last one."""
        if self._since is None or step == self._since[0]:
            return None
        steps, spent = step - self._since[0], seconds - self._since[1]
        self.begin(step, seconds)
        values = self.meters.drain() | {
            "samples_per_s": self.horizon.batch * steps / spent,
            "step_ms": 1e3 * spent / steps,
            **phases,
            "peak_memory_mib": peak_memory() / 2**20,
            **self._system.sample(),
        }
        clips, epoch = self.horizon.clips(step), self.horizon.epoch(step)
        return Trained(step=step, clips=clips, epoch=epoch, values=values)

    def waiting(self, report: Trained) -> Noted | None:
        """Return a note when batches came too slowly, once for each attempt.

        The first report does not count: processes that prepare batches were still starting.
        """
        share = report.values["data_ms"] / report.values["step_ms"]
        self._reports += 1
        if self._warned or self._reports == 1 or share <= WAITING:
            return None
        self._warned = True
        message = (
            f"training waited for data during {share:.0%} of the time; more processes that "
            "prepare batches (runtime.workers) would help"
        )
        return Noted(step=report.step, topic="data_wait", message=message, values={"share": share})
