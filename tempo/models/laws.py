"""Check the laws that networks obey, on networks and parts of plug-ins, from outside alone.

A law knows how a network is called and nothing else of it, so that it holds for any network. The
checks are made in float64 where the network can, on small pictures, after its parameters were
shaken: layers that start at zero hide what lies behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO

import torch
from torch import Tensor, nn

from tempo.core.counted import listed_up_to
from tempo.models.family import TempoNet, build_model
from tempo.models.temporal.weighting import Moments
from tempo.spec.arch import ArchSpec
from tempo.spec.networks import ModuleArch, Network

Build = Callable[[int], nn.Module]
"""Makes the network from a seed."""
HEIGHT, WIDTH = 32, 48
SIZES = ((37, 50), (64, 41))
"""Sizes that no stride divides, in pixels."""
STEPS = 3


class LawBrokenError(Exception):
    """A network breaks a law. The message says how."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a network holds a law: True, False, or None where it says why it does not.

    `message` says how the law is broken, or the network's reason."""

    law: str
    held: bool | None
    message: str = ""

    @property
    def sentence(self) -> str:
        """The outcome as a clause: `breaks the law of any size: ...`."""
        name = self.law.replace("_", " ")
        word = {True: "holds", False: "breaks", None: "is exempt from"}[self.held]
        return f"{word} the law {name!r}" + (f": {self.message}" if self.message else "")


@dataclass(slots=True)
class Subject:
    """A network that laws are checked on: how it is built, and how many frames it is given."""

    build: Build
    frames: int = 2
    dtype: torch.dtype = torch.float64
    _exact: bool | None = field(default=None, repr=False)

    def fresh(self) -> nn.Module:
        """Return the network as training begins with it, in float32."""
        return self.build(0)

    def awake(self, *, training: bool = False) -> nn.Module:
        """Return the network with its parameters shaken, in the precision of the checks."""
        net = self.build(0)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for each in net.parameters():
                each.add_(0.05 * torch.randn(each.shape, generator=generator))
        return net.to(self._precision()).train(training)

    def clip(
        self, batch: int = 2, height: int = HEIGHT, width: int = WIDTH
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return random frames with times from 0 to 1, and the target half-way."""
        random = torch.Generator().manual_seed(0)
        shape = (batch, self.frames, 3, height, width)
        frames = torch.rand(shape, generator=random, dtype=torch.float64).to(self.dtype)
        times = torch.linspace(0, 1, self.frames, dtype=self.dtype).repeat(batch, 1)
        return frames, times, torch.full((batch,), 0.5, dtype=self.dtype)

    @property
    def tolerance(self) -> float:
        return 1e-9 if self.dtype is torch.float64 else 1e-3

    def _precision(self) -> torch.dtype:
        if self._exact is None:
            try:
                with torch.no_grad():
                    self.build(0).double().eval()(*self.clip(1))
                self._exact = True
            except Exception:
                self._exact, self.dtype = False, torch.float32
        return self.dtype


Law = Callable[[Subject], None]
LAWS: dict[str, Law] = {}


def law(check: Law) -> Law:
    """Enter a check in `LAWS`."""
    LAWS[check.__name__] = check
    return check


def _same(one: Tensor, other: Tensor, subject: Subject, what: str) -> None:
    gap = float((one - other).abs().max())
    if not gap < subject.tolerance:
        raise LawBrokenError(f"{what} (largest difference {gap:.3g})")


@law
def any_size(subject: Subject) -> None:
    """Pictures of any height and width give a finite picture of the same size."""
    net = subject.awake()
    for height, width in SIZES:
        with torch.no_grad():
            out = net(*subject.clip(1, height, width))
        if tuple(out.shape) != (1, 3, height, width):
            raise LawBrokenError(
                f"frames of {height}x{width} pixels give a tensor of shape {list(out.shape)}, not "
                f"[1, 3, {height}, {width}]"
            )
        if not bool(out.isfinite().all()):
            raise LawBrokenError(
                f"frames of {height}x{width} pixels give values that are not finite"
            )


@law
def order_of_views(subject: Subject) -> None:
    """Frames with their times are a set: in another order they give the same picture."""
    net, (frames, times, target) = subject.awake(), subject.clip()
    order = torch.arange(subject.frames).flip(0)
    with torch.no_grad():
        one, other = net(frames, times, target), net(frames[:, order], times[:, order], target)
    _same(one, other, subject, "frames with their times in another order give another picture")


@law
def batch_independence(subject: Subject) -> None:
    """A sample gives the same picture alone and beside others, in training too."""
    for training in (False, True):
        when = "in training, " if training else ""
        frames, times, target = subject.clip(3)
        with torch.no_grad():
            together = subject.awake(training=training)(frames, times, target)
            for place in range(3):
                one = slice(place, place + 1)
                net = subject.awake(training=training)
                alone = net(frames[one], times[one], target[one])
                what = f"{when}a sample alone gives another picture than beside others"
                _same(alone, together[one], subject, what)


@law
def reversal(subject: Subject) -> None:
    """The clip backwards in time gives the same picture at the mirrored time."""
    net, (frames, times, target) = subject.awake(), subject.clip()
    with torch.no_grad():
        back = net(frames.flip(1), 1 - times.flip(1), 1 - target)
        if isinstance(net, TempoNet):
            # TEMPO's codes know the sign of a time: the law is then that dt is negated.
            net.time_encoder = TimeReversed(net.time_encoder)
        there = net(frames, times, target)
    _same(there, back, subject, "the clip backwards in time gives another picture")


class TimeReversed(nn.Module):
    """A time encoder that sees dt with the other sign."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, moments: Moments) -> tuple[Tensor, Tensor]:
        turned = Moments(-moments.dt, -moments.offset, moments.mask)
        codes: tuple[Tensor, Tensor] = self.encoder(turned)
        return codes


@law
def gradient_for_every_parameter(subject: Subject) -> None:
    """Every parameter that can be trained gets a gradient within three steps."""
    net = subject.fresh().train()
    frames, times, target = (each.float() for each in subject.clip(2))
    wanted = torch.rand(frames[:, 0].shape, generator=torch.Generator().manual_seed(1))
    trained = {name: each for name, each in net.named_parameters() if each.requires_grad}
    if not trained:
        raise LawBrokenError("the network has no parameter that can be trained")
    optimiser = torch.optim.AdamW(trained.values(), 1e-3)
    silent = set(trained)
    for _ in range(STEPS):
        optimiser.zero_grad()
        (net(frames, times, target) - wanted).square().mean().backward()
        silent -= {
            name
            for name, each in trained.items()
            if each.grad is not None and float(each.grad.abs().max()) > 0
        }
        optimiser.step()
    if silent:
        named = listed_up_to(3, sorted(silent))
        raise LawBrokenError(f"no gradient in {STEPS} steps reaches {named}")


@law
def reproducible_start(subject: Subject) -> None:
    """The seed decides the weights to the last bit, and the global generator is left alone."""
    state = torch.random.get_rng_state()
    one, two = subject.build(3).state_dict(), subject.build(3).state_dict()
    different = [name for name, each in one.items() if not torch.equal(each, two[name])]
    if different:
        raise LawBrokenError(f"built twice from one seed, {different[0]} starts differently")
    if not torch.equal(state, torch.random.get_rng_state()):
        raise LawBrokenError("building the network moves torch's global generator")


@law
def checkpoint_round_trip(subject: Subject) -> None:
    """Saved and loaded into a network of another seed, the weights give the same picture."""
    net, clip = subject.awake(), subject.clip()
    buffer = BytesIO()
    torch.save(net.state_dict(), buffer)
    buffer.seek(0)
    other = subject.build(1).to(subject.dtype).eval()
    try:
        other.load_state_dict(torch.load(buffer, weights_only=True))
    except Exception as error:
        raise LawBrokenError(f"the saved weights cannot be loaded: {error}") from error
    with torch.no_grad():
        _same(net(*clip), other(*clip), subject, "saved and loaded weights give another picture")


def check_laws(subject: Subject, laws: Mapping[str, Law] = LAWS) -> Iterator[Outcome]:
    """Check every law and yield how the network stands to it.

    A network may say why it cannot hold a law: its attribute `exempt` maps laws to reasons.
    """
    exempt = exemptions(subject.build(0))
    yield from (outcome(name, law, subject, exempt.get(name)) for name, law in laws.items())


def exemptions(net: nn.Module) -> Mapping[str, str]:
    """Return the laws that a network says it does not hold, with its reasons."""
    said = getattr(net, "exempt", None)
    return {str(name): str(why) for name, why in said.items()} if isinstance(said, Mapping) else {}


def outcome(name: str, check: Law, subject: Subject, exempt: str | None = None) -> Outcome:
    """Check one law; whatever a network raises counts as breaking it."""
    if exempt is not None:
        return Outcome(name, None, exempt)
    try:
        with _quiet():
            check(subject)
    except LawBrokenError as error:
        return Outcome(name, False, str(error))
    except Exception as error:
        text = " ".join(str(error).split())
        return Outcome(name, False, f"it raises {type(error).__name__}: {text}"[:300])
    return Outcome(name, True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave torch's global generator as it was: checks are no part of a run."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        yield


def subject_of(arch: Network, frames: int = 2) -> Subject:
    """Return what laws are checked on: a whole network as it is, a TEMPO network made small."""
    return Subject(partial(build_model, _small(arch)), frames)


def _small(arch: Network) -> Network:
    if not isinstance(arch, ArchSpec):
        return arch
    return arch.model_copy(
        update={
            "base_channels": min(arch.base_channels, 8),
            "blocks": tuple((1,) for _ in arch.blocks),
        }
    )


def title_of(arch: Network) -> str:
    """Return what a message calls a network."""
    if isinstance(arch, ModuleArch):
        return f"the network {arch.target}"
    return "the network" if isinstance(arch, ArchSpec) else f"the network {arch.kind}"
