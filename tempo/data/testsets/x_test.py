"""List the clips of X-TEST at 4K and 2K: seven times between frames 32 apart."""

from __future__ import annotations

from pathlib import Path

from tempo.core.errors import MissingError
from tempo.data.testsets.testset import Facts, Item, TransformName
from tempo.data.video_io.picture_files import natural, numbered

STORED = (2160, 4096)
DISTANCE, STEP = 32, 4


def _facts(name: str, title: str, transform: TransformName, size: tuple[int, int]) -> Facts:
    return Facts(
        name=name,
        title=title,
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


SETS = (
    _facts("x_test", "X-TEST", "none", STORED),
    _facts("x_test_2k", "X-TEST 2K", "half", (STORED[0] // 2, STORED[1] // 2)),
)


def find(facts: Facts, root: Path) -> list[Item]:
    """Return seven targets for each scene, in the order of their times."""
    if (root / "test").is_dir():
        root = root / "test"
    folders = [scene for kind in sorted(root.glob("Type*")) for scene in kind.iterdir()]
    scenes = sorted((each for each in folders if each.is_dir()), key=lambda s: natural(s.name))
    return [item for scene in scenes for item in _items(scene, facts)]


def _items(scene: Path, facts: Facts) -> list[Item]:
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
