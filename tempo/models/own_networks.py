"""Build networks that are not TEMPO from the target and options of a spec.

The constructor decides how the weights start, but for parameters that it leaves as the layer's own
`reset_parameters` made them: these are drawn again from a stream named after the layer's path, so
that layers that two variants share start equal, whatever else differs between the two.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from tempo.core.errors import PluginError
from tempo.core.plugins.parts import target_of
from tempo.core.seeding import stream
from tempo.models.padding import pad_to_stride, unpad
from tempo.spec.implementations import Implementations
from tempo.spec.networks import NETWORKS, ModuleArch
from tempo.spec.options import Options


class Network(Protocol):
    """What a network is called with, and what it returns. A torch module does the rest.

    frames: [B, N, 3, H, W] RGB in 0..1, any H and W; times: [B, N] of the frames, rising, in any
    one unit; target_time: [B], in the same unit. Returns the pictures [B, 3, H, W], not clamped.
    """

    def __call__(self, frames: Tensor, times: Tensor, target_time: Tensor, /) -> Tensor: ...


class MidpointNetwork(nn.Module):
    """Adapt a network of two frames, `net(first, second)`, that predicts the one in the middle.

    Frames are handed over in the order of their times, padded by replicating the border to a
    multiple of `stride`; the picture is cut back.

    Args:
        net: called with two pictures [B, 3, H, W] in 0..1; returns the picture [B, 3, H, W].
        stride: what H and W must be a multiple of.
    """

    def __init__(self, net: nn.Module, *, stride: int = 1) -> None:
        super().__init__()
        self.net = net
        self.stride = stride

    def forward(self, frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        """Return the picture in the middle.

        Raises:
            PluginError: for other than two frames, or a target time that is not half-way.
        """
        if frames.shape[1] != 2:
            raise PluginError(f"this network takes two frames, not {frames.shape[1]}")
        if not torch.compiler.is_compiling() and not times.is_meta:
            _check_midpoint(times, target_time)
        late = (times[:, 0] > times[:, 1])[:, None, None, None]
        first = torch.where(late, frames[:, 1], frames[:, 0])
        second = torch.where(late, frames[:, 0], frames[:, 1])
        padded, margins = pad_to_stride(torch.cat((first, second)), self.stride)
        one, other = padded.chunk(2)
        return unpad(self.net(one, other), margins)


def _check_midpoint(times: Tensor, target_time: Tensor) -> None:
    span = (times[:, 1] - times[:, 0]).abs().clamp(min=1e-12)
    off = ((target_time - times.mean(1)).abs() / span).max()
    if float(off) > 1e-3:
        raise PluginError(
            "this network knows the middle of two frames only, and was asked for another time; it "
            "is trained on data with `target_times: middle`, and makes one frame between two"
        )


OWN_NETWORKS: Implementations[Callable[..., nn.Module]] = Implementations(NETWORKS, {})
"""The kinds of `arch` that plug-ins registered; `module` is made from its target."""


def make_network(arch: Options) -> nn.Module:
    """Call what makes the network of `arch`; its weights are as the constructor left them.

    Raises:
        PluginError: when the target is not there, does not take the options, makes no module, or
            makes one whose `forward` takes other than frames, times and the target time.
    """
    if isinstance(arch, ModuleArch):
        # A plug-in that is listed is imported; another module is imported here.
        make = target_of(arch.target, f"the network {arch.target!r}")
        net = _called(arch.target, make, arch.options)
        what = arch.target
    else:
        net, what = OWN_NETWORKS.make(arch), arch.kind
    if not isinstance(net, nn.Module):
        raise PluginError(
            f"the network {what!r} is a {type(net).__name__}; a torch.nn.Module is needed"
        )
    _check_forward(what, net)
    return net


def _called(target: str, make: Any, options: Mapping[str, Any]) -> Any:
    if not callable(make):
        raise PluginError(f"the network {target!r} is a {type(make).__name__}, not a class")
    try:
        signature = inspect.signature(make)
        signature.bind(**options)
    except TypeError as error:
        known = ", ".join(_parameters(make)) or "none"
        raise PluginError(
            f"the network {target!r} cannot be made with the options "
            f"{', '.join(options) or 'none'} ({error}); it takes: {known}"
        ) from None
    except ValueError:
        pass
    return make(**options)


def _parameters(make: Any) -> Iterator[str]:
    for each in inspect.signature(make).parameters.values():
        yield (
            each.name if each.default is inspect.Parameter.empty else f"{each.name}={each.default}"
        )


def _check_forward(what: str, net: nn.Module) -> None:
    try:
        inspect.signature(net.forward).bind("frames", "times", "target_time")
    except TypeError as error:
        signature = inspect.signature(net.forward)
        raise PluginError(
            f"the network {what!r} is called as forward(frames, times, target_time), and its "
            f"forward{signature} cannot be: {error}; a network of two frames is adapted by "
            "tempo.plugins.MidpointNetwork"
        ) from None
    except ValueError:
        return


def build_own(arch: Options, seed: int) -> nn.Module:
    """Build the network of `arch` on the CPU, its weights decided by `seed`; global RNGs stay."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(stream(seed, "init"))
        with _resets() as made:
            net = make_network(arch)
        _draw_by_path(net, seed, made)
    return net


Resets = dict[nn.Module, list[Tensor]]
"""Layers with the values that their `reset_parameters` gave their own parameters last."""


@contextmanager
def _resets() -> Iterator[Resets]:
    """Note what every layer's `reset_parameters` draws while the block makes layers."""
    found: Resets = {}
    kinds = [each for each in _subclasses(nn.Module) if "reset_parameters" in vars(each)]
    originals = {each: vars(each)["reset_parameters"] for each in kinds}

    def noting(original: Callable[[nn.Module], None]) -> Callable[[nn.Module], None]:
        def reset_parameters(self: nn.Module) -> None:
            original(self)
            found[self] = [each.detach().clone() for each in self.parameters(recurse=False)]

        return reset_parameters

    try:
        for kind, original in originals.items():
            if inspect.isfunction(original):
                kind.reset_parameters = noting(original)  # type: ignore[attr-defined]
        yield found
    finally:
        for kind, original in originals.items():
            kind.reset_parameters = original  # type: ignore[attr-defined]


def _subclasses(kind: type[nn.Module]) -> Iterator[type[nn.Module]]:
    waiting, seen = [kind], {kind}
    while waiting:
        one = waiting.pop()
        yield one
        fresh = set(one.__subclasses__()) - seen
        seen |= fresh
        waiting += fresh


def _draw_by_path(net: nn.Module, seed: int, made: Resets) -> None:
    """Draw what the constructor left alone from streams of the layers' paths, children first, and
    call what modules say themselves: `initialise(generator)`."""
    for path, module in reversed(list(net.named_modules())):
        key = stream(seed, "init", path)
        own = getattr(module, "initialise", None)
        if callable(own):
            own(torch.Generator().manual_seed(key))
        elif module in made:
            torch.default_generator.manual_seed(key)
            _draw_again(module, made[module])


@torch.no_grad()
def _draw_again(module: nn.Module, drawn: list[Tensor]) -> None:
    """Reset a layer, but for the parameters that the constructor changed after its first reset."""
    now = list(module.parameters(recurse=False))
    if [each.shape for each in now] != [each.shape for each in drawn]:
        return
    pairs = zip(now, drawn, strict=True)
    changed = {each: each.clone() for each, old in pairs if not torch.equal(each, old)}
    cast(Any, module).reset_parameters()
    for each, kept in changed.items():
        each.copy_(kept)
