"""One training step of TEMPO against a plain NCHW build of the same networks, as paired ratios.

    python benchmarks/model_step.py
    python benchmarks/model_step.py --device cuda --batch 32 --size 256 --widths 64 96 128 160 \
        --precision bf16

All candidates take turns within each round, so what slows the machine for a while slows them all,
and a ratio compares neighbours in time. Printed is the median over rounds, with the range.
The plain build is written as one would write the table of docs/models.md down: NCHW, a loop over
views, torch.nn.GroupNorm.

Fused kernels have rows of their own on a GPU. With TRITON_INTERPRET=1 they have them on a CPU too,
where Triton runs the kernels in Python: a rehearsal at the smallest sizes, whose times say nothing.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import torch
from plain import PlainTempo
from torch import Tensor, nn

from tempo.kernels.selection import NAMES, interpreted, using
from tempo.losses import Charbonnier
from tempo.models.family import build_model
from tempo.models.network_cost import count
from tempo.spec.arch import ArchSpec
from tempo.spec.losses import Charbonnier as CharbonnierOptions
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
    kernels: str = "plain"

    @property
    def label(self) -> str:
        return f"{self.net} {self.build:5} {self.mode:8} {self.norm:7} {self.kernels} {self.layout}"


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
    parser.add_argument(
        "--cudnn-benchmark",
        choices=("on", "off"),
        default="on",
        help="let cuDNN time its convolutions and take the fastest, as the engine does",
    )
    parser.add_argument(
        "--peak",
        type=float,
        help="TFLOP/s that the share is of; by default what NVIDIA states of the card in bf16",
    )
    parser.add_argument("--forward-only", action="store_true", help="inference, no gradients")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser.parse_args()


def candidates(asked: argparse.Namespace) -> Iterator[Candidate]:
    """The plain build in both layouts, ours with each norm; eager, then compiled."""
    fuses = asked.device.startswith("cuda") or interpreted()
    for net in asked.nets:
        yield Candidate(net, "plain", "eager", layout="NCHW")
        if asked.compile != "none":
            yield Candidate(net, "plain", "compiled", layout="NCHW")
        yield Candidate(net, "plain", "eager")
        for norm in asked.norms:
            for kernels in ("plain", "fused") if fuses else ("plain",):
                yield Candidate(net, "tempo", "eager", norm, kernels=kernels)
                if asked.compile in {norm, "all"}:
                    yield Candidate(net, "tempo", "compiled", norm, kernels=kernels)


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
    fused = NAMES if each.kernels == "fused" else ()
    run = torch.compile(net, fullgraph=True, dynamic=False) if each.mode == "compiled" else net
    shape = (asked.batch, 2, 3, asked.size, asked.size)
    frames = torch.rand(shape, device=asked.device)
    times = torch.tensor([[0.0, 1.0]], device=asked.device).repeat(asked.batch, 1)
    target = torch.full((asked.batch,), 0.4, device=asked.device)
    wanted = torch.rand_like(frames[:, 0])
    kind = TYPES[asked.precision]
    loss = Charbonnier(CharbonnierOptions())

    def forward() -> Tensor:
        half = kind is not torch.float32
        with torch.autocast(asked.device, kind) if half else nullcontext():
            out: Tensor = run(frames, times, target)
        total: Tensor = loss(out.float(), wanted).mean()
        return total

    def step() -> None:
        net.zero_grad(set_to_none=True)
        with using(fused), torch.set_grad_enabled(not asked.forward_only):
            total = forward()
        if not asked.forward_only:
            total.backward()

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
    peak = peak_of(asked)
    if peak is not None:
        print(f"of peak: products of a step a second as a share of {peak.said}")
    share = "" if peak is None else "  of peak"
    print(f"{'':58} samples/s  TFLOP/s{share}   x plain eager        x plain compiled")
    for each, own in times.items():
        rate = asked.batch / statistics.median(own)
        macs = count(arch_of(asked, each.net), height=asked.size, width=asked.size).macs
        done = 2 * passes * macs * rate / 1e12
        cells = [f"  {each.label:56} {rate:9.2f} {done:8.3g}"]
        if peak is not None:
            cells.append(f"{100 * done / peak.teraflops:7.2f} %")
        for mode in ("eager", "compiled"):
            plain = times.get(Candidate(each.net, "plain", mode, layout="NCHW"))
            if plain is None:
                continue
            ratios = [a / b for a, b in zip(plain, own, strict=True)]
            cells.append(f"{statistics.median(ratios):7.2f} ({min(ratios):.2f}-{max(ratios):.2f})")
        print("  ".join(cells))


AMPERE = "NVIDIA A100 Tensor Core GPU datasheet, dense"
HALF = "NVIDIA {} Tensor Core GPU datasheet: {} TFLOPS with 2:4 sparsity, half of it dense"
PEAKS = {
    "NVIDIA H100 80GB HBM3": (989.5, HALF.format("H100", "1,979")),
    "NVIDIA H100 PCIe": (756.5, HALF.format("H100", "1,513")),
    "NVIDIA H200": (989.5, HALF.format("H200", "1,979")),
    "NVIDIA A100-SXM4-40GB": (312.0, AMPERE),
    "NVIDIA A100-SXM4-80GB": (312.0, AMPERE),
    "NVIDIA A100-PCIE-40GB": (312.0, AMPERE),
    "NVIDIA A100 80GB PCIe": (312.0, AMPERE),
}
"""Dense TFLOP/s in bf16 with sums in float32, and who states them, by the name that CUDA gives the
card; cards of one family differ."""


class Peak(NamedTuple):
    """A peak that shares are of, and the words that state it."""

    teraflops: float
    said: str


def peak_of(asked: argparse.Namespace) -> Peak | None:
    """The peak that is given, or stated for this card in this precision; else None."""
    if asked.peak is not None:
        return Peak(asked.peak, f"{asked.peak:g} TFLOP/s (--peak)")
    if not asked.device.startswith("cuda") or asked.precision != "bf16":
        return None
    name = torch.cuda.get_device_name()
    if name not in PEAKS:
        return None
    teraflops, source = PEAKS[name]
    return Peak(teraflops, f"{teraflops:g} TFLOP/s in bf16 ({name}; {source})")


def main() -> None:
    """Measure each network apart, so that only its own candidates share the memory."""
    asked = options()
    torch.set_num_threads(asked.threads)
    # As the engine sets it (tempo/train/hardware/device.py): the same convolutions are measured.
    torch.backends.cudnn.benchmark = asked.cudnn_benchmark == "on"
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
