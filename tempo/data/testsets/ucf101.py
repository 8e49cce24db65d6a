"""List the 379 triplets of UCF101 chosen by Liu et al. (2017)."""

from __future__ import annotations

from pathlib import Path

from tempo.data.testsets.testset import Facts, Item
from tempo.data.video_io.picture_files import natural

UCF101 = Facts(
    name="ucf101",
    title="UCF101",
    folder="ucf101_interp_ours",
    expected=379,
    stored=(256, 256),
    size=(256, 256),
    inputs="frame_00, frame_02 -> frame_01_gt",
    rounding="both",
    reference="Liu et al. 2017, Video Frame Synthesis using Deep Voxel Flow",
    help="published with Deep Voxel Flow (ucf101_interp_ours); the root holds one folder a "
    "triplet with frame_00.png, frame_01_gt.png and frame_02.png",
)
SETS = (UCF101,)


def find(facts: Facts, root: Path) -> list[Item]:
    """Return the triplet of every folder, by number; other files are outputs of other methods."""
    folders = sorted(
        (each for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")),
        key=lambda folder: natural(folder.name),
    )
    return [
        Item(
            id=folder.name,
            source=folder.name,
            inputs=(folder / "frame_00.png", folder / "frame_02.png"),
            target=folder / "frame_01_gt.png",
        )
        for folder in folders
    ]
