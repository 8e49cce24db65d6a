"""Evaluate clips of 1080p: memory over the clips, and processor time against a bare loop.

    python benchmarks/evaluation_memory.py                       # 40 clips, a small V2 on one core
    python benchmarks/evaluation_memory.py --clips 8 --base 4

The clips are generated: crops of a photograph with noise, 1920 x 1080 pixels, as PNG files in the
layout of DAVIS. `tempo.evaluate` judges a network on them; a bare loop reads the same
files, runs the same network, computes the same metrics and does nothing else. Each has a process
of its own, and speeds are by processor time, so that other work on the machine does not count.

Bars: resident memory grows by less than 5 % from the second quarter of the clips to the last, and
Tempo takes at most 1.1 times the bare loop. An evaluation also estimates the motion of the clips,
once a set: the second one finds it in the cache. Both are printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
import torch
from PIL import Image
from torch import Tensor, nn

import tempo
from tempo.data.datasets.photographs import PHOTOGRAPHS, read_rgb
from tempo.metrics.metric_table import evaluate_pair
from tempo.models.family import build_model
from tempo.spec.arch import ArchSpec
from tempo.spec.metrics import DEFAULT_METRICS
from tempo.spec.presets import PRESETS

HEIGHT, WIDTH = 1080, 1920
MEGABYTE = 1e6
GROWTH, SLOWER = 1.05, 1.10
Predict = Callable[[Tensor, Tensor, Tensor], Tensor]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--base", type=int, default=8, help="channels of the V2 that is judged")
    parser.add_argument("--side", choices=("tempo", "bare"), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def write_clips(root: Path, count: int) -> None:
    """Write triplets of an enlarged photograph that moves, each clip with noise of its own."""
    photograph = Image.fromarray(read_rgb(PHOTOGRAPHS["test"][0].path))
    wide = np.asarray(photograph.resize((WIDTH + 256, HEIGHT + 64), Image.Resampling.BICUBIC))
    random = np.random.default_rng(0)
    for number in range(count):
        folder = root / "JPEGImages" / "480p" / f"clip{number:03d}"
        folder.mkdir(parents=True)
        noise = random.integers(0, 8, wide.shape, dtype=np.uint8)
        picture = np.clip(wide.astype(np.int16) + noise, 0, 255).astype(np.uint8)
        start, speed = number % 16, 1 + number % 12
        for place in range(3):
            left = start + place * speed
            crop = picture[place : place + HEIGHT, left : left + WIDTH]
            Image.fromarray(crop).save(folder / f"{place:05d}.png", compress_level=1)


def network(base: int) -> nn.Module:
    arch = ArchSpec.model_validate({**PRESETS.get("tempo_v2"), "base_channels": base})
    return build_model(arch, 0).eval()


def tempo_side(root: Path, net: nn.Module) -> dict[str, object]:
    """Evaluate twice; the second time the motion of the clips is known."""
    resident: list[float] = []
    process = psutil.Process()

    def predict(frames: Tensor, times: Tensor, target_time: Tensor) -> Tensor:
        resident.append(process.memory_info().rss / MEGABYTE)
        return net(frames, times, target_time)  # type: ignore[no-any-return]

    def once(*, again: bool) -> tuple[float, float]:
        begun = time.process_time()
        found = tempo.evaluate(
            predict,
            on="davis",
            metrics=DEFAULT_METRICS,
            roots={"davis": root},
            records=root.parent / "records",
            cache=root.parent / "cache",
            device="cpu",
            threads=1,
            again=again,
        )
        took = time.process_time() - begun
        return took, float(found.table()["psnr"].iloc[0])

    first, psnr = once(again=False)
    clips = len(resident)
    second, _ = once(again=True)
    return {"resident": resident[:clips], "seconds": [first, second], "psnr": psnr}


def bare_side(root: Path, net: nn.Module) -> dict[str, object]:
    begun, values = time.process_time(), []
    times, moment = torch.tensor([[0.0, 1.0]]), torch.tensor([0.5])
    with torch.inference_mode():
        for folder in sorted((root / "JPEGImages" / "480p").iterdir()):
            pictures = [
                np.array(Image.open(folder / f"{n:05d}.png").convert("RGB")) for n in range(3)
            ]
            first, target, last = (
                torch.from_numpy(each).permute(2, 0, 1).float() / 255 for each in pictures
            )
            out = net(torch.stack((first, last))[None], times, moment)
            values.append(float(evaluate_pair(out, target[None])["psnr"]))
    return {"seconds": [time.process_time() - begun], "psnr": float(np.mean(values))}


def in_a_process(side: str, root: Path, asked: argparse.Namespace) -> dict[str, object]:
    command = [
        sys.executable,
        __file__,
        "--side",
        side,
        "--root",
        str(root),
        "--base",
        f"{asked.base}",
    ]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    asked = options()
    torch.set_num_threads(1)
    if asked.side:
        sides = {"tempo": tempo_side, "bare": bare_side}
        print(json.dumps(sides[asked.side](asked.root, network(asked.base))))
        return 0
    with TemporaryDirectory() as folder:
        root = Path(folder) / "davis"
        write_clips(root, asked.clips)
        bare = in_a_process("bare", root, asked)
        judged = in_a_process("tempo", root, asked)
    resident = judged["resident"]
    assert isinstance(resident, list) and len(resident) == asked.clips, "clips share no batch"
    quarter = max(1, asked.clips // 4)
    early, late = max(resident[quarter : 2 * quarter]), max(resident[-quarter:])
    print(f"{asked.clips} clips of {WIDTH} x {HEIGHT}, V2 at base {asked.base}, one core")
    print(f"resident memory, MB: second quarter {early:.0f}, last quarter {late:.0f}")
    (plain,), (first, second) = bare["seconds"], judged["seconds"]  # type: ignore[misc]
    print(f"PSNR: tempo {judged['psnr']:.4f} dB, bare loop {bare['psnr']:.4f} dB")
    each = 1 / asked.clips
    print(f"bare loop: {plain * each:.2f} s of processor a clip")
    print(f"tempo: {second * each:.2f} s ({second / plain:.2f} x), ", end="")
    print(f"with the motion of the clips {first * each:.2f} s ({first / plain:.2f} x)")
    held = late <= GROWTH * early and second <= SLOWER * plain
    print("both bars are held" if held else "a bar is not held")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
