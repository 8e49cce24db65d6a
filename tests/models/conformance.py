"""Laws that every point of the family obeys, as checks over any ArchSpec.

`points()` lists every preset and every registered kind of every slot, at small widths; `LAWS`
are the checks. A kind that is registered is covered, without naming it here. A broken law is an
AssertionError that says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tempo.models.blocks import BLOCKS, CHANNEL_ATTENTION, RESIDUAL_GROUPS
from tempo.models.family import DECODERS, TempoNet, build_model
from tempo.models.fusion import FUSIONS
from tempo.models.laws import TimeReversed
from tempo.models.motion import MOTIONS
from tempo.models.norms import NORMS
from tempo.models.output import HEADS, OUTPUTS, SCENE_CUTS
from tempo.models.temporal.conditioning import CONDITIONING
from tempo.models.temporal.time_encoders import TIME_ENCODERS
from tempo.models.temporal.weighting import TEMPORAL_WEIGHTS, Moments
from tempo.spec.arch import ArchSpec
from tempo.spec.implementations import Implementations
from tempo.spec.presets import PRESETS

Law = Callable[[ArchSpec], None]
LAWS: dict[str, Law] = {}
SLOT_TABLES: dict[str, Implementations[Any]] = {
    "block": BLOCKS,
    "conditioning": CONDITIONING,
    "decoder": DECODERS,
    "fusion": FUSIONS,
    "head": HEADS,
    "motion": MOTIONS,
    "norm": NORMS,
    "output": OUTPUTS,
    "residual_group": RESIDUAL_GROUPS,
    "scene_cut": SCENE_CUTS,
    "se": CHANNEL_ATTENTION,
    "temporal_weights": TEMPORAL_WEIGHTS,
    "time_encoder": TIME_ENCODERS,
}
"""By the name of the slot's field in ArchSpec."""

TOLERANCE = 1e-9
"""Laws are checked in float64, where a different order of sums moves an output by less."""


def points() -> dict[str, ArchSpec]:
    """Small networks: each preset, and V3 with each registered kind of each slot."""
    found = {
        name: ArchSpec.model_validate({**PRESETS.get(name), "base_channels": 8}) for name in PRESETS
    }
    for slot, table in SLOT_TABLES.items():
        for kind in table.options:
            found[f"{slot}={kind}"] = small(**{slot: kind})
    for name in ("guidance", "checkpointing"):
        found[name] = small(**{name: True})
    found["motion=flow+iterations"] = small(
        motion={"kind": "flow", "levels": 2, "iterations": 2}, temporal_weights="linear"
    )
    found["guidance+deformable"] = small(guidance=True, fusion="deformable_attention")
    return found


def small(**changes: object) -> ArchSpec:
    """V3 at base 8 with few blocks, changed."""
    start: dict[str, object] = {"base_channels": 8, "blocks": [1, 2, 1, [1, 2]]}
    return ArchSpec.model_validate({**start, **changes})


def awake(arch: ArchSpec, seed: int = 0) -> TempoNet:
    """A float64 network whose zero-initialised layers have been shaken, so that all parts speak."""
    net = build_model(arch, seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.add_(0.05 * noise)
    return net


def clip(
    batch: int = 2, views: int = 3, height: int = 8, width: int = 24, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Random frames, times that differ within the batch, and target times between them."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=torch.float64)

    times = torch.cumsum(0.2 + uniform(batch, views), 1)
    target = times[:, 0] + (times[:, -1] - times[:, 0]) * (0.2 + 0.5 * uniform(batch))
    return uniform(batch, views, 3, height, width), times, target


def law(check: Law) -> Law:
    """Enter a check in `LAWS`."""
    LAWS[check.__name__] = check
    return check


def _same(one: Tensor, other: Tensor, what: str) -> None:
    gap = float((one - other).abs().max())
    assert gap < TOLERANCE, f"{what}: differs by {gap:.3g}, tolerance {TOLERANCE}"


@law
def any_size_and_any_time_gives_a_finite_picture(arch: ArchSpec) -> None:
    """H and W of any size, 2 to 8 views with the same weights, extrapolation to both sides."""
    net = awake(arch)
    for views, height, width, when in ((2, 9, 13, -0.7), (4, 17, 8, 1.6), (8, 5, 7, 0.4)):
        frames, times, _ = clip(1, views, height, width)
        target = times[:, 0] + when * (times[:, -1] - times[:, 0])
        with torch.no_grad():
            out = net(frames, times, target)
        assert out.shape == (1, 3, height, width), f"{out.shape} from {height}x{width}"
        assert bool(out.isfinite().all()), f"not finite at {views} views, t = {when}"


@law
def the_order_of_views_changes_nothing(arch: ArchSpec) -> None:
    """(frame, time) pairs are a set."""
    net, (frames, times, target) = awake(arch), clip(views=4)
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        _same(
            net(frames[:, order], times[:, order], target),
            net(frames, times, target),
            "views in another order",
        )


@law
def a_sample_does_not_depend_on_its_batch(arch: ArchSpec) -> None:
    """Alone or beside others, the picture is the same."""
    net, (frames, times, target) = awake(arch), clip(batch=3)
    with torch.no_grad():
        together = net(frames, times, target)
        for i in range(3):
            one = slice(i, i + 1)
            _same(net(frames[one], times[one], target[one]), together[one], f"sample {i} alone")


@law
def unused_views_change_nothing(arch: ArchSpec) -> None:
    """Masked slots may hold anything, NaN included."""
    net, (frames, times, target) = awake(arch), clip(views=3)
    junk = torch.full_like(frames[:, :2], torch.nan)
    late = torch.full_like(times[:, :2], 1e3)
    mask = torch.tensor([[True, True, True, False, False]]).expand(2, -1)
    padded = torch.cat((frames, junk), 1), torch.cat((times, late), 1)
    with torch.no_grad():
        _same(net(*padded, target, mask), net(frames, times, target), "two unused views")


class Even(TimeReversed):
    """A time encoder that is even in dt."""

    def forward(self, moments: Moments) -> tuple[Tensor, Tensor]:
        there, back = self.encoder(moments), super().forward(moments)
        return there[0] + back[0], there[1] + back[1]


@law
def reversing_time_negates_dt(arch: ArchSpec) -> None:
    """Frames reversed and t -> 1 - t: the same picture with an even encoding, else dt negated."""
    net, (frames, times, target) = awake(arch), clip(views=3)
    back = frames.flip(1), 1 - times.flip(1), 1 - target
    encoder = net.time_encoder
    with torch.no_grad():
        reversed_clip = net(*back)
        net.time_encoder = TimeReversed(encoder)
        _same(net(frames, times, target), reversed_clip, "dt negated against clip reversed")
        net.time_encoder = Even(encoder)
        _same(net(frames, times, target), net(*back), "reversed under an even encoding")


@law
def times_have_no_unit_and_no_origin(arch: ArchSpec) -> None:
    """Seconds or frame numbers, from any origin: only times relative to the span count."""
    net, (frames, times, target) = awake(arch), clip()
    with torch.no_grad():
        _same(
            net(frames, 24 * times - 7, 24 * target - 7),
            net(frames, times, target),
            "times in another unit",
        )


@law
def every_parameter_gets_a_gradient(arch: ArchSpec) -> None:
    """Within three optimiser steps; a zero-initialised last layer hides the rest at step 0."""
    net = build_model(arch, 0)
    frames, times, target = (each.float() for each in clip(views=4))
    wanted = torch.rand_like(frames[:, 0])
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3)
    silent = {name for name, _ in net.named_parameters()}
    for _ in range(3):
        optimiser.zero_grad()
        (net(frames, times, target) - wanted).square().mean().backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, f"{name} is not used"
            if float(parameter.grad.abs().max()) > 0:
                silent.discard(name)
        optimiser.step()
    assert not silent, f"no gradient in 3 steps: {sorted(silent)}"


@law
def the_target_time_reaches_the_features(arch: ArchSpec) -> None:
    """With the views' weights held, another target time is another picture; `none` is exempt."""
    net, (frames, times, target) = build_model(arch, 0).double(), clip()
    nn.init.normal_(net.head.last.weight, std=0.1, generator=torch.Generator().manual_seed(0))
    held = torch.full_like(times, 1 / times.shape[1])
    net.temporal_weights = Held(held)
    with torch.no_grad():
        near, far = net(frames, times, target), net(frames, times, target + 0.1)
    moved = float((near - far).abs().max())
    if arch.conditioning.kind == "none":
        assert moved < TOLERANCE or arch.scene_cut.kind != "none", "`none` still sees the time"
    else:
        assert moved > 1e-6, f"another target time moves the output by {moved:.3g} only"


class Held(nn.Module):
    """Weights that do not depend on time."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights

    def forward(self, codes: Tensor, moments: Moments) -> Tensor:
        return self.weights


@law
def recomputing_activations_changes_nothing(arch: ArchSpec) -> None:
    """Gradient checkpointing gives the same output and the same gradients."""
    kept, again = (_outcome(arch.model_copy(update={"checkpointing": on})) for on in (False, True))
    for name, value in kept.items():
        _same(again[name], value, f"{name} with activations recomputed")


def _outcome(arch: ArchSpec) -> dict[str, Tensor]:
    """The output and every gradient of one step."""
    net, (frames, times, target) = awake(arch), clip(batch=1, views=2)
    out = net(frames, times, target)
    out.square().mean().backward()
    found = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    return {"output": out.detach(), **found}


@law
def half_precision_runs(arch: ArchSpec) -> None:
    """bfloat16 autocast, forward and backward: finite, and close to float32."""
    net = awake(arch).float()
    frames, times, target = (each.float() for each in clip())
    exact = net(frames, times, target).detach()
    with torch.autocast("cpu", torch.bfloat16):
        out = net(frames, times, target)
    out.float().square().mean().backward()
    grads = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(bool(grad.isfinite().all()) for grad in grads), "a gradient is not finite"
    gap, spread = float((out.detach() - exact).abs().mean()), float(exact.std())
    assert gap < 0.1 * spread, f"bfloat16 is off by {gap:.3g} of a spread of {spread:.3g}"


@law
def building_twice_gives_equal_weights(arch: ArchSpec) -> None:
    """The seed decides the weights to the last bit, and the global generator is left alone."""
    state = torch.random.get_rng_state()
    one, two = build_model(arch, 3).state_dict(), build_model(arch, 3).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one), "not reproducible"
    assert torch.equal(state, torch.random.get_rng_state()), "the global generator moved"
