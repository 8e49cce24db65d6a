"""List the test sets of single clips: Vimeo-90K, UCF101, Middlebury OTHER and SNU-FILM."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from tempo.core.errors import MissingError
from tempo.data.dataset_roots import as_spelled, read_lines
from tempo.data.testsets.testset import Facts, Item
from tempo.data.video_io.picture_files import natural
from tempo.spec.sections.test_sets import TITLES

VIMEO_SIZE = (256, 448)
VIMEO_LAYOUT = {
    "vimeo90k": ("tri_testlist.txt", (1, 3), 2),
    "vimeo90k_septuplet": ("sep_testlist.txt", (1, 3, 5, 7), 4),
}


def find_vimeo90k(facts: Facts, root: Path) -> list[Item]:
    """Return the sequences of the published list, in its order."""
    listed, inputs, target = VIMEO_LAYOUT[facts.name]
    lines = read_lines(as_spelled(root, listed), facts.title, facts.help)
    names = [line.strip("/") for line in lines]
    first, last = inputs[0], inputs[-1]
    return [
        Item(
            id=name,
            source=name.split("/")[0],
            inputs=tuple(root / "sequences" / name / f"im{number}.png" for number in inputs),
            times=tuple((number - first) / (last - first) for number in inputs),
            target=root / "sequences" / name / f"im{target}.png",
        )
        for name in names
    ]


TRIPLET = Facts(
    find=find_vimeo90k,
    name="vimeo90k",
    title=TITLES["vimeo90k"],
    folder="vimeo_triplet",
    expected=3782,
    stored=VIMEO_SIZE,
    size=VIMEO_SIZE,
    inputs="im1, im3 -> im2",
    rounding="both",
    reference="Xue et al. 2019, Video Enhancement with Task-Oriented Flow",
    help="published at toflow.csail.mit.edu (vimeo_triplet.zip); "
    "the root holds sequences/ and tri_testlist.txt",
)
SEPTUPLET = Facts(
    find=find_vimeo90k,
    name="vimeo90k_septuplet",
    title=TITLES["vimeo90k_septuplet"],
    folder="vimeo_septuplet",
    expected=7824,
    stored=VIMEO_SIZE,
    size=VIMEO_SIZE,
    inputs="im1, im3, im5, im7 -> im4",
    rounding="both",
    reference="Xue et al. 2019; four inputs as in Kalluri et al. 2021, FLAVR",
    help="published at toflow.csail.mit.edu (vimeo_septuplet.zip); "
    "the root holds sequences/ and sep_testlist.txt",
)


def ucf101_folders(root: Path) -> list[Path]:
    """Return the folders of the clips, by number."""
    return sorted(
        (each for each in root.iterdir() if each.is_dir() and not each.name.startswith(".")),
        key=lambda folder: natural(folder.name),
    )


def find_ucf101(facts: Facts, root: Path) -> list[Item]:
    """Return the triplet of every folder, by number; other files are outputs of other methods."""
    return [
        Item(
            id=folder.name,
            source=folder.name,
            inputs=(folder / "frame_00.png", folder / "frame_02.png"),
            target=folder / "frame_01_gt.png",
        )
        for folder in ucf101_folders(root)
    ]


UCF101 = Facts(
    find=find_ucf101,
    name="ucf101",
    title=TITLES["ucf101"],
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


def find_middlebury(facts: Facts, root: Path) -> list[Item]:
    """Return the scenes that have a true middle frame; the others are for flow only.

    The two folders as published, or one with all three frames of each scene.
    """
    shown, truth = as_spelled(root, "other-data"), as_spelled(root, "other-gt-interp")
    if not truth.is_dir():
        shown = truth = root
    targets = [as_spelled(each, "frame10i11.png") for each in truth.iterdir()]
    scenes = sorted(target.parent.name for target in targets if target.is_file())
    if not scenes:
        raise MissingError(f"{facts.title}: {truth} holds no <scene>/frame10i11.png; {facts.help}")
    return [
        Item(
            id=scene,
            source=scene,
            inputs=tuple(shown / scene / f"frame{n}.png" for n in (10, 11)),
            target=truth / scene / "frame10i11.png",
        )
        for scene in scenes
    ]


MIDDLEBURY = Facts(
    find=find_middlebury,
    name="middlebury",
    title=TITLES["middlebury"],
    folder="middlebury",
    expected=12,
    inputs="frame10, frame11 -> frame10i11",
    rounding="8 bit",
    reference="Baker et al. 2011, A Database and Evaluation Methodology for Optical Flow; "
    "quoted as ie, the mean absolute difference of rounded 8-bit pictures",
    help="published at vision.middlebury.edu/flow (other-color-twoframes, other-gt-interp); "
    "the root holds other-data/ and other-gt-interp/, or a folder a scene with frame10.png, "
    "frame10i11.png and frame11.png",
)


def find_snu_film(facts: Facts, root: Path) -> list[Item]:
    """Return the triplets of a list, in its order."""
    triplets = snu_film_triplets(facts, root, facts.name.rsplit("_", 1)[1])
    return [
        Item(
            id=f"{target.parent.name}/{first.stem}-{target.stem}-{last.stem}",
            source=target.parent.name,
            inputs=(first, last),
            target=target,
        )
        for first, target, last in triplets
    ]


def snu_film_triplets(facts: Facts, root: Path, level: str) -> list[tuple[Path, Path, Path]]:
    """Return the files of each line of the list of a level: first, middle and last frame.

    The published lists name files as the authors' machine had them (data/SNU-FILM/test/...), so
    leading folders are dropped until the first file is there.
    """
    path = as_spelled(root, f"test-{level}.txt")
    lines = read_lines(path, facts.title, facts.help)
    triplets = [_triplet(line, path, facts) for line in lines]
    dropped = _leading(triplets[0][0], root)
    return [
        (_below(root, first, dropped), _below(root, middle, dropped), _below(root, last, dropped))
        for first, middle, last in triplets
    ]


def _triplet(line: str, path: Path, facts: Facts) -> tuple[PurePosixPath, ...]:
    files = tuple(PurePosixPath(text) for text in line.split())
    if len(files) != 3:
        raise MissingError(f"{facts.title}: {path} has a line that is not three paths: {line!r}")
    return files


def _leading(file: PurePosixPath, root: Path) -> int:
    """Return how many leading folders to drop, 0 when no number finds the file."""
    ends = ("/".join(file.parts[n:]) for n in range(len(file.parts)))
    return next((n for n, end in enumerate(ends) if as_spelled(root, end).is_file()), 0)


def _below(root: Path, file: PurePosixPath, dropped: int) -> Path:
    return root.joinpath(*file.parts[dropped:])


SNU_FILM_HELP = (
    "published at myungsub.github.io/CAIN; the root holds test-easy.txt to test-extreme.txt and "
    "test/"
)

SNU_FILM = tuple(
    Facts(
        find=find_snu_film,
        name=f"snu_film_{level}",
        title=TITLES[f"snu_film_{level}"],
        folder="snu_film",
        expected=310,
        inputs=f"first, third path of a line of test-{level}.txt -> second",
        rounding="8 bit",
        reference="Choi et al. 2020, Channel Attention Is All You Need for Video Frame "
        "Interpolation",
        help=SNU_FILM_HELP,
    )
    for level in ("easy", "medium", "hard", "extreme")
)

SETS = (TRIPLET, SEPTUPLET, UCF101, MIDDLEBURY, *SNU_FILM)
