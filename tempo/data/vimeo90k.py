"""Vimeo-90K triplets (Xue et al. 2019, Video Enhancement with Task-Oriented Flow)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.clips import Pixels
from tempo.data.roots import resolve_root
from tempo.data.shards import Entry, ShardWriter
from tempo.data.splits import ShardPlan, SplitName, SplitPlan
from tempo.spec.data import Vimeo90k
from tempo.spec.options import Options

SIZE = (256, 448)
LISTS: dict[SplitName, str] = {
    "train": "tri_trainlist.txt",
    "val": "tri_trainlist.txt",
    "test": "tri_testlist.txt",
}
FRAMES = ("im1.png", "im2.png", "im3.png")
CLIPS_PER_SHARD = 512
TOLERATED = 0.01
"""Share of a training shard's triplets that may be unreadable; elsewhere none may be."""

HELP = (
    "the triplet set is published at toflow.csail.mit.edu (vimeo_triplet.zip, 33 GB); "
    "data.root is the folder that holds sequences/, tri_trainlist.txt and tri_testlist.txt"
)


def check_available(options: Options) -> None:
    """See `tempo.data.open.check_available`. Looks at both lists and one image of each."""
    assert isinstance(options, Vimeo90k)
    root = _root(options)
    for split in ("train", "test"):
        first = read_list(root / LISTS[split])[0]
        for frame in FRAMES:
            if not (root / "sequences" / first / frame).is_file():
                raise MissingError(
                    f"Vimeo-90K: {root / 'sequences' / first / frame} is missing, the first entry "
                    f"of {LISTS[split]}; {HELP}"
                )


def _root(options: Vimeo90k) -> Path:
    try:
        return resolve_root(options.root, "Vimeo-90K")
    except MissingError as error:
        raise MissingError(f"{error}; {HELP}") from None


def read_list(path: Path) -> list[str]:
    """The sequences a list names, in order. Blank lines and CRLF are fine.

    Raises:
        MissingError: no such list, or an empty one.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise MissingError(f"Vimeo-90K: cannot read {path} ({error.strerror}); {HELP}") from None
    names = [line.strip().strip("/") for line in lines if line.strip()]
    if not names:
        raise MissingError(f"Vimeo-90K: {path} names no sequence; {HELP}")
    return names


def sequences(options: Vimeo90k, split: SplitName) -> list[str]:
    """The sequences of a split.

    Validation takes `val_clips` of the training list, those whose names hash lowest; at least one
    sequence is left for training.
    """
    names = read_list(_root(options) / LISTS[split])
    if split == "test":
        return names[: options.test_limit]
    if len(names) <= options.val_clips:
        raise MissingError(
            f"Vimeo-90K: {LISTS[split]} names {len(names)} sequences, and data.val_clips holds out "
            f"{options.val_clips} of them: nothing is left to train on"
        )
    held_out = set(sorted(names, key=_order)[: options.val_clips])
    return [name for name in names if (name in held_out) == (split == "val")]


def _order(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()


def plan_split(options: Options, split: SplitName, cache: Path) -> SplitPlan:
    """See `tempo.data.open.Source`.

    The digest is the hash of the sequences' names: the published pictures never change. A shard's
    name also holds where they were read, so that another copy gets a cache of its own.
    """
    assert isinstance(options, Vimeo90k)
    root, names = _root(options), sequences(options, split)
    shards = []
    for first in range(0, len(names), CLIPS_PER_SHARD):
        part = names[first : first + CLIPS_PER_SHARD]
        key = short_hash({"root": str(root.resolve()), "split": split, "names": part}, 16)
        shards.append(
            ShardPlan(
                name=f"{split}-{first:06d}-{key}",
                size=SIZE,
                clips=len(part),
                fill=partial(_fill, root=root, names=part, tolerant=split == "train"),
            )
        )
    digest = short_hash({"split": split, "names": names}, 16)
    return SplitPlan(name=split, digest=digest, shards=tuple(shards))


def _fill(writer: ShardWriter, root: Path, names: Sequence[str], tolerant: bool) -> None:
    allowed = int(TOLERATED * len(names)) if tolerant else 0
    for name in names:
        try:
            pictures = [read_png(root / "sequences" / name / frame) for frame in FRAMES]
        except MissingError as error:
            writer.skip(name, str(error))
            if len(writer.skipped) > allowed:
                raise
            continue
        places = [writer.picture(each) for each in pictures]
        writer.clip(
            Entry(
                id=name,
                source=name.split("/")[0],
                inputs=(places[0], places[2]),
                times=(0.0, 1.0),
                targets=(places[1],),
                target_times=(0.5,),
            )
        )


def read_png(path: Path) -> Pixels:
    """One picture as uint8 RGB [256, 448, 3].

    Raises:
        MissingError: naming the file, when it is absent, unreadable, truncated or of another size.
    """
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except UnidentifiedImageError:
        raise MissingError(f"Vimeo-90K: {path} is not an image; extract it again") from None
    except (OSError, SyntaxError) as error:
        reason = getattr(error, "strerror", None) or error
        raise MissingError(f"Vimeo-90K: cannot read {path} ({reason}); extract it again") from None
    if pixels.shape[:2] != SIZE:
        raise MissingError(
            f"Vimeo-90K: {path} is {pixels.shape[1]}x{pixels.shape[0]}, not 448x256 as published"
        )
    return pixels
