"""Tempo's metrics against scikit-image: largest difference on real frame pairs, and speed.

    python benchmarks/metrics_parity.py [--clips FOLDER] [--pairs 200] [--threads 1]

Differences are against scikit-image in float64. Times are the processor time of one 448x256 pair
in float32, the median of repeated runs, both libraries on the same number of threads.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from tempo.data.video import SUFFIXES, decode
from tempo.metrics.table import METRICS
from tempo.spec.data import Video

SIZE = (256, 448)
KIND: dict[str, Any] = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 1.0,
}
Picture = np.ndarray[Any, Any]


def _eight(picture: Picture) -> Picture:
    return np.rint(picture * 255).astype(np.uint8)


def _padded(picture: Picture) -> Picture:
    return np.pad(picture, 5, mode="edge")


REFERENCES: dict[str, Callable[[Picture, Picture], float]] = {
    "psnr": lambda a, b: peak_signal_noise_ratio(a, b, data_range=1.0),
    "psnr_uint8": lambda a, b: peak_signal_noise_ratio(_eight(a), _eight(b)),
    "ssim": lambda a, b: structural_similarity(a, b, channel_axis=-1, **KIND),
    "ssim_matlab": lambda a, b: structural_similarity(_padded(a), _padded(b), **KIND),
    "ie": lambda a, b: float(np.abs(_eight(a).astype(int) - _eight(b)).mean()),
}
RELATIVE = {"psnr", "psnr_uint8", "ie"}


def frame_pairs(folder: Path, count: int) -> Iterator[tuple[Picture, Picture]]:
    """About `count` pairs of frames two apart, spread over the folder's videos."""
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise SystemExit(f"no video files in {folder}; give --clips or set TEMPO_CLIPS")
    each = -(-count // len(files))
    for file in files:
        pixels = []
        for frame in decode(file, Video(root="", size=SIZE, every=1)):
            assert frame.pixels is not None
            pixels.append(frame.pixels.astype(np.float32) / 255)
            if len(pixels) == each + 2:
                break
        yield from zip(pixels, pixels[2:], strict=False)


def tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()


def measured(function: Callable[[], object], repeats: int) -> float:
    """Median processor time of a call, in milliseconds."""
    function()
    spans = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        spans.append(time.process_time() - start)
    return 1000 * statistics.median(spans)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ.get("TEMPO_CLIPS", "../shared/data/clips"))
    parser.add_argument("--clips", type=Path, default=default)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    worst, compared = dict.fromkeys(REFERENCES, 0.0), 0
    for one, other in frame_pairs(options.clips, options.pairs):
        compared += 1
        wide = one.astype(np.float64), other.astype(np.float64)
        for name, reference in REFERENCES.items():
            value = METRICS.get(name).function(tensor(one), tensor(other)).item()
            expected = float(reference(*wide))
            gap = 0.0 if value == expected else abs(value - expected)
            worst[name] = max(worst[name], gap / abs(expected) if name in RELATIVE else gap)
    print(f"{compared} pairs of {SIZE[1]}x{SIZE[0]}, {options.threads} thread(s)")
    print(
        f"{'metric':12} {'largest difference':>20} {'tempo ms':>9} {'skimage ms':>11} {'ratio':>6}"
    )
    for name, reference in REFERENCES.items():
        a, b, function = tensor(one), tensor(other), METRICS.get(name).function
        ours = measured(lambda f=function, a=a, b=b: f(a, b), 15)
        theirs = measured(lambda r=reference: r(one, other), 5)
        kind = "relative" if name in RELATIVE else "absolute"
        ratio = f"{theirs / ours:6.1f}"
        print(f"{name:12} {worst[name]:11.1e} {kind} {ours:9.2f} {theirs:11.2f} {ratio}")


if __name__ == "__main__":
    main()
