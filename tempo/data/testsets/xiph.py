"""List the clips of the Xiph test sets: eight 4K videos (Niklaus and Liu 2020)."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.data.testsets.testset import Facts, Item, TransformName, triplets
from tempo.data.video_io.picture_files import numbered

CLIPS = (
    "BoxingPractice",
    "Crosswalk",
    "DrivingPOV",
    "FoodMarket",
    "FoodMarket2",
    "RitualDance",
    "SquareAndTimelapse",
    "Tango",
)
FRAMES = 100
STORED = (2160, 4096)


def _facts(name: str, title: str, transform: TransformName) -> Facts:
    return Facts(
        name=name,
        title=title,
        folder="xiph",
        expected=len(CLIPS) * 49,
        stored=STORED,
        size=(STORED[0] // 2, STORED[1] // 2),
        inputs="frames 2k and 2k + 2 -> 2k + 1, counted from 0, first 100 frames: 49 a clip",
        transform=transform,
        rounding="8 bit",
        consecutive=True,
        reference="Niklaus and Liu 2020, Softmax Splatting for Video Frame Interpolation",
        help="eight Netflix clips of media.xiph.org/video/derf, 4096x2160, first 100 frames as "
        "PNG; the root holds <clip>/001.png ... or <clip>-001.png ...",
    )


SETS = (_facts("xiph_2k", "Xiph 2K", "half"), _facts("xiph_4k", "Xiph 4K", "centre"))


def find(facts: Facts, root: Path) -> list[Item]:
    """Return the clips of the videos that exist, a target between every two even frames."""
    return [
        Item(
            id=f"{clip}/{2 * place + 1:03d}",
            source=clip,
            inputs=(first, last),
            target=target,
            sequence=clip,
        )
        for clip in CLIPS
        for place, (first, target, last) in enumerate(triplets(_frames(root, clip, facts)))
    ]


def _frames(root: Path, clip: str, facts: Facts) -> list[Path]:
    """Return the first 100 frames; a missing one is an error, since it would shift targets."""
    inside = numbered(root / clip, (".png",)) if (root / clip).is_dir() else []
    files = inside or [
        root / f"{clip}-{n:03d}.png" for n in range(1, FRAMES + 1)
        if (root / f"{clip}-{n:03d}.png").is_file()
    ]  # fmt: skip
    files = files[:FRAMES]
    numbers = [int(file.stem.rsplit("-", 1)[-1]) for file in files]
    gap = next((one for one, other in pairwise(numbers) if other != one + 1), None)
    if gap is not None:
        raise MissingError(f"{facts.title}: {clip} has no frame {gap + 1}; {facts.help}")
    return files
