"""Time how long networks take to predict one frame, in turn, so that ratios can be trusted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median, quantiles

import torch
from torch import Tensor

from tempo.models.family import build_model
from tempo.records.method_results.latencies import Latency
from tempo.spec.networks import Network
from tempo.train.evaluation.clip_evaluation import Predictor
from tempo.train.hardware.device import Precision, out_of_memory, unsupported
from tempo.train.hardware.device import precision as make_precision

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedNetwork:
    """A network to time: `load` puts it on a device, `views` is how many frames it is given."""

    name: str
    network: str
    load: Callable[[torch.device], Predictor]
    views: int = 2


def load_untrained(arch: Network, device: torch.device) -> Predictor:
    """Return a network with fresh weights: its time does not depend on them."""
    return build_model(arch, 0).to(device).eval()


@dataclass(slots=True)
class _Timed:
    """What was measured of one network at one size and precision, pass by pass in seconds."""

    seconds: list[float]
    peak: int | None = None
    problem: str = ""


def time_networks(
    networks: Sequence[TimedNetwork],
    sizes: Sequence[tuple[int, int]],
    precisions: Sequence[str],
    device: torch.device,
    *,
    warmup: int,
    passes: int,
    tell: Tell = lambda done, total: None,
) -> tuple[Latency, ...]:
    """Return the time of one frame of every network at every size and precision.

    Each pass goes once through all networks, so that what slows the machine down for a while slows
    all of them. A network that does not fit into memory, or a precision that the device does not
    have, gives a row with the reason.
    """
    loaded = {each.name: each.load(device) for each in networks}
    total = len(sizes) * len(precisions) * (warmup + passes) * len(networks)
    done = 0
    rows: list[Latency] = []
    for size in sizes:
        for name in precisions:
            found = {each.name: _Timed([]) for each in networks}
            if why := unsupported(name, device):
                found = {each.name: _Timed([], problem=why) for each in networks}
            for number in range(warmup + passes):
                for each in networks:
                    done += 1
                    tell(done, total)
                    timed = found[each.name]
                    if not timed.problem:
                        taken = _pass(each, loaded[each.name], size, make_precision(name, device))
                        _keep(timed, taken, counts=number >= warmup)
            rows += _rows(networks, size, name, found)
    return tuple(rows)


def _keep(timed: _Timed, taken: _Timed, *, counts: bool) -> None:
    timed.problem = taken.problem
    if taken.peak is not None:
        timed.peak = max(timed.peak or 0, taken.peak)
    if counts:
        timed.seconds += taken.seconds


@torch.inference_mode()
def _pass(
    network: TimedNetwork, predict: Predictor, size: tuple[int, int], precision: Precision
) -> _Timed:
    """Predict one frame between frames of noise; return the time it took."""
    device = precision.device
    frames, times, moment = _inputs(network.views, size, device)
    cuda = device.type == "cuda"
    before = 0
    try:
        if cuda:
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
        begun = time.perf_counter()
        with precision.autocast():
            predict(frames, times, moment)
        if cuda:
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - begun
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return _Timed([], problem="it does not fit into the memory of the device")
    peak = torch.cuda.max_memory_allocated(device) - before if cuda else None
    return _Timed([seconds], peak)


def _inputs(
    views: int, size: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    noise = torch.Generator().manual_seed(0)
    frames = torch.rand(1, views, 3, *size, generator=noise).to(device)
    times = torch.linspace(0, 1, views, device=device)[None]
    return frames, times, torch.full((1,), 0.5, device=device)


def _rows(
    networks: Sequence[TimedNetwork],
    size: tuple[int, int],
    precision: str,
    found: Mapping[str, _Timed],
) -> Iterator[Latency]:
    first = found[networks[0].name].seconds
    for each in networks:
        timed = found[each.name]
        row = Latency(name=each.name, network=each.network, size=size, precision=precision)
        if timed.problem or not timed.seconds:
            yield replace(row, problem=timed.problem)
            continue
        ms = [1000 * one for one in timed.seconds]
        quarters = quantiles(ms, n=4) if len(ms) > 1 else [ms[0]] * 3
        paired = [own / base for own, base in zip(timed.seconds, first, strict=False)]
        yield replace(
            row,
            ms=median(ms),
            low=quarters[0],
            high=quarters[2],
            ratio=median(paired) if paired else None,
            peak_memory=timed.peak,
        )
