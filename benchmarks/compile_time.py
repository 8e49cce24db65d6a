"""Seconds to compile a training step: the network whole, its blocks as regions, block by block.

    python benchmarks/compile_time.py
    python benchmarks/compile_time.py --device cuda --batch 32 --size 256 --base 64 --precision bf16

whole    the network in one graph, as `runtime.compile: default` does
regions  the same, equal blocks compiled once, as `runtime.compile: regions` does
blocks   every block by itself, the rest of the network eager

Each way compiles in a process of its own with an empty cache (cold), then in another one with what
the first left there (warm). Printed are processor seconds (of the process and those it started) and
seconds by the clock until the first step is done, milliseconds a step after that, and the largest
difference of the output, and of a gradient as a share of the largest, from eager.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from tempo.models.blocks import Chain
from tempo.models.family import build_model
from tempo.spec.arch import ArchSpec
from tempo.spec.presets import PRESETS
from tempo.train.hardware.compiled_code import MOST_KINDS, mark_regions

WAYS = ("whole", "regions", "blocks")
NETS = {"v2": "tempo_v2", "v3": "tempo_v3"}


def options() -> argparse.Namespace:
    """Command line; the defaults suit a CPU and some minutes."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=__doc__.partition("\n\n")[2],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--net", choices=NETS, default="v3")
    parser.add_argument("--base", type=int, default=8, help="base channels")
    parser.add_argument("--blocks", type=int, default=3, help="n of V3")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=32, help="height and width in pixels")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--steps", type=int, default=9, help="timed steps")
    parser.add_argument("--ways", choices=WAYS, nargs="+", default=list(WAYS))
    parser.add_argument("--backend", default="inductor", help="of torch.compile")
    parser.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    return parser.parse_args()


def network(asked: argparse.Namespace) -> nn.Module:
    """The network, with a head that lets every gradient flow."""
    changes: dict[str, Any] = {"base_channels": asked.base}
    if asked.net == "v3":
        changes["blocks"] = asked.blocks
    net = build_model(ArchSpec.model_validate({**PRESETS.get(NETS[asked.net]), **changes}), 0)
    torch.manual_seed(0)
    nn.init.normal_(net.head.last.weight, 0.0, 0.1)  # type: ignore[union-attr, arg-type]
    return net.to(asked.device)


def compiled(net: nn.Module, way: str, backend: str) -> Callable[..., Tensor]:
    """The network compiled in one of the ways."""
    if way == "blocks":
        torch._dynamo.config.recompile_limit = MOST_KINDS
        for chain in (each for each in net.modules() if isinstance(each, Chain)):
            for block in chain.blocks:
                block.compile(fullgraph=True, dynamic=False, backend=backend)
        return net
    if way == "regions":
        mark_regions(net)
    whole: Callable[..., Tensor] = torch.compile(
        net, fullgraph=True, dynamic=False, backend=backend
    )
    return whole


def measure(asked: argparse.Namespace, way: str) -> dict[str, float]:
    """Compile and step in this process; return what it took."""
    torch.set_num_threads(1)
    net = network(asked)
    shape = (asked.batch, 2, 3, asked.size, asked.size)
    frames = torch.rand(shape, device=asked.device)
    times = torch.tensor([[0.0, 1.0]], device=asked.device).repeat(asked.batch, 1)
    target = torch.full((asked.batch,), 0.4, device=asked.device)
    half = asked.precision == "bf16"

    def step(run: Callable[..., Tensor]) -> tuple[Tensor, list[Tensor]]:
        net.zero_grad()
        with torch.autocast(asked.device, torch.bfloat16) if half else nullcontext():
            out = run(frames, times, target)
        out.float().square().mean().backward()
        if asked.device.startswith("cuda"):
            torch.cuda.synchronize()
        grads = [each.grad.clone() for each in net.parameters() if each.grad is not None]
        return out.detach().float(), grads

    plain, exact = step(net)
    begun, used = time.perf_counter(), processor_seconds()
    run = compiled(net, way, asked.backend)
    out, grads = step(run)
    found = {"seconds": time.perf_counter() - begun, "processor": processor_seconds() - used}
    found["output"] = float((out - plain).abs().max())
    pairs = list(zip(grads, exact, strict=True))
    found["gradient"] = max(float((a - b).abs().max()) for a, b in pairs) / max(
        float(each.abs().max()) for each in exact
    )
    taken = []
    for _ in range(asked.steps):
        begun = time.perf_counter()
        step(run)
        taken.append(1e3 * (time.perf_counter() - begun))
    found["step_ms"] = statistics.median(taken)
    return found


def processor_seconds() -> float:
    """User and system seconds of this process and of those it started and that ended."""
    return sum(os.times()[:4])


def in_process(way: str, cache: str) -> dict[str, float]:
    """Measure one way in a new process that keeps compiled code in `cache`."""
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
    # In this process and in order, so that its processor seconds are all there are.
    environment["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    command = [sys.executable, *sys.argv, "--measure", way]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    asked = options()
    if asked.measure:
        print(json.dumps(measure(asked, asked.measure)))
        return
    device = torch.cuda.get_device_name() if asked.device.startswith("cuda") else "CPU"
    print(
        f"torch {torch.__version__}, {device}, {asked.precision}, {asked.net} at base "
        f"{asked.base}, n = {asked.blocks}, batch {asked.batch}, 2 frames of "
        f"{asked.size}x{asked.size}, {asked.backend}"
    )
    print("way      cache  processor s  clock s  ms/step   output  gradient")
    for way in asked.ways:
        with tempfile.TemporaryDirectory() as cache:
            for state in ("cold", "warm"):
                found = in_process(way, cache)
                print(
                    f"{way:8} {state:5} {found['processor']:12.1f} {found['seconds']:8.1f} "
                    f"{found['step_ms']:8.1f} {found['output']:8.1e} {found['gradient']:9.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
