"""Numbers of `tempo.evaluate` on real triplets, against scikit-image and exact arithmetic.

From the published layout on disk to the table of each clip: references, callables and folders of
pictures. Differences are at most 1e-4 dB in PSNR and 1e-5 elsewhere. `TEMPO_TRIPLETS=100` takes
100 of them instead of 20, which is some minutes.
"""

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.filters import gaussian, sobel_h, sobel_v
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import tempo
from tempo.data.datasets.video import decode
from tempo.metrics.references import flow
from tempo.spec.data import Video

CLIPS = Path(os.environ.get("TEMPO_CLIPS", "../shared/data/clips"))
FILMS = (
    "autumn_street",
    "bedroom_jumping",
    "bee_thistle",
    "butterfly",
    "cups_shuffle",
    "dog_play",
    "highway_cars",
    "signing",
    "stream_water",
    "toy_blocks",
)
EACH = int(os.environ.get("TEMPO_TRIPLETS", "20")) // len(FILMS)
METRICS = ("psnr", "psnr_uint8", "ssim", "ssim_matlab", "ie", "edge")
WITHIN = {"psnr": 1e-4, "psnr_uint8": 1e-4}
WINDOW = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all((CLIPS / f"{name}.mp4").is_file() for name in FILMS),
        reason="the real films of TEMPO_CLIPS are not on this machine",
    ),
]
Triplet = list[np.ndarray]


@pytest.fixture(scope="module")
def triplets() -> dict[str, Triplet]:
    """By clip id three neighbouring frames of a film, uint8 [256, 448, 3]."""
    found = {}
    for number, film in enumerate(FILMS, 1):
        chosen = Video(root=str(CLIPS), size=(256, 448), every=1)
        frames = [each.pixels for each in islice(decode(CLIPS / f"{film}.mp4", chosen), 3 * EACH)]
        for place in range(EACH):
            found[f"{number:05d}/{place + 1:04d}"] = frames[3 * place : 3 * place + 3]
    return found


@pytest.fixture(scope="module")
def roots(triplets: dict[str, Triplet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the triplets in the layout of Vimeo-90K, and the pictures of a method."""
    folder = tmp_path_factory.mktemp("parity")
    for name, frames in triplets.items():
        clip = folder / "vimeo_triplet" / "sequences" / name
        clip.mkdir(parents=True)
        for number, pixels in enumerate(frames, 1):
            Image.fromarray(pixels).save(clip / f"im{number}.png", compress_level=1)
        (folder / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        drawn = Image.fromarray(theirs(frames))
        drawn.save(folder / "theirs" / f"{name}.png", compress_level=1)
    (folder / "vimeo_triplet" / "tri_testlist.txt").write_text("\n".join(triplets) + "\n")
    return folder


def theirs(frames: Triplet) -> np.ndarray:
    """What some other program has drawn: the frame to be found, smoothed, darkened, 8 bits."""
    smooth = gaussian(frames[1].astype(float), sigma=(1.2, 1.2, 0), preserve_range=True)
    return np.clip(np.rint(0.97 * smooth), 0, 255).astype(np.uint8)


def sharpened(frames: torch.Tensor, times: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """A callable whose pictures leave the range of colours."""
    return 1.3 * frames[:, 0] - 0.3 * frames[:, 1] + 0.01


def predicted(method: str, frames: Triplet) -> np.ndarray:
    """The method's picture, float64 in 0 to 1, computed apart from Tempo but for `flow`."""
    first, second = (frames[place].astype(np.float64) / 255 for place in (0, 2))
    match method:
        case "average":
            return (first + second) / 2
        case "nearest":
            return first
        case "theirs":
            return theirs(frames) / 255
        case "sharpened":
            return np.clip(1.3 * first - 0.3 * second + 0.01, 0, 1)
    pair = torch.from_numpy(np.stack([first, second])).permute(0, 3, 1, 2)[None].float()
    picture = flow(pair, torch.tensor([[0.0, 1.0]]), torch.tensor([0.5]))[0]
    return picture.permute(1, 2, 0).double().numpy()


def measured(picture: np.ndarray, frames: Triplet) -> dict[str, float]:
    target = frames[1].astype(np.float64) / 255
    # Halves of a level are exact here up to the rounding of float64, far below a 1024th.
    levels = np.rint(np.rint(picture * 255 * 1024) / 1024)
    lumas = [each @ np.array((0.299, 0.587, 0.114)) for each in (picture, target)]
    slopes = [np.hypot(sobel_h(luma), sobel_v(luma)) / 2 for luma in lumas]
    padded = [np.pad(each, 5, mode="edge") for each in (picture, target)]
    return {
        "psnr": peak_signal_noise_ratio(target, picture, data_range=1.0),
        "psnr_uint8": peak_signal_noise_ratio(frames[1], levels.astype(np.uint8)),
        "ssim": structural_similarity(picture, target, channel_axis=-1, **WINDOW),
        "ssim_matlab": structural_similarity(*padded, **WINDOW),
        "ie": np.abs(levels - frames[1]).mean(),
        "edge": 255 * np.abs(slopes[0] - slopes[1]).mean(),
    }


@pytest.fixture(scope="module")
def tables(roots: Path) -> dict[str, pd.DataFrame]:
    """By method the table of each clip that the evaluation recorded."""
    methods = ["average", "nearest", "flow", str(roots / "theirs"), sharpened]
    found = tempo.evaluate(
        methods,
        on="vimeo90k",
        roots={"vimeo90k": str(roots / "vimeo_triplet")},
        metrics=list(METRICS),
        records=roots / "records",
        cache=roots / "cache",
        device="cpu",
        threads=1,
    )
    return {
        record.method: pd.read_parquet(next(folder.glob("*.parquet"))).set_index("clip")
        for record, folder in zip(found.records, found.folders, strict=True)
    }


@pytest.mark.parametrize("method", ["average", "nearest", "flow", "theirs", "sharpened"])
def test_numbers_are_those_of_independent_code(
    method: str, tables: dict[str, pd.DataFrame], triplets: dict[str, Triplet]
) -> None:
    table = tables[method]
    assert len(table) == len(triplets) == EACH * len(FILMS)
    gaps: dict[str, float] = dict.fromkeys(METRICS, 0.0)
    for name, frames in triplets.items():
        for metric, value in measured(predicted(method, frames), frames).items():
            found = float(table.loc[name, metric])
            if np.isinf(value):
                assert np.isinf(found), (name, metric)
            else:
                gaps[metric] = max(gaps[metric], abs(found - value))
    # What no clip tells apart proves nothing.
    assert table["psnr"].std() > 1
    print(method, {metric: f"{gap:.1e}" for metric, gap in gaps.items()})
    assert all(gap <= WITHIN.get(metric, 1e-5) for metric, gap in gaps.items()), gaps
