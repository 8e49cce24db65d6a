"""Build a network with its initial weights, drawn module by module from named streams.

Each module's parameters come from a generator seeded with (seed, "init", its path). Modules that
two variants share therefore start equal to the last bit, whatever else differs between the two.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from tempo.core.seeding import stream
from tempo.models.family import TempoNet
from tempo.spec.arch import ArchSpec


def build_model(arch: ArchSpec, seed: int) -> TempoNet:
    """Build a `TempoNet` on the CPU, channels-last, initialised from `seed`; global RNGs stay.

    Raises:
        TypeError: when a module with parameters defines no initialisation.
    """
    with torch.random.fork_rng(devices=[]):
        net = TempoNet(arch)
        initialise(net, seed)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def initialise(net: nn.Module, seed: int) -> None:
    """Initialise all parameters, children first, so that a module can overrule its parts.

    Moves the global CPU generator.
    """
    for path, module in reversed(list(net.named_modules())):
        key = stream(seed, "init", path)
        generator = torch.Generator().manual_seed(key)
        own = getattr(module, "initialise", None)
        if callable(own):
            own(generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            _layer(module, generator)
        elif next(module.parameters(recurse=False), None) is not None:
            _own_reset(module, path, key)


def _layer(module: nn.Conv2d | nn.Linear, generator: torch.Generator) -> None:
    """Draw weights of variance 2 / fan-in (He et al. 2015; linear: 1 / fan-in); zero the biases."""
    fan_in = module.weight[0].numel()
    gain = 2.0 if isinstance(module, nn.Conv2d) else 1.0
    nn.init.normal_(module.weight, 0.0, math.sqrt(gain / fan_in), generator=generator)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def _own_reset(module: nn.Module, path: str, key: int) -> None:
    reset = getattr(module, "reset_parameters", None)
    if not callable(reset):
        raise TypeError(
            f"{type(module).__name__} at {path!r} has parameters but neither "
            "`initialise(generator)` nor `reset_parameters()`"
        )
    torch.manual_seed(key)
    reset()
