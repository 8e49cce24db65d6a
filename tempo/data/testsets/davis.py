"""List the clips of DAVIS, or of any folders in its layout: every second frame is a target."""

from __future__ import annotations

from pathlib import Path

from tempo.data.testsets.testset import Facts, Item, triplets
from tempo.data.video_io.picture_files import natural, numbered

DAVIS = Facts(
    name="davis",
    title="DAVIS",
    folder="DAVIS/JPEGImages/480p",
    inputs="frames 2k and 2k + 2 -> 2k + 1, counted from 0, all frames of each folder",
    rounding="none",
    consecutive=True,
    reference="layout of Perazzi et al. 2016, A Benchmark Dataset and Evaluation Methodology for "
    "Video Object Segmentation; papers differ in sequences and frames, so compare only within "
    "one split_digest",
    help="published at davischallenge.org; the root holds one folder of numbered .jpg or .png "
    "frames for each sequence",
)
SETS = (DAVIS,)


def find(facts: Facts, root: Path) -> list[Item]:
    """Return the clips of every folder of pictures, in natural order of the folders."""
    below = root / "JPEGImages" / "480p"
    start = below if below.is_dir() else root
    folders = sorted((each for each in start.iterdir() if each.is_dir()),
                     key=lambda folder: natural(folder.name))  # fmt: skip
    return [item for folder in folders for item in _items(folder)]


def _items(folder: Path) -> list[Item]:
    return [
        Item(
            id=f"{folder.name}/{target.stem}",
            source=folder.name,
            inputs=(first, last),
            target=target,
            sequence=folder.name,
        )
        for first, target, last in triplets(numbered(folder))
    ]


def content(item: Item) -> list[int]:
    """Return the sizes of the files: names alone do not identify the pictures of any folder."""
    return [file.stat().st_size for file in (*item.inputs, item.target)]
