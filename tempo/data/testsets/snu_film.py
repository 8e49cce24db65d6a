"""List the clips of SNU-FILM: triplets at four frame distances (Choi et al. 2020)."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from tempo.core.errors import MissingError
from tempo.data.dataset_roots import read_lines
from tempo.data.testsets.testset import Facts, Item

LEVELS = ("easy", "medium", "hard", "extreme")

SETS = tuple(
    Facts(
        name=f"snu_film_{level}",
        title=f"SNU-FILM {level}",
        folder="snu_film",
        expected=310,
        inputs=f"first, third path of a line of test-{level}.txt -> second",
        rounding="8 bit",
        reference="Choi et al. 2020, Channel Attention Is All You Need for Video Frame "
        "Interpolation",
        help="published at myungsub.github.io/CAIN; the root holds test-easy.txt to "
        "test-extreme.txt and test/",
    )
    for level in LEVELS
)


def find(facts: Facts, root: Path) -> list[Item]:
    """Return the triplets of a list, in its order.

    The published lists name files as the authors' machine had them (data/SNU-FILM/test/...), so
    leading folders are dropped until the first file is there.
    """
    path = root / f"test-{facts.name.rsplit('_', 1)[1]}.txt"
    lines = read_lines(path, facts.title, facts.help)
    triplets = [_triplet(line, path, facts) for line in lines]
    dropped = _leading(triplets[0][0], root)
    return [_item(triplet, dropped, root) for triplet in triplets]


def _triplet(line: str, path: Path, facts: Facts) -> list[PurePosixPath]:
    files = [PurePosixPath(text) for text in line.split()]
    if len(files) != 3:
        raise MissingError(f"{facts.title}: {path} has a line that is not three paths: {line!r}")
    return files


def _leading(file: PurePosixPath, root: Path) -> int:
    """Return how many leading folders to drop, 0 when no number finds the file."""
    depths = range(len(file.parts))
    return next((n for n in depths if root.joinpath(*file.parts[n:]).is_file()), 0)


def _item(triplet: list[PurePosixPath], dropped: int, root: Path) -> Item:
    first, target, last = (root.joinpath(*file.parts[dropped:]) for file in triplet)
    middle = triplet[1]
    return Item(
        id=f"{middle.parent.name}/{triplet[0].stem}-{middle.stem}-{triplet[2].stem}",
        source=middle.parent.name,
        inputs=(first, last),
        target=target,
    )
