"""List the test sets whose targets follow each other in time: Xiph, X-TEST and DAVIS."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.data.dataset_roots import as_spelled
from tempo.data.testsets.testset import Facts, Item, triplets
from tempo.data.testsets.transforms import TransformName
from tempo.data.video_io.picture_files import natural, numbered
from tempo.spec.sections.test_sets import TITLES

XIPH_CLIPS = (
    "BoxingPractice",
    "Crosswalk",
    "DrivingPOV",
    "FoodMarket",
    "FoodMarket2",
    "RitualDance",
    "SquareAndTimelapse",
    "Tango",
)
XIPH_FRAMES = 100
STORED = (2160, 4096)


def _xiph(name: str, transform: TransformName) -> Facts:
    return Facts(
        find=find_xiph,
        name=name,
        title=TITLES[name],
        folder="xiph",
        expected=len(XIPH_CLIPS) * 49,
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


def find_xiph(facts: Facts, root: Path) -> list[Item]:
    """Return the clips of the videos that exist, a target between every two even frames."""
    return [
        Item(
            id=f"{clip}/{2 * place + 1:03d}",
            source=clip,
            inputs=(first, last),
            target=target,
            sequence=clip,
        )
        for clip in XIPH_CLIPS
        for place, (first, target, last) in enumerate(triplets(_xiph_frames(root, clip, facts)))
    ]


def _xiph_frames(root: Path, clip: str, facts: Facts) -> list[Path]:
    """Return the first 100 frames; a missing one is an error, since it would shift targets."""
    folder = as_spelled(root, clip)
    inside = numbered(folder, (".png",)) if folder.is_dir() else []
    files = inside or [
        root / f"{clip}-{n:03d}.png" for n in range(1, XIPH_FRAMES + 1)
        if (root / f"{clip}-{n:03d}.png").is_file()
    ]  # fmt: skip
    files = files[:XIPH_FRAMES]
    numbers = [int(file.stem.rsplit("-", 1)[-1]) for file in files]
    gap = next((one for one, other in pairwise(numbers) if other != one + 1), None)
    if gap is not None:
        raise MissingError(f"{facts.title}: {clip} has no frame {gap + 1}; {facts.help}")
    return files


XIPH = (_xiph("xiph_2k", "half"), _xiph("xiph_4k", "centre"))


DISTANCE, STEP = 32, 4


def _x_test(name: str, transform: TransformName, size: tuple[int, int]) -> Facts:
    return Facts(
        find=find_x_test,
        name=name,
        title=TITLES[name],
        folder="x4k1000fps/test",
        expected=15 * (DISTANCE // STEP - 1),
        stored=STORED,
        size=size,
        inputs="frames 0 and 32 -> 4, 8, ..., 28 (t = 1/8 to 7/8)",
        transform=transform,
        rounding="8 bit",
        consecutive=True,
        reference="Sim et al. 2021, XVFI: eXtreme Video Frame Interpolation",
        help="published at github.com/JihyongOh/XVFI (X4K1000FPS test); the root holds "
        "Type1/, Type2/ and Type3/ with a folder of 33 frames for each scene",
    )


def find_x_test(facts: Facts, root: Path) -> list[Item]:
    """Return seven targets for each scene, in the order of their times."""
    kinds = next(filter(None, map(_x_test_kinds, _x_test_roots(root))), [])
    folders = [scene for kind in kinds for scene in kind.iterdir()]
    scenes = sorted((each for each in folders if each.is_dir()), key=lambda s: natural(s.name))
    return [item for scene in scenes for item in _x_test_items(scene, facts)]


def _x_test_roots(root: Path) -> Iterator[Path]:
    """Yield where the test part may lie: at the root, or one or two folders below."""
    yield root
    yield as_spelled(root, "test")
    yield from (as_spelled(each, "test") for each in sorted(root.iterdir()) if each.is_dir())


def _x_test_kinds(root: Path) -> list[Path]:
    """Return the folders Type1, Type2 and Type3 in a folder."""
    inside = sorted(root.iterdir()) if root.is_dir() else []
    return [each for each in inside if each.name.lower().startswith("type") and each.is_dir()]


def _x_test_items(scene: Path, facts: Facts) -> list[Item]:
    files = numbered(scene, (".png",))
    if len(files) != DISTANCE + 1:
        raise MissingError(
            f"{facts.title}: {scene} holds {len(files)} frames, not {DISTANCE + 1}; {facts.help}"
        )
    return [
        Item(
            id=f"{scene.name}/{place:02d}",
            source=scene.name,
            inputs=(files[0], files[DISTANCE]),
            target=files[place],
            target_time=place / DISTANCE,
            sequence=scene.name,
        )
        for place in range(STEP, DISTANCE, STEP)
    ]


X_TEST = (
    _x_test("x_test", "none", STORED),
    _x_test("x_test_2k", "half", (STORED[0] // 2, STORED[1] // 2)),
)


def find_davis(facts: Facts, root: Path) -> list[Item]:
    """Return the clips of every folder of pictures, in natural order of the folders."""
    return [
        Item(
            id=f"{folder.name}/{target.stem}",
            source=folder.name,
            inputs=(first, last),
            target=target,
            sequence=folder.name,
        )
        for folder in davis_folders(root)
        for first, target, last in triplets(numbered(folder))
    ]


def davis_folders(root: Path) -> list[Path]:
    """Return the folders of pictures at the root or in JPEGImages/480p, in natural order."""
    below = as_spelled(root, "JPEGImages/480p")
    start = below if below.is_dir() else root
    return sorted((each for each in start.iterdir() if each.is_dir()),
                  key=lambda folder: natural(folder.name))  # fmt: skip


DAVIS = Facts(
    find=find_davis,
    name="davis",
    title=TITLES["davis"],
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

SETS = (*XIPH, *X_TEST, DAVIS)
