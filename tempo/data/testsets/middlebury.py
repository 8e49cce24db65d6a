"""List the clips of Middlebury OTHER: twelve scenes with a true middle frame."""

from __future__ import annotations

from pathlib import Path

from tempo.core.errors import MissingError
from tempo.data.testsets.testset import Facts, Item

OTHER = Facts(
    name="middlebury",
    title="Middlebury OTHER",
    folder="middlebury",
    expected=12,
    inputs="frame10, frame11 -> frame10i11",
    rounding="8 bit",
    reference="Baker et al. 2011, A Database and Evaluation Methodology for Optical Flow; "
    "quoted as ie, the mean absolute difference of rounded 8-bit pictures",
    help="published at vision.middlebury.edu/flow (other-color-twoframes, other-gt-interp); "
    "the root holds other-data/ and other-gt-interp/",
)
SETS = (OTHER,)


def find(facts: Facts, root: Path) -> list[Item]:
    """Return the scenes that have a true middle frame; the others are for flow only."""
    truth = root / "other-gt-interp"
    if not truth.is_dir():
        raise MissingError(f"{facts.title}: {truth} is not a folder; {facts.help}")
    scenes = sorted(each.name for each in truth.iterdir() if (each / "frame10i11.png").is_file())
    return [
        Item(
            id=scene,
            source=scene,
            inputs=tuple(root / "other-data" / scene / f"frame{n}.png" for n in (10, 11)),
            target=truth / scene / "frame10i11.png",
        )
        for scene in scenes
    ]
