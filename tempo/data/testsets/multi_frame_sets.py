"""List the test sets with many target times or four inputs: SNU-FILM-arb, GoPro, UCF101, DAVIS."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.data.dataset_roots import as_spelled
from tempo.data.testsets.testset import Facts, Item
from tempo.data.testsets.triplet_sets import SNU_FILM_HELP, snu_film_triplets, ucf101_folders
from tempo.data.testsets.video_sets import DAVIS, davis_folders
from tempo.data.video_io.picture_files import numbered
from tempo.spec.sections.test_sets import TITLES

SNU_FILM_ARB_LEVELS = {4: "medium", 8: "hard", 16: "extreme"}
"""Distance of the outer frames to the list that names them."""

_NUMBER = re.compile(r"\d+")


def find_snu_film_arb(facts: Facts, root: Path) -> list[Item]:
    """Return every frame between the outer frames of each line of a list, in order of time."""
    distance = int(facts.name.rsplit("_", 1)[1].removesuffix("x"))
    triplets = snu_film_triplets(facts, root, SNU_FILM_ARB_LEVELS[distance])
    return [item for first, _, last in triplets for item in _between(facts, first, last, distance)]


def _between(facts: Facts, first: Path, last: Path, distance: int) -> Iterator[Item]:
    start, end = _number(facts, first), _number(facts, last)
    if end - start != distance:
        raise MissingError(
            f"{facts.title}: {first.name} and {last.name} are {end - start} frames apart, not "
            f"{distance}; {facts.help}"
        )
    sequence = f"{first.parent.name}/{first.stem}-{last.stem}"
    for step in range(1, distance):
        number = str(start + step).zfill(len(first.stem))
        yield Item(
            id=f"{first.parent.name}/{first.stem}-{number}-{last.stem}",
            source=first.parent.name,
            inputs=(first, last),
            target=first.with_name(f"{number}{first.suffix}"),
            target_time=step / distance,
            sequence=sequence,
        )


def _number(facts: Facts, file: Path) -> int:
    if not _NUMBER.fullmatch(file.stem):
        raise MissingError(f"{facts.title}: {file.name} has no frame number for a name")
    return int(file.stem)


SNU_FILM_ARB = tuple(
    Facts(
        find=find_snu_film_arb,
        name=f"snu_film_arb_{distance}x",
        title=TITLES[f"snu_film_arb_{distance}x"],
        folder="snu_film",
        expected=310 * (distance - 1),
        inputs=f"first, third path of a line of test-{level}.txt -> every frame between, "
        f"t = 1/{distance} to {distance - 1}/{distance}",
        rounding="none",
        consecutive=True,
        reference="Guo et al. 2024, Generalizable Implicit Motion Modeling for Video Frame "
        "Interpolation; the frames are those of Choi et al. 2020",
        help=SNU_FILM_HELP,
    )
    for distance, level in SNU_FILM_ARB_LEVELS.items()
)


GOPRO_VIDEOS = (
    "GOPR0384_11_00",
    "GOPR0384_11_05",
    "GOPR0385_11_01",
    "GOPR0396_11_00",
    "GOPR0410_11_00",
    "GOPR0854_11_00",
    "GOPR0862_11_00",
    "GOPR0868_11_00",
    "GOPR0869_11_00",
    "GOPR0871_11_00",
    "GOPR0881_11_01",
)
GOPRO_DISTANCE = 8


def find_gopro(facts: Facts, root: Path) -> list[Item]:
    """Return the seven frames between two inputs of each window, windows in steps of 8 frames.

    A window has two inputs or, for sets called `four`, four, and its targets lie in the middle.
    """
    test = as_spelled(root, "test")
    folders = [as_spelled(test if test.is_dir() else root, video) for video in GOPRO_VIDEOS]
    shown = 4 if facts.name.endswith("_four") else 2
    return [
        item
        for folder in folders
        for frames in [numbered(folder, (".png",)) if folder.is_dir() else []]
        for start in range(0, len(frames) - GOPRO_DISTANCE * (shown - 1), GOPRO_DISTANCE)
        for item in _gopro_window(folder.name, frames[start:], shown)
    ]


def _gopro_window(video: str, frames: Sequence[Path], shown: int) -> Iterator[Item]:
    places = [GOPRO_DISTANCE * place for place in range(shown)]
    before = places[shown // 2 - 1]
    inputs = tuple(frames[place] for place in places)
    for place in range(before + 1, before + GOPRO_DISTANCE):
        yield Item(
            id=f"{video}/{inputs[0].stem}-{frames[place].stem}",
            source=video,
            inputs=inputs,
            times=tuple(each / places[-1] for each in places),
            target=frames[place],
            target_time=place / places[-1],
            sequence=f"{video}/{inputs[0].stem}",
        )


def _gopro(name: str, inputs: str, reference: str) -> Facts:
    return Facts(
        find=find_gopro,
        name=name,
        title=TITLES[name],
        folder="gopro/test",
        stored=(720, 1280),
        size=(512, 512),
        inputs=inputs,
        transform="crop_512",
        rounding="none",
        consecutive=True,
        reference=f"{reference}; the videos are the test part of Nah et al. 2017, Deep Multi-scale "
        "Convolutional Neural Network for Dynamic Scene Deblurring",
        help="published at seungjunnah.github.io/Datasets/gopro (GOPRO_Large_all: all frames at "
        "240 a second); the root holds test/ or its eleven folders of numbered .png frames",
    )


GOPRO = (
    _gopro(
        "gopro_8x",
        "frames 8k and 8k + 8 -> the seven between, t = 1/8 to 7/8",
        "Kong et al. 2022, IFRNet: Intermediate Feature Refine Network",
    ),
    _gopro(
        "gopro_8x_four",
        "frames 8k, 8k + 8, 8k + 16, 8k + 24 -> the seven between the second and the third, "
        "t = 9/24 to 15/24",
        "Kalluri et al. 2021, FLAVR: Flow-Agnostic Video Representations",
    ),
)


def find_ucf101_four(facts: Facts, root: Path) -> list[Item]:
    """Return the quintuple of every folder, by number."""
    return [
        Item(
            id=folder.name,
            source=folder.name,
            inputs=tuple(folder / f"frame{number}.png" for number in range(4)),
            times=FOUR,
            target=folder / "framet.png",
        )
        for folder in ucf101_folders(root)
    ]


FOUR = (0.0, 1 / 3, 2 / 3, 1.0)
"""Times of four inputs at equal distances."""

UCF101_FOUR = Facts(
    find=find_ucf101_four,
    name="ucf101_four",
    title=TITLES["ucf101_four"],
    folder="ucf101_quintuples",
    size=(224, 224),
    inputs="frame0, frame1, frame2, frame3 -> framet",
    transform="crop_224",
    rounding="none",
    reference="Xu et al. 2019, Quadratic Video Interpolation; judged on the central 224x224 as in "
    "Kalluri et al. 2021, FLAVR",
    help="the quintuples that Quadratic Video Interpolation gives; the root holds one folder a "
    "clip with frame0.png to frame3.png and framet.png",
)


def find_davis_four(facts: Facts, root: Path) -> list[Item]:
    """Return the windows of seven frames of every folder, in steps of two."""
    return [
        Item(
            id=f"{folder.name}/{frames[start + 3].stem}",
            source=folder.name,
            inputs=tuple(frames[start : start + 7 : 2]),
            times=FOUR,
            target=frames[start + 3],
            sequence=folder.name,
        )
        for folder in davis_folders(root)
        for frames in [numbered(folder)]
        for start in range(0, len(frames) - 6, 2)
    ]


DAVIS_FOUR = Facts(
    find=find_davis_four,
    name="davis_four",
    title=TITLES["davis_four"],
    folder=DAVIS.folder,
    size=(480, 840),
    inputs="frames 2k, 2k + 2, 2k + 4, 2k + 6 -> 2k + 3, counted from 0, all frames of each folder",
    transform="crop_480x840",
    rounding="none",
    consecutive=True,
    reference="Kalluri et al. 2021, FLAVR: Flow-Agnostic Video Representations; layout of Perazzi "
    "et al. 2016",
    help=DAVIS.help,
)

SETS = (*SNU_FILM_ARB, *GOPRO, UCF101_FOUR, DAVIS_FOUR)
