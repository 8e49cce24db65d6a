"""Training input from the cache against decoding PNG files, and memory against size.

Both sides run the same code on the same core, sample for sample: the same order, crops, flips and
reversals of real 448x256 triplets, in turns within one process. Speeds are by processor time, so
that other work on the machine does not count. The only difference is where a
picture comes from. Then an epoch is read of sets that grow, each in a process of its own.

    python benchmarks/input_speed.py                    # clips from $TEMPO_CLIPS
    python benchmarks/input_speed.py --triplets 64 --rounds 3 --no-memory
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

from tempo.data.batches import TrainBatches
from tempo.data.cache.shards import Entry, Shard, ShardWriter, write_shard
from tempo.data.cache.splits import Split
from tempo.data.clips import Pixels
from tempo.data.datasets.photographs import PHOTOGRAPHS, read_rgb
from tempo.data.datasets.video import SUFFIXES, decode
from tempo.data.open_dataset import open_split
from tempo.data.video_io.picture_files import read_picture
from tempo.spec.data import Video, Vimeo90k
from tempo.spec.recipe import Augment

SIZE = (256, 448)
CROP, BATCH = 256, 16
BAR = 8
SMALL = (128, 128)
GROWING = (512, 2048, 8192)


def triplets(folder: Path | None, count: int) -> list[list[Pixels]]:
    """Real triplets: of video files, or crops of a photograph that slide."""
    files = sorted(f for f in folder.iterdir() if f.suffix in SUFFIXES) if folder else []
    found: list[list[Pixels]] = []
    for file in files:
        options = Video(root=str(folder), every=1, size=SIZE)
        frames = [f.pixels for f in decode(file, options) if f.pixels is not None]
        found += [frames[k : k + 3] for k in range(0, len(frames) - 2, 12)]
    if not found:
        wide = read_rgb(PHOTOGRAPHS["test"][0].path)
        starts = range(0, wide.shape[0] - SIZE[0], 2)
        found = [[wide[k : k + 256, s : s + 448] for s in (0, 3, 6)] for k in starts]
    return [found[place % len(found)] for place in range(count)]


def write_tree(root: Path, clips: list[list[Pixels]]) -> None:
    """The published layout of Vimeo-90K, PNG at the default compression as published."""
    names = [f"00001/{place:04d}" for place in range(len(clips))]
    for name, pictures in zip(names, clips, strict=True):
        folder = root / "sequences" / name
        folder.mkdir(parents=True)
        for number, pixels in enumerate(pictures, 1):
            Image.fromarray(pixels).save(folder / f"im{number}.png")
    (root / "tri_trainlist.txt").write_text("\n".join(names[:-1]))
    (root / "tri_testlist.txt").write_text(names[-1])


class PngPictures:
    """Stands in for a shard's pixels: picture 3 c + k is frame k + 1 of clip c, decoded anew."""

    def __init__(self, root: Path, names: list[str]) -> None:
        self._files = [
            root / "sequences" / name / f"im{frame}.png" for name in names for frame in (1, 2, 3)
        ]

    def __getitem__(self, place: int) -> Pixels:
        return read_picture(self._files[place], "benchmark", SIZE)


class PngShard(Shard):
    """A shard whose pictures are PNG files."""

    def __init__(self, cached: Shard, root: Path) -> None:
        super().__init__(cached.folder)
        entries = sorted(cached.entries, key=lambda entry: entry.inputs[0])
        self.files = PngPictures(root, [entry.id for entry in entries])

    @property
    def pixels(self) -> Pixels:
        return self.files  # type: ignore[return-value]

    @property
    def size(self) -> tuple[int, int]:
        return SIZE


def batches(split: Split, crop: int = CROP) -> TrainBatches:
    return TrainBatches(split, seed=0, batch=BATCH, crop=crop, augment=Augment(rot90=True))


def seconds(source: TrainBatches, steps: range) -> float:
    start = time.process_time()
    for step in steps:
        source.batch(step)
    return time.process_time() - start


def compare(root: Path, cache: Path, rounds: int, steps: int) -> float:
    """Samples a second of both, in turns; the ratio of their medians."""
    cached = open_split(Vimeo90k(root=str(root), val_clips=1), "train", cache)
    plain = Split("train", cached.digest, [PngShard(shard, root) for shard in cached.shards])
    fast, slow = batches(cached), batches(plain)
    one, other = fast.batch(0), slow.batch(0)
    assert torch.equal(one.frames, other.frames) and torch.equal(one.target, other.target)
    times: dict[str, list[float]] = {"cache": [], "png": []}
    for number in range(rounds):
        first = 1 + number * steps
        times["png"].append(seconds(slow, range(first, first + steps)))
        times["cache"].append(seconds(fast, range(first, first + steps)))
    speed = {name: BATCH * steps / median(each) for name, each in times.items()}
    ratios = [slow / fast for slow, fast in zip(times["png"], times["cache"], strict=True)]
    print(f"{len(cached)} triplets of 448x256, crop {CROP}, batches of {BATCH}, "
          f"{rounds} rounds of {steps} in turns, {torch.get_num_threads()} thread(s)")  # fmt: skip
    print(f"png     {speed['png']:8.0f} samples/s")
    print(f"cache   {speed['cache']:8.0f} samples/s")
    print(f"ratio   {median(ratios):8.1f}   ({min(ratios):.1f} to {max(ratios):.1f}; bar {BAR})")
    return median(ratios)


def write_set(folder: Path, clips: int) -> None:
    """A set of `clips` triplets of noise, in shards of 512."""
    pixels = np.random.default_rng(0).integers(0, 256, (*SMALL, 3), dtype=np.uint8)

    def fill(writer: ShardWriter) -> None:
        for number in range(512):
            places = tuple(writer.picture(pixels) for _ in range(3))
            entry = Entry(id=f"clip-{number:06d}", source="noise", inputs=places[::2],
                          times=(0.0, 1.0), targets=places[1:2], target_times=(0.5,))  # fmt: skip
            writer.clip(entry)

    for shard in range(clips // 512):
        write_shard(folder / f"{shard:04d}", SMALL, fill)


def read_epoch(folder: Path) -> None:
    """Read every clip of a set once; print peak resident and private memory in MB."""
    split = Split("train", "digest", [Shard(each) for each in sorted(folder.iterdir())])
    seconds(batches(split, crop=64), range(len(split) // BATCH))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    private = int(status["RssAnon"].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(split):8d} {sum(s.pixels.nbytes for s in split.shards) / 1e6:10.0f} "
          f"{peak:10.0f} {private:12.0f}")  # fmt: skip


def memory(place: Path) -> None:
    print("\none epoch, each in a fresh process (MB)")
    print(f"{'clips':>8} {'pictures':>10} {'peak RSS':>10} {'private':>12}", flush=True)
    for clips in GROWING:
        write_set(place / str(clips), clips)
        command = [sys.executable, __file__, "--epoch-of", str(place / str(clips))]
        subprocess.run(command, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=Path, default=os.environ.get("TEMPO_CLIPS"))
    parser.add_argument("--triplets", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--epoch-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.epoch_of:
        read_epoch(options.epoch_of)
        return 0
    with TemporaryDirectory() as folder:
        place = Path(folder)
        write_tree(place / "vimeo", triplets(options.clips, options.triplets))
        ratio = compare(place / "vimeo", place / "cache", options.rounds, options.steps)
        if not options.no_memory:
            memory(place / "growing")
    return 0 if ratio >= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
