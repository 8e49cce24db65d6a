"""Find the width at which one network costs as much as another, without running either."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from tempo.design.measurements import Width, nearest_width
from tempo.models.family import TempoNet
from tempo.spec.arch import ArchSpec


def same_cost(arch: ArchSpec, target: ArchSpec, by: str, crops: tuple[int, int]) -> Width:
    """Return the width at which `arch` has as many parameters or MACs (`by`) as `target`.

    `crops` are the sides in pixels of the square pictures that the two are counted for."""

    def cost(one: ArchSpec, side: int) -> float:
        if by == "parameters":
            return float(sum(each.numel() for each in _on_meta(one).parameters()))
        return _macs(one, side)

    return nearest_width(
        lambda width: cost(arch.model_copy(update={"base_channels": width}), crops[0]),
        cost(target, crops[1]),
    )


def _macs(arch: ArchSpec, side: int) -> float:
    """Return the multiply-accumulates of one forward pass, as `models.network_cost` counts them."""
    net = _on_meta(arch)
    with torch.device("meta"):
        inputs = torch.empty(1, 2, 3, side, side), torch.empty(1, 2), torch.empty(1)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(*inputs)
    return float(counter.get_total_flops()) / 2


def _on_meta(arch: ArchSpec) -> TempoNet:
    with torch.device("meta"):
        return TempoNet(arch)
