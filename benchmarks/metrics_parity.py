"""Tempo's metrics against independent references: differences on real frames, and speed.

    python benchmarks/metrics_parity.py [--clips FOLDER] [--pairs 200] [--threads 1]

Frames are consecutive ones of the folder's videos at 448x256. Metrics of a frame compare frames two
apart; temporal metrics judge the mean of two frames as the one between. References are computed in
float64. Times are the processor time of one pair in float32; both sides take turns in one process
on the same number of threads, and the ratio is the median over the turns. The exit code is 1 when
a difference or a ratio misses its bar.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import torch
from scipy.ndimage import map_coordinates
from skimage.filters import sobel_h, sobel_v
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import structural_similarity_index_measure

from tempo.data.datasets.video import SUFFIXES, decode
from tempo.metrics.metric_table import METRICS, FrameMetric
from tempo.metrics.temporal import Frame, Moment
from tempo.spec.data import Video

SIZE = (256, 448)
WINDOW: dict[str, Any] = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 1.0,
}
LUMA = (0.299, 0.587, 0.114)
Picture = np.ndarray[Any, Any]
Triplet = tuple[Picture, Picture, Picture]


def eight(picture: Picture) -> Picture:
    # In float32, as metrics round: a half level may fall to either side in another precision.
    return np.rint(picture.astype(np.float32) * 255).astype(np.uint8)


def psnr(a: Picture, b: Picture) -> float:
    return float(peak_signal_noise_ratio(a, b, data_range=1.0))


def psnr_uint8(a: Picture, b: Picture) -> float:
    return float(peak_signal_noise_ratio(eight(a), eight(b)))


def ssim(a: Picture, b: Picture) -> float:
    return float(structural_similarity(a, b, channel_axis=-1, **WINDOW))


def ssim_matlab(a: Picture, b: Picture) -> float:
    a, b = np.pad(a, 5, mode="edge"), np.pad(b, 5, mode="edge")
    return float(structural_similarity(a, b, **WINDOW))


def ms_ssim(a: Picture, b: Picture) -> float:
    """torchmetrics, one scale at a time: its own sum over scales keeps a reflected border at the
    coarsest one, which Wang et al. (2003) do not have."""
    one, other = tensor(a), tensor(b)
    product = 1.0
    for place, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        similar: dict[str, Any] = {"data_range": 1.0, "return_full_image": True}
        contrast: dict[str, Any] = {"data_range": 1.0, "return_contrast_sensitivity": True}
        _, part = structural_similarity_index_measure(
            one, other, **(similar if place == 4 else contrast)
        )
        product *= (part[..., 5:-5, 5:-5] if place == 4 else part).mean().item() ** exponent
        one, other = (torch.nn.functional.avg_pool2d(each, 2) for each in (one, other))
    return product


def ie(a: Picture, b: Picture) -> float:
    return float(np.abs(eight(a).astype(int) - eight(b)).mean())


def edge(a: Picture, b: Picture) -> float:
    """scikit-image's Sobel filters sum to 2 a side; a slope is half of that."""
    lumas = [each @ np.array(LUMA, each.dtype) for each in (a, b)]
    slopes = [np.hypot(sobel_h(luma), sobel_v(luma)) / 2 for luma in lumas]
    return float(255 * np.abs(slopes[0] - slopes[1]).mean())


def blend(triplet: Triplet) -> Picture:
    return ((triplet[0] + triplet[2]) / 2).astype(np.float32)


def grey(picture: Picture) -> Picture:
    return cv2.cvtColor(eight(picture), cv2.COLOR_RGB2GRAY)


def tof(triplet: Triplet, _: Triplet) -> float:
    before, target, after = map(grey, triplet)
    predicted = grey(blend(triplet))
    settings = (0.5, 3, 15, 3, 5, 1.2, 0)
    gaps = []
    for output, truth in (
        ((before, predicted), (before, target)),
        ((predicted, after), (target, after)),
    ):
        flows = [cv2.calcOpticalFlowFarneback(*two, None, *settings) for two in (output, truth)]
        gaps.append(np.linalg.norm(flows[0] - flows[1], axis=-1).astype(np.float64).mean())
    return float(np.mean(gaps))


def warping(triplet: Triplet, _: Triplet) -> float:
    before, target, after = triplet
    predicted = blend(triplet)
    steps = ((before, predicted, before, target), (predicted, after, target, after))
    return float(np.mean([warped(*step) for step in steps]))


def warped(first: Picture, second: Picture, true_first: Picture, true_second: Picture) -> float:
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    there = search.calc(grey(true_first), grey(true_second), None)
    back = search.calc(grey(true_second), grey(true_first), None)
    y, x = np.indices(SIZE, dtype=np.float64)
    x, y = x + there[..., 0], y + there[..., 1]

    def seen(plane: Picture) -> Picture:
        return map_coordinates(plane, [y, x], order=1, mode="nearest")

    returned = np.stack([seen(back[..., axis]) for axis in (0, 1)], -1)
    length = (there**2).sum(-1) + (returned**2).sum(-1)
    kept = ((there + returned) ** 2).sum(-1) < 0.01 * length + 0.5
    kept &= (x >= 0) & (x <= SIZE[1] - 1) & (y >= 0) & (y <= SIZE[0] - 1)
    rough = sum(np.gradient(there[..., part], axis=axis) ** 2 for part in (0, 1) for axis in (0, 1))
    kept &= rough <= 0.01 * (there**2).sum(-1) + 0.002
    gap = np.stack([seen(second[..., colour]) for colour in range(3)], -1) - first
    return float(1e4 * (gap[kept] ** 2).mean())


def flicker(triplet: Triplet, following: Triplet) -> float:
    errors = [blend(each) - each[1] for each in (triplet, following)]
    return float(255 * np.abs(errors[1] - errors[0]).mean())


@dataclass(frozen=True)
class Case:
    """A metric's reference, where it comes from, and its bars."""

    name: str
    source: str
    reference: Callable[[Any, Any], float]
    kind: Literal["relative", "absolute"]
    difference: float
    ratio: float | None = None


CASES = (
    Case("psnr", "scikit-image", psnr, "relative", 1e-6),
    Case("psnr_uint8", "scikit-image", psnr_uint8, "relative", 1e-6),
    Case("ssim", "scikit-image", ssim, "absolute", 1e-5, 3.0),
    Case("ssim_matlab", "scikit-image", ssim_matlab, "absolute", 1e-5, 5.0),
    Case("ms_ssim", "torchmetrics", ms_ssim, "absolute", 1e-5),
    Case("ie", "NumPy", ie, "relative", 1e-6),
    Case("edge", "scikit-image", edge, "relative", 1e-5),
    Case("tof", "OpenCV, NumPy", tof, "relative", 1e-5),
    # A pixel at the threshold of visibility may fall to either side in another precision.
    Case("warping", "OpenCV, SciPy", warping, "relative", 1e-2),
    Case("flicker", "NumPy", flicker, "relative", 1e-5),
)


def triplets(folder: Path, count: int) -> Iterator[tuple[Triplet, Triplet]]:
    """About `count` triplets of consecutive frames, spread over the folder's videos, each with the
    triplet that begins where it ends. float32 [H, W, 3] in [0, 1]."""
    files = sorted(file for file in folder.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise SystemExit(f"no video files in {folder}; give --clips or set TEMPO_CLIPS")
    each = -(-count // len(files))
    for file in files:
        pixels: list[Picture] = []
        for frame in decode(file, Video(root="", size=SIZE, every=1)):
            assert frame.pixels is not None
            pixels.append(frame.pixels.astype(np.float32) / 255)
            if len(pixels) == each + 4:
                break
        for at in range(len(pixels) - 4):
            a, b, c, d, e = pixels[at : at + 5]
            yield (a, b, c), (c, d, e)


def tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1)[None].contiguous()


def moment(triplet: Triplet, following: Triplet) -> Moment:
    frames = [Frame(tensor(blend(each))[0], tensor(each[1])[0]) for each in (triplet, following)]
    before, after = (tensor(triplet[place])[0] for place in (0, 2))
    ends = Frame(before, before), Frame(after, after)
    return Moment(frame=frames[0], before=ends[0], after=ends[1], later=frames[1])


def calls(
    case: Case, triplet: Triplet, following: Triplet, wide: bool
) -> tuple[Callable[[], float], Callable[[], float]]:
    """Tempo's value in float32 and the reference's, in float64 where `wide`."""
    metric = METRICS.get(case.name)
    dtype = np.float64 if wide else np.float32
    a, b = (tuple(each.astype(dtype) for each in three) for three in (triplet, following))
    if isinstance(metric, FrameMetric):
        one, other, frames = tensor(triplet[0]), tensor(triplet[2]), metric.function
        return lambda: frames(one, other).item(), lambda: case.reference(a[0], a[2])
    given, function = moment(triplet, following), metric.function
    return lambda: function(given), lambda: case.reference(a, b)


def difference(case: Case, triplet: Triplet, following: Triplet) -> float:
    ours, theirs = (each() for each in calls(case, triplet, following, wide=True))
    gap = 0.0 if ours == theirs else abs(ours - theirs)
    return gap / abs(theirs) if case.kind == "relative" else gap


def timed(function: Callable[[], object]) -> float:
    """The processor time of a call, in milliseconds."""
    start = time.process_time()
    function()
    return 1000 * (time.process_time() - start)


def speed(case: Case, triplet: Triplet, following: Triplet, turns: int) -> tuple[float, ...]:
    """Median milliseconds of both sides and the median ratio, taking turns."""
    ours, theirs = calls(case, triplet, following, wide=False)
    ours(), theirs()
    spans = [(timed(ours), timed(theirs)) for _ in range(turns)]
    ratio = statistics.median(their / our for our, their in spans)
    return (*map(statistics.median, zip(*spans, strict=True)), ratio)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = Path(os.environ.get("TEMPO_CLIPS", "../shared/data/clips"))
    parser.add_argument("--clips", type=Path, default=default)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=15, help="of the speed comparison")
    parser.add_argument("--metrics", default=",".join(case.name for case in CASES))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    chosen = [case for case in CASES if case.name in options.metrics.split(",")]
    worst, compared = {case.name: 0.0 for case in chosen}, 0
    for triplet, following in triplets(options.clips, options.pairs):
        compared += 1
        for case in chosen:
            worst[case.name] = max(worst[case.name], difference(case, triplet, following))
    print(f"{compared} pairs of {SIZE[1]}x{SIZE[0]}, {options.threads} thread(s)")
    print(
        f"{'metric':12} {'reference':14} {'largest difference':>20} {'bar':>6} "
        f"{'tempo ms':>9} {'reference ms':>13} {'ratio':>6} {'bar':>4}"
    )
    missed = []
    for case in chosen:
        ours, theirs, ratio = speed(case, triplet, following, options.turns)
        bar = "" if case.ratio is None else f"{case.ratio:.0f}"
        print(
            f"{case.name:12} {case.source:14} {worst[case.name]:11.1e} {case.kind} "
            f"{case.difference:6.0e} {ours:9.2f} {theirs:13.2f} {ratio:6.1f} {bar:>4}"
        )
        if worst[case.name] > case.difference or ratio < (case.ratio or 0):
            missed.append(case.name)
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
