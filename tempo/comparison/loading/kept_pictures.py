"""Choose the kept pictures of runs that can be shown, and name those that cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tempo.comparison.loading.load_runs import Run, Sample
from tempo.core.errors import RecordError
from tempo.records.files import inside
from tempo.records.pictures import picture_size

Size = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptClip:
    """The pictures of one clip that a run kept: all of them can be read and have one size.

    `inputs` are in time order, and none where one of them is missing.
    """

    inputs: tuple[Path, ...]
    target: Path
    prediction: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPictures:
    """The runs that are shown, one a variant in design order, with their clips by id.

    `problems`: why a picture of those runs cannot be shown, one a picture.
    """

    runs: tuple[Run, ...] = ()
    clips: Mapping[str, Mapping[str, KeptClip]]
    problems: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """What is not shown, counted and with the first reason; empty where nothing is missing."""
        if not self.problems:
            return ""
        count = len(self.problems)
        said = "kept picture is" if count == 1 else "kept pictures are"
        return f"{count} {said} not shown: {self.problems[0]}."


def kept_pictures(sample: Sample) -> KeptPictures:
    """Read the pictures to show.

    One seed is shown throughout, the one that most variants have pictures of; a variant without it
    is shown by its first finished seed.
    """
    having = [run for run in sample.runs if run.values and run.test and run.test.gallery]
    votes = Counter(run.seed for run in having if run.seed is not None)
    chosen = max(votes, key=lambda seed: (votes[seed], -seed)) if votes else None
    of: dict[str, list[Run]] = {}
    for run in having:
        of.setdefault(run.name, []).append(run)
    shown: list[Run] = []
    clips: dict[str, Mapping[str, KeptClip]] = {}
    problems: list[str] = []
    for variant in sample.variants:
        for run in sorted(of.get(variant.name, ()), key=lambda run: run.seed not in (chosen, None)):
            if found := _clips(run, problems):
                shown.append(run)
                clips[run.run_id] = found
                break
    return KeptPictures(runs=tuple(shown), clips=clips, problems=tuple(dict.fromkeys(problems)))


def _clips(run: Run, problems: list[str]) -> dict[str, KeptClip]:
    """Return the clips of a run of which target and prediction can be shown."""
    sizes: dict[Path, Size] = {}
    found: dict[str, KeptClip] = {}
    for entry in run.test.gallery if run.test else ():
        if not (entry.keys() >= {"clip", "target", "prediction"}):
            problems.append(f"an entry of the gallery of {run.folder} names no clip or no picture")
            continue
        paths = {
            name: path
            for name in sorted(entry, key=lambda name: (len(name), name))
            if name in {"target", "prediction"} or name.startswith("input")
            if (path := _sound(run.folder, entry[name], sizes, problems)) is not None
        }
        target, prediction = paths.get("target"), paths.get("prediction")
        if target is None or prediction is None:
            continue
        if sizes[prediction] != sizes[target]:
            problems.append(f"{prediction} has not the size of its target")
            continue
        inputs = [name for name in entry if name.startswith("input")]
        whole = all(name in paths and sizes[paths[name]] == sizes[target] for name in inputs)
        found[entry["clip"]] = KeptClip(
            inputs=tuple(paths[name] for name in paths if name.startswith("input") and whole),
            target=target,
            prediction=prediction,
        )
    return found


def _sound(folder: Path, text: str, sizes: dict[Path, Size], problems: list[str]) -> Path | None:
    """Return the path of a picture that can be read; None where it cannot, which is noted."""
    try:
        path = inside(folder, text)
        # Of a run whose pictures were deleted as a whole none is missed.
        if not path.parent.is_dir():
            return None
        sizes[path] = picture_size(path)
    except RecordError as error:
        problems.append(str(error))
        return None
    return path
