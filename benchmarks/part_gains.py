"""What each part gains over frame averaging after a stated number of steps, on moving pictures.

    python benchmarks/part_gains.py --steps 600

Trains a small network for each registered part on the procedural data and prints its PSNR on the
validation split beside that of averaging the two frames. A part that does not beat averaging
here is marked experimental in docs/models.md.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor

from tempo.data.batches import TrainBatches
from tempo.data.cache.splits import Split
from tempo.data.open_dataset import open_split
from tempo.models.family import TempoNet, build_model
from tempo.spec.arch import ArchSpec
from tempo.spec.data import Procedural
from tempo.spec.presets import PRESETS
from tempo.spec.recipe import Augment

BASES = {
    "v2": {**PRESETS.get("tempo_v2"), "base_channels": 16},
    "v3": {"base_channels": 8, "blocks": 4},
}
CHANGES: tuple[tuple[str, object], ...] = (
    ("guidance", True),
    ("motion", "flow"),
    ("fusion", "window_attention"),
    ("fusion", "deformable_attention"),
    ("time_encoder", "sinusoidal_octaves"),
    ("time_encoder", "transformer"),
    ("block", "pre_act"),
    ("block", "post_act"),
    ("block", "swin"),
    ("conditioning", "none"),
    ("norm", "none"),
    ("norm", "layer2d"),
    ("temporal_weights", "linear"),
    ("output", "sigmoid"),
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--base", choices=BASES, nargs="+", default=list(BASES))
    parser.add_argument("--only", nargs="*", help="slots to change, such as fusion; default: all")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--crop", type=int, default=32)
    parser.add_argument("--motion", type=float, nargs=2, default=(1.0, 4.0), help="pixels")
    parser.add_argument("--cache", type=Path, default=Path("datasets/cache"))
    return parser.parse_args()


def psnr(one: Tensor, other: Tensor) -> float:
    """Mean over pictures of the PSNR in dB, values in [0, 1]."""
    error = (one.clamp(0, 1) - other).square().mean((1, 2, 3))
    return float((-10 * torch.log10(error)).mean())


def validation(split: Split) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All clips of a split as one batch: frames, times, target, target time."""
    clips = list(split)
    frames = torch.stack([torch.from_numpy(clip.frames.copy()) for clip in clips])
    target = torch.stack([torch.from_numpy(clip.target.copy()) for clip in clips])
    return (
        frames.permute(0, 1, 4, 2, 3) / 255,
        torch.tensor([clip.times for clip in clips]),
        target.permute(0, 3, 1, 2) / 255,
        torch.tensor([clip.target_time for clip in clips]),
    )


def train(net: TempoNet, batches: TrainBatches, steps: int, lr: float) -> None:
    """AdamW on the Charbonnier loss, clipped at 1, warm-up over a tenth and cosine decay."""
    optimiser = torch.optim.AdamW(net.parameters(), lr, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, steps, pct_start=0.1)
    for step in range(steps):
        batch = batches.batch(step)
        out = net(batch.frames / 255, batch.times, batch.target_time)
        loss = ((out - batch.target / 255).square() + 1e-6).sqrt().mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimiser.step()
        schedule.step()


def main() -> None:
    asked = options()
    torch.set_num_threads(1)
    data = Procedural(
        size=(48, 48),
        motion=tuple(asked.motion),
        train_clips=2048,
        val_clips=64,
        test_clips=1,
        target_times="any",
    )
    batches = TrainBatches(
        open_split(data, "train", asked.cache),
        seed=0,
        batch=asked.batch,
        crop=asked.crop,
        augment=Augment(),
    )
    frames, times, target, target_time = validation(open_split(data, "val", asked.cache))
    average = psnr(frames.mean(1), target)
    print(f"{asked.steps} steps, batch {asked.batch}, crop {asked.crop}, motion {asked.motion} px")
    print(f"averaging: {average:.2f} dB", flush=True)
    for base in asked.base:
        chosen = [each for each in CHANGES if not asked.only or each[0] in asked.only]
        for slot, kind in (("as it is", ""), *chosen):
            changes = {slot: kind} if kind else {}
            net = build_model(ArchSpec.model_validate({**BASES[base], **changes}), 0)
            start = time.perf_counter()
            train(net, batches, asked.steps, asked.lr)
            took = (time.perf_counter() - start) / asked.steps
            with torch.no_grad():
                gain = psnr(net(frames, times, target_time), target) - average
            print(
                f"{base} {slot}: {kind!s:22} {gain:+.2f} dB  {1e3 * took:.0f} ms/step", flush=True
            )


if __name__ == "__main__":
    main()
