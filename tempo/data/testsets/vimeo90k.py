"""List the test clips of Vimeo-90K: triplets, and septuplets with four inputs."""

from __future__ import annotations

from pathlib import Path

from tempo.data.dataset_roots import read_lines
from tempo.data.testsets.testset import Facts, Item

SIZE = (256, 448)

TRIPLET = Facts(
    name="vimeo90k",
    title="Vimeo-90K triplets",
    folder="vimeo_triplet",
    expected=3782,
    stored=SIZE,
    size=SIZE,
    inputs="im1, im3 -> im2",
    rounding="both",
    reference="Xue et al. 2019, Video Enhancement with Task-Oriented Flow",
    help="published at toflow.csail.mit.edu (vimeo_triplet.zip); "
    "the root holds sequences/ and tri_testlist.txt",
)
SEPTUPLET = Facts(
    name="vimeo90k_septuplet",
    title="Vimeo-90K septuplets",
    folder="vimeo_septuplet",
    expected=7824,
    stored=SIZE,
    size=SIZE,
    inputs="im1, im3, im5, im7 -> im4",
    rounding="both",
    reference="Xue et al. 2019; four inputs as in Kalluri et al. 2021, FLAVR",
    help="published at toflow.csail.mit.edu (vimeo_septuplet.zip); "
    "the root holds sequences/ and sep_testlist.txt",
)
SETS = (TRIPLET, SEPTUPLET)

_LAYOUT = {
    TRIPLET.name: ("tri_testlist.txt", (1, 3), 2),
    SEPTUPLET.name: ("sep_testlist.txt", (1, 3, 5, 7), 4),
}


def find(facts: Facts, root: Path) -> list[Item]:
    """Return the sequences of the published list, in its order."""
    listed, inputs, target = _LAYOUT[facts.name]
    names = [line.strip("/") for line in read_lines(root / listed, facts.title, facts.help)]
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
