"""Divide the devices of this machine into slots, each for one run at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tempo.core.errors import MissingError
from tempo.core.records import Plan
from tempo.launch.accounting.gpu_usage import runs_that_fit, share_gpus, smallest_gpu
from tempo.launch.accounting.resource_needs import Needs
from tempo.records.layout import Store
from tempo.records.prices import Prices
from tempo.workflow.plan.machine_check import Checked

Slot = Mapping[str, str]
"""The environment of a run's process, such as the GPU that the run owns."""


def run_slots(
    plan: Plan, store: Store, needs: Needs, checked: Checked, wanted: int | None
) -> Sequence[Slot]:
    """The slots of a study's runs; `wanted` is how many runs shall execute side by side."""
    return limit_slots(_shared(plan, store, needs, checked), wanted, needs.processes.per_node)


def limit_slots(slots: Sequence[Slot], wanted: int | None, processes: int) -> Sequence[Slot]:
    """One slot for each run side by side: `processes` devices each, at most `wanted` runs.

    More runs than there are devices, when asked for, share the devices in turn.

    Raises:
        MissingError: when one run needs more GPUs than there are.
    """
    if processes > 1:
        groups = [slots[i : i + processes] for i in range(0, len(slots), processes)]
        whole = [_joined(group) for group in groups if len(group) == processes]
        if not whole and slots[0]:
            raise MissingError(
                f"{processes} processes per run need {processes} GPUs, this machine shows "
                f"{len(slots)}; ask for fewer (--ddp), or train on the CPU "
                "(--set runtime.device=cpu)"
            )
        slots = whole or [_joined(slots)]
    return slots if wanted is None else [slots[n % len(slots)] for n in range(wanted)]


def _shared(plan: Plan, store: Store, needs: Needs, checked: Checked) -> Sequence[Slot]:
    """The slots, several on a GPU where the spec lets small runs share one."""
    asked = needs.wanted.runs_per_gpu
    if asked == 1 or needs.processes.per_node > 1:
        return checked.slots
    trained = [each.config for each in plan.variants if each.config["method"] == "network"]
    prices = [Prices(store.root).get(config, checked.device) for config in trained]
    return share_gpus(checked.slots, runs_that_fit(asked, prices, smallest_gpu()))


def _joined(slots: Sequence[Slot]) -> Slot:
    """The environment of one run on the devices of several slots."""
    return {name: ",".join(slot[name] for slot in slots) for name in slots[0]}
