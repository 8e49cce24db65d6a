"""Render clips of photograph layers that move smoothly: synthetic data with known motion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tempo.core.identity import short_hash
from tempo.core.seeding import stream
from tempo.data.cache.shards import Entry, ShardWriter
from tempo.data.cache.splits import SPLITS, Grading, ShardPlan, SplitName, SplitPlan
from tempo.data.datasets import photographs, scene
from tempo.data.datasets.photographs import PHOTOGRAPHS, REDUCTIONS, Photograph, Reduction
from tempo.spec.data import Procedural
from tempo.spec.options import Options

VERSION = 1
"""Raised when the same options would give other pixels."""

CLIPS_PER_SHARD = 512
TARGETS_AT_ANY_TIME = 4
"""Targets rendered for one training clip when its time is any; a sample draws one of them."""

MIN_DETAIL = 12.0
"""Mean luma difference of neighbouring pixels (of 255) that a piece of a photograph should have;
among eight places the first that has it is taken, else the one with the most."""

ROOM = 1.25
"""A photograph is at least this much larger than the view cut from it, where it can be."""

GOLDEN = (math.sqrt(5) - 1) / 2


def check_available(options: Options, splits: Sequence[SplitName] = SPLITS) -> None:
    """Raise MissingError unless all photographs are installed."""
    for each in PHOTOGRAPHS.values():
        for photograph in each:
            _ = photograph.path


def plan_split(options: Options, split: SplitName, cache: Path) -> SplitPlan:
    """Plan shards of `CLIPS_PER_SHARD` rendered clips (see `open_dataset.DatasetModule`)."""
    assert isinstance(options, Procedural)
    clips = {"train": options.train_clips, "val": options.val_clips, "test": options.test_clips}
    digest = _digest(options, split, clips[split])
    shards = []
    for first in range(0, clips[split], CLIPS_PER_SHARD):
        indices = range(first, min(first + CLIPS_PER_SHARD, clips[split]))
        shards.append(_shard(options, split, indices))
    if split != "train" or not options.progressive_motion:
        return SplitPlan(name=split, digest=digest, shards=tuple(shards))
    # What is rendered is the whole range, whatever part of it is shown at first.
    earlier = tuple((each.until, each.motion) for each in options.progressive_motion)
    levels = tuple(level(options, index) for index in range(clips[split]))
    return SplitPlan(
        name=split,
        digest=short_hash([digest, earlier], 16),
        shards=tuple(shards),
        grading=Grading(levels=levels, earlier=earlier),
    )


def _digest(options: Procedural, split: SplitName, clips: int) -> str:
    """Return the hash of what decides the pixels of one split, and nothing of other splits."""
    chosen = {
        "version": VERSION,
        "split": split,
        "clips": clips,
        "size": options.size,
        "motion": options.motion,
        "target_times": options.target_times if split == "train" else "middle",
        "seed": options.seed,
        "photographs": [each.sha256() for each in PHOTOGRAPHS[split]],
    }
    return short_hash(chosen, 16)


def _shard(options: Procedural, split: SplitName, indices: range) -> ShardPlan:
    # A shard's pixels do not depend on how long its split is.
    key = _digest(options, split, 0)
    return ShardPlan(
        name=f"{split}-{key}-{indices.start:06d}-{indices.stop:06d}",
        size=options.size,
        clips=len(indices),
        pictures=len(indices) * (2 + len(target_times(options, split, indices.start))),
        fill=partial(_fill, options=options, split=split, indices=indices),
    )


def _fill(writer: ShardWriter, options: Procedural, split: SplitName, indices: range) -> None:
    for index in indices:
        photograph, made = compose(options, split, index)
        times = target_times(options, split, index)
        truth = made.truth(times[0])
        writer.clip(
            Entry(
                id=f"{photograph.name}-{index:05d}",
                source=photograph.name,
                inputs=tuple(writer.picture(made.render(time)) for time in (0.0, 1.0)),
                times=(0.0, 1.0),
                targets=tuple(writer.picture(made.render(time)) for time in times),
                target_times=times,
                motion=round(float(np.linalg.norm(truth.motion, axis=-1).mean()), 4),
                occlusion=round(float(truth.hidden.mean()), 6),
            )
        )


def target_times(options: Procedural, split: SplitName, index: int) -> tuple[float, ...]:
    """Return the times of a clip's targets: 0.5, or several in (0, 1) for training at any time."""
    if split != "train" or options.target_times == "middle":
        return (0.5,)
    random = np.random.default_rng(stream(options.seed, "times", split, index))
    steps = (np.arange(TARGETS_AT_ANY_TIME) + random.uniform(0, 1)) / TARGETS_AT_ANY_TIME
    return tuple(round(float(np.clip(time, 0.02, 0.98)), 4) for time in steps)


def level(options: Procedural, index: int) -> float:
    """Return the displacement, in pixels, of the fastest layer of clip `index`.

    Levels follow a golden-ratio sequence, so that the first n clips of a split fill the motion
    range evenly, whatever n is.
    """
    low, high = options.motion
    return low + (high - low) * ((index + 0.5) * GOLDEN % 1.0)


def compose(options: Procedural, split: SplitName, index: int) -> tuple[Photograph, scene.Scene]:
    """Return the scene of clip `index`, a pure function of (options.seed, split, index).

    All layers are pieces of one photograph, so a clip has exactly one source.
    """
    random = np.random.default_rng(stream(options.seed, "procedural", split, index))
    photograph = PHOTOGRAPHS[split][index % len(PHOTOGRAPHS[split])]
    texture = _reduced(photograph, options.size, random)
    fastest = level(options, index)
    count = int(random.integers(1, 4))
    # One layer, never always the same, has the full displacement; the others have less.
    leader = int(random.integers(0, count + 1))
    low = options.motion[0]
    layers = []
    for number in range(count + 1):
        share = 1.0 if number == leader else float(random.uniform(0.5, 1.0))
        layers.append(_layer(texture, options.size, low + (fastest - low) * share, number, random))
    return photograph, scene.Scene(size=options.size, layers=tuple(layers))


def _reduced(
    photograph: Photograph, size: tuple[int, int], random: np.random.Generator
) -> Reduction:
    """Return the photograph at one of the three smallest sizes that hold a view of `size`.

    Small pictures of whole things have the contrast of real frames; small cut-outs of large
    photographs are mostly smooth.
    """
    pixels = photographs.reduction(photograph, REDUCTIONS[0]).size
    room = min(pixels[0] / size[0], pixels[1] / size[1]) / ROOM
    fitting = [factor for factor in REDUCTIONS if factor <= room] or [REDUCTIONS[0]]
    return photographs.reduction(photograph, fitting[-1 - int(random.integers(3)) % len(fitting)])


def _layer(
    texture: Reduction,
    size: tuple[int, int],
    displacement: float,
    number: int,
    random: np.random.Generator,
) -> scene.Layer:
    outline = _outline(size, random) if number else None
    reach = outline.reach if outline else math.hypot(*size) / 2
    path = _path(size, displacement, reach, outline is not None, random)
    view = (2 * reach, 2 * reach) if outline else size
    anchor = _anchor(texture, view, displacement, random)
    return scene.Layer(texture=texture, anchor=anchor, path=path, outline=outline)


def _outline(size: tuple[int, int], random: np.random.Generator) -> scene.Outline:
    radius = min(size) * float(random.uniform(0.14, 0.3))
    harmonics = tuple(
        (k, float(random.uniform(0, 0.5)) / k, float(random.uniform(0, 2 * math.pi)))
        for k in (2, 3, 4, 5)
    )
    return scene.Outline(radius=radius, harmonics=harmonics)


def _path(
    size: tuple[int, int],
    displacement: float,
    reach: float,
    free: bool,
    random: np.random.Generator,
) -> scene.Path:
    """Draw a path on which no point within `reach` of the centre moves beyond `displacement`.

    At least 60 % of it is translation; rotation and zoom share the rest.
    """
    sliding = displacement * float(random.uniform(0.6, 1.0))
    heading = float(random.uniform(0, 2 * math.pi))
    turning = (displacement - sliding) / reach
    mix = float(random.uniform(0, 2 * math.pi))
    middle = random.uniform(0.15, 0.85, 2) if free else np.full(2, 0.5)
    tilt = 0.5 if free else 0.15
    return scene.Path(
        middle=(float(middle[0] * (size[0] - 1)), float(middle[1] * (size[1] - 1))),
        shift=(sliding * math.sin(heading), sliding * math.cos(heading)),
        angle=float(random.uniform(-tilt, tilt)),
        turn=turning * math.cos(mix),
        zoom=float(random.uniform(1.0, 1.15)),
        growth=turning * math.sin(mix),
        bow=float(random.uniform(-0.06, 0.06)),
        rush=float(random.uniform(-0.25, 0.25)),
    )


def _anchor(
    texture: Reduction,
    view: tuple[float, float],
    displacement: float,
    random: np.random.Generator,
) -> tuple[float, float]:
    """Draw a place in the photograph with enough detail around it for a moving view."""
    best, most = (0.0, 0.0), -1.0
    for _ in range(8):
        at = tuple(
            float(random.uniform(*_span(side, need + displacement)))
            for side, need in zip(texture.size, view, strict=True)
        )
        detail = texture.mean_detail(at[0], at[1], *view)
        if detail > most:
            best, most = (at[0], at[1]), detail
        if most >= MIN_DETAIL:
            break
    return best


def _span(side: int, need: float) -> tuple[float, float]:
    """Return the range of centres on an axis that keep `need` of its `side` pixels inside."""
    half = min(need / 2, side / 2)
    return half - 0.5, side - half
