"""Lay out small published test sets of moving noise, and a study that is evaluated on them."""

from __future__ import annotations

from pathlib import Path

from PIL import ImageFilter

from tests.moving_noise import picture
from tests.tiny_study import TINY

SIDE = (256, 256)
VIMEO = (256, 448)


def lay_out(folder: Path) -> None:
    """Write `datasets/` with UCF101, Middlebury and Vimeo-90K, a folder of pictures `own/`, a
    method of others `outputs/` that has drawn every clip, and the module `theirs.py`."""
    data = folder / "datasets"
    for number in range(3):
        clip = data / "ucf101_interp_ours" / str(number + 1)
        _save(clip, {"frame_00": 0, "frame_01_gt": 1, "frame_02": 2}, SIDE, number)
        _save(folder / "outputs", {str(number + 1): 0}, SIDE, number)
    for number, scene in enumerate(("Beanbags", "Walking")):
        inputs, target = (data / "middlebury" / part / scene for part in _MIDDLEBURY)
        _save(inputs, {"frame10": 0, "frame11": 2}, (48, 64), 10 + number)
        _save(target, {"frame10i11": 1}, (48, 64), 10 + number)
        _save(folder / "outputs", {scene: 0}, (48, 64), 10 + number)
    names = ("00001/0001", "00002/0003")
    for number, name in enumerate(names):
        clip = data / "vimeo_triplet" / "sequences" / name
        _save(clip, {"im1": 0, "im2": 1, "im3": 2}, VIMEO, 20 + number)
        _save(folder / "outputs" / name[:5], {name[6:]: 0}, VIMEO, 20 + number)
    (data / "vimeo_triplet" / "tri_testlist.txt").write_text("\n".join(names) + "\n\n")
    for number in range(2):
        film = folder / "own" / f"film{number}"
        film.mkdir(parents=True)
        for frame in range(8):
            # Blurred, since neighbouring frames of noise are taken for a cut.
            blurred = picture(frame, (48, 64), 30 + number).filter(ImageFilter.GaussianBlur(2))
            blurred.save(film / f"{frame:03d}.png")
    (folder / "theirs.py").write_text(
        "def first(frames, times, target):\n    return frames[:, 0]\n"
    )


_MIDDLEBURY = ("other-data", "other-gt-interp")


def _save(folder: Path, frames: dict[str, int], size: tuple[int, int], seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, number in frames.items():
        picture(number, size, seed).save(folder / f"{name}.png")


OWN = "{clips: own, kind: frames, size: [48, 64], every: 3}"
SETS = f"[ucf101, middlebury, vimeo90k, {OWN}]"
METHODS = "[{call: 'theirs:first', name: First}, flow]"


def study(sets: str = SETS, methods: str = METHODS, name: str = "paper") -> str:
    """Return the spec of two variants with two seeds, judged on `sets` beside their own clips."""
    own = f"evaluation: {{val_every: 2, gallery: 1, test_sets: {sets}, methods: {methods}}}"
    lines = [line for line in TINY.splitlines() if not line.startswith(("evaluation", "reference"))]
    return "\n".join(
        [
            f"study: {name}",
            *lines,
            own,
            "factors: {se: {path: arch.se, levels: {on: squeeze_excite, off: none}}}",
            "design: [{kind: factorial, factors: [se]}]",
            "baseline: se=on",
            "references: [average]",
            "seeds: 2",
            "",
        ]
    )
