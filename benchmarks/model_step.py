"""One training step of TEMPO against a plain NCHW build of the same networks, as paired ratios.

    python benchmarks/model_step.py
    python benchmarks/model_step.py --device cuda --batch 32 --size 256 --widths 64 96 128 160 \
        --precision bf16

All candidates take turns within each round, so what slows the machine for a while slows them all,
and a ratio compares neighbours in time. Printed is the median over rounds, with the range.
The plain build is written as one would write the table of docs/models.md down: NCHW, a loop over
views, torch.nn.GroupNorm.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from plain import PlainTempo
from torch import Tensor, nn

from tempo.models.family import build_model
from tempo.models.network_cost import count
from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS

NETS = {"v2": "tempo_v2", "v3": "tempo_v3"}
NORMS = ("group", "layer2d", "none")
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Candidate:
    """One way to run one network."""

    net: str
    build: str
    mode: str
    norm: str = "group"
    layout: str = "channels-last"

    @property
    def label(self) -> str:
        return f"{self.net} {self.build:5} {self.mode:8} {self.norm:7} {self.layout}"


def options() -> argparse.Namespace:
    """Command line; the defaults suit a CPU and a few minutes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=64, help="height and width in pixels")
    parser.add_argument("--widths", type=int, nargs=4, default=[16, 24, 32, 48])
    parser.add_argument("--precision", choices=TYPES, default="fp32")
    parser.add_argument("--nets", choices=NETS, nargs="+", default=list(NETS))
    parser.add_argument("--norms", choices=NORMS, nargs="+", default=list(NORMS))
    parser.add_argument("--blocks", type=int, default=6, help="n of V3")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=2, help="steps per turn")
    parser.add_argument(
        "--compile",
        choices=("none", "group", "all"),
        default="group",
        help="which norms are compiled too; compiling takes minutes on a CPU",
    )
    parser.add_argument("--forward-only", action="store_true", help="inference, no gradients")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser.parse_args()


def candidates(asked: argparse.Namespace) -> Iterator[Candidate]:
    """The plain build in both layouts, ours with each norm; eager, then compiled."""
    for net in asked.nets:
        yield Candidate(net, "plain", "eager", layout="NCHW")
        if asked.compile != "none":
            yield Candidate(net, "plain", "compiled", layout="NCHW")
        yield Candidate(net, "plain", "eager")
        for norm in asked.norms:
            yield Candidate(net, "tempo", "eager", norm)
            if asked.compile in {norm, "all"}:
                yield Candidate(net, "tempo", "compiled", norm)


def arch_of(asked: argparse.Namespace, net: str, norm: str = "group") -> ArchSpec:
    """The network of a candidate."""
    changes = {"widths": list(asked.widths), "norm": norm}
    if net == "v3":
        changes["blocks"] = asked.blocks
    return ArchSpec.model_validate({**PRESETS.get(NETS[net]), **changes})


def network(asked: argparse.Namespace, each: Candidate) -> nn.Module:
    """The candidate's network on its device."""
    arch = arch_of(asked, each.net, each.norm)
    net: nn.Module = PlainTempo(arch) if each.build == "plain" else build_model(arch, 0)
    if each.layout == "channels-last":
        net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net.to(asked.device)


def stepper(asked: argparse.Namespace, each: Candidate) -> Callable[[], None]:
    """A function that runs one step: forward, Charbonnier loss, backward."""
    net = network(asked, each)
    run = torch.compile(net, fullgraph=True, dynamic=False) if each.mode == "compiled" else net
    shape = (asked.batch, 2, 3, asked.size, asked.size)
    frames = torch.rand(shape, device=asked.device)
    times = torch.tensor([[0.0, 1.0]], device=asked.device).repeat(asked.batch, 1)
    target = torch.full((asked.batch,), 0.4, device=asked.device)
    wanted = torch.rand_like(frames[:, 0])
    kind = TYPES[asked.precision]

    def forward() -> Tensor:
        half = kind is not torch.float32
        with torch.autocast(asked.device, kind) if half else nullcontext():
            out: Tensor = run(frames, times, target)
        return ((out.float() - wanted).square() + 1e-6).sqrt().mean()

    def step() -> None:
        if asked.forward_only:
            with torch.no_grad():
                forward()
            return
        net.zero_grad(set_to_none=True)
        forward().backward()

    return step


def seconds(asked: argparse.Namespace, step: Callable[[], None]) -> float:
    """Time of one step, averaged over a turn."""
    synchronise = torch.cuda.synchronize if asked.device.startswith("cuda") else lambda: None
    synchronise()
    start = time.perf_counter()
    for _ in range(asked.steps):
        step()
    synchronise()
    return (time.perf_counter() - start) / asked.steps


def measure(asked: argparse.Namespace, group: list[Candidate]) -> dict[Candidate, list[float]]:
    """Seconds per step in each round. A candidate that runs out of memory is left out, aloud."""
    steps: dict[Candidate, Callable[[], None]] = {}
    for each in group:
        start = time.perf_counter()
        step = stepper(asked, each)
        try:
            for _ in range(3):
                step()
        except torch.OutOfMemoryError:
            print(f"  {each.label}: out of memory")
            continue
        steps[each] = step
        print(f"  {each.label}: ready in {time.perf_counter() - start:.1f} s", flush=True)
    times: dict[Candidate, list[float]] = {each: [] for each in steps}
    for _ in range(asked.rounds):
        for each, step in steps.items():
            times[each].append(seconds(asked, step))
    return times


def report(asked: argparse.Namespace, times: dict[Candidate, list[float]]) -> None:
    """Samples per second, and how many times faster than the plain build, round by round."""
    passes = 1 if asked.forward_only else 3
    print(f"{'':52} samples/s  TFLOP/s   x plain eager        x plain compiled")
    for each, own in times.items():
        rate = asked.batch / statistics.median(own)
        macs = count(arch_of(asked, each.net), height=asked.size, width=asked.size).macs
        cells = [f"  {each.label:50} {rate:9.2f} {2 * passes * macs * rate / 1e12:8.3f}"]
        for mode in ("eager", "compiled"):
            plain = times.get(Candidate(each.net, "plain", mode, layout="NCHW"))
            if plain is None:
                continue
            ratios = [a / b for a, b in zip(plain, own, strict=True)]
            cells.append(f"{statistics.median(ratios):7.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        print("  ".join(cells))


def main() -> None:
    """Measure each network apart, so that only its own candidates share the memory."""
    asked = options()
    torch.set_num_threads(asked.threads)
    device = torch.cuda.get_device_name() if asked.device.startswith("cuda") else "CPU"
    print(
        f"torch {torch.__version__}, {device}, {asked.precision}, batch {asked.batch}, "
        f"2 frames of {asked.size}x{asked.size}, widths {asked.widths}, "
        f"{asked.rounds} rounds of {asked.steps} steps"
    )
    for net in asked.nets:
        times = measure(asked, [each for each in candidates(asked) if each.net == net])
        report(asked, times)


if __name__ == "__main__":
    main()
