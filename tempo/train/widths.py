"""The width at which one network costs what another does, counted without running anything."""

from __future__ import annotations

import torch

from tempo.design.measured import Width
from tempo.design.widths import nearest_width
from tempo.models.count import count
from tempo.models.family import TempoNet
from tempo.spec.arch import ArchSpec


def same_cost(arch: ArchSpec, target: ArchSpec, by: str, crops: tuple[int, int]) -> Width:
    """The width at which `arch` has the parameters or MACs (`by`) of `target`; `crops` are the
    sides of the square pictures that each of them is counted for."""

    def cost(one: ArchSpec, side: int) -> float:
        if by == "parameters":
            return float(sum(each.numel() for each in _on_meta(one).parameters()))
        return float(count(one, height=side, width=side).macs)

    return nearest_width(
        lambda width: cost(arch.model_copy(update={"base_channels": width}), crops[0]),
        cost(target, crops[1]),
    )


def _on_meta(arch: ArchSpec) -> TempoNet:
    with torch.device("meta"):
        return TempoNet(arch)
