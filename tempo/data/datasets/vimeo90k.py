"""Read Vimeo-90K, triplets and septuplets (Xue et al. 2019, Task-Oriented Flow)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.cache.shards import Entry, ShardWriter
from tempo.data.cache.splits import SPLITS, EarlierDigest, ShardPlan, SplitName, SplitPlan
from tempo.data.dataset_roots import as_spelled, read_lines, resolve_root
from tempo.data.datasets.footage import hash_order
from tempo.data.fingerprints import Fingerprints, looked_into
from tempo.data.video_io.picture_files import read_picture
from tempo.spec.options import Options
from tempo.spec.published_data import SEPTUPLET, Vimeo90k, Vimeo90kSeptuplet

SIZE = (256, 448)
CLIPS_PER_SHARD = 512
TOLERATED = 0.01
"""Share of a training or validation split's sequences that may be unreadable; none of test's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Describe the files of one of the two sets. `published` counts its lists' sequences."""

    title: str
    train: str
    test: str
    published: tuple[int, int]
    help: str

    def listed(self, split: SplitName) -> str:
        """Return the name of the list a split is made from."""
        return self.test if split == "test" else self.train


TRIPLETS = Layout(
    title="Vimeo-90K",
    train="tri_trainlist.txt",
    test="tri_testlist.txt",
    published=(51_313, 3_782),
    help="the triplet set is published at toflow.csail.mit.edu (vimeo_triplet.zip, 33 GB); "
    "data.root is the folder that holds sequences/, tri_trainlist.txt and tri_testlist.txt",
)
SEPTUPLETS = Layout(
    title="Vimeo-90K septuplets",
    train="sep_trainlist.txt",
    test="sep_testlist.txt",
    published=(64_612, 7_824),
    help="the septuplet set is published at toflow.csail.mit.edu (vimeo_septuplet.zip, 82 GB); "
    "data.root is the folder that holds sequences/, sep_trainlist.txt and sep_testlist.txt",
)

Either = Vimeo90k | Vimeo90kSeptuplet


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """Name the input and target frames of a sequence, counted from 1."""

    inputs: tuple[int, ...]
    targets: tuple[int, ...]

    @property
    def files(self) -> tuple[int, ...]:
        """The frames that are read, in order."""
        return tuple(sorted({*self.inputs, *self.targets}))

    def time(self, frame: int) -> float:
        """Return the time of a frame, 0 and 1 being the outer inputs'."""
        first, last = self.inputs[0], self.inputs[-1]
        return (frame - first) / (last - first)


def layout_of(options: Either) -> Layout:
    """Return the layout of the set that `options` ask for."""
    return TRIPLETS if isinstance(options, Vimeo90k) else SEPTUPLETS


def shown(options: Either, split: SplitName) -> FrameChoice:
    """Return the frames of a clip. Only training has targets at other times than the middle."""
    if isinstance(options, Vimeo90k):
        return FrameChoice((1, 3), (2,))
    inputs, middle = options.inputs, (SEPTUPLET + 1) // 2
    if options.target_times == "middle" or split != "train":
        return FrameChoice(inputs, (middle,))
    between = range(inputs[0] + 1, inputs[-1])
    return FrameChoice(inputs, tuple(frame for frame in between if frame not in inputs))


def check_available(options: Options, splits: Sequence[SplitName] = SPLITS) -> None:
    """Raise MissingError unless the lists of `splits` and the first clip of each are there."""
    assert isinstance(options, Either)
    root, layout = _root(options), layout_of(options)
    # Training and validation are made from one list.
    for split in {layout.listed(each): each for each in reversed(splits)}.values():
        first = read_list(root, layout.listed(split), layout)[0]
        for frame in shown(options, split).files:
            file = _sequences(root) / first / f"im{frame}.png"
            if not file.is_file():
                raise MissingError(
                    f"{layout.title}: {file} is missing, the first entry of "
                    f"{layout.listed(split)}; {layout.help}"
                )


def sources(options: Options, split: SplitName) -> Iterable[Path]:
    """Return the folders of the sequences of a split, whatever way leads to them."""
    assert isinstance(options, Either)
    folder = _sequences(_root(options).resolve())
    return (folder / name for name in sequences(options, split))


def _root(options: Either) -> Path:
    layout = layout_of(options)
    return resolve_root(options.root, layout.title, help_=layout.help)


def _sequences(root: Path) -> Path:
    return as_spelled(root, "sequences")


def read_list(root: Path, name: str, layout: Layout) -> list[str]:
    """Return the sequences that a list names, in order.

    Raises:
        MissingError: no such list, or an empty one.
    """
    lines = read_lines(as_spelled(root, name), layout.title, layout.help)
    return [line.strip("/") for line in lines]


def lists(options: Either) -> dict[str, tuple[Path, int, int]]:
    """Return each published list: its file, its number of sequences, and the published number."""
    root, layout = _root(options), layout_of(options)
    return {
        name: (as_spelled(root, name), len(read_list(root, name, layout)), published)
        for name, published in zip((layout.train, layout.test), layout.published, strict=True)
    }


def sequences(options: Either, split: SplitName) -> list[str]:
    """Return the sequences of a split.

    Validation takes `val_clips` of the training list, those whose names hash lowest; at least one
    sequence is left for training.
    """
    layout = layout_of(options)
    names = read_list(_root(options), layout.listed(split), layout)
    if split == "test":
        return names[: options.test_limit]
    if len(names) <= options.val_clips:
        raise MissingError(
            f"{layout.title}: {layout.listed(split)} names {len(names)} sequences, and "
            f"data.val_clips holds out {options.val_clips} of them: nothing is left to train on"
        )
    held_out = set(sorted(names, key=hash_order)[: options.val_clips])
    return [name for name in names if (name in held_out) == (split == "val")]


def plan_split(options: Options, split: SplitName, cache: Path) -> SplitPlan:
    """Plan shards of `CLIPS_PER_SHARD` sequences (`tempo.data.open_dataset.DatasetModule`).

    The digest is the hash of the sequences' names and of the content of their pictures: of all that
    are tested on, of some of the others (`looked_into`). A shard's name also holds where they were
    read, so that another copy gets a cache of its own.
    """
    assert isinstance(options, Either)
    root, names, clip = _root(options), sequences(options, split), shown(options, split)
    title = layout_of(options).title
    asked = {} if isinstance(options, Vimeo90k) else {"frames": [clip.inputs, clip.targets]}
    contents = _contents(root, looked_into(names, every=split == "test"), clip, cache)
    shards = []
    for first in range(0, len(names), CLIPS_PER_SHARD):
        part = names[first : first + CLIPS_PER_SHARD]
        pictures = [contents[name] for name in part if name in contents]
        place = {"root": str(root.resolve()), "split": split, "names": part}
        chosen = place | asked | {"contents": pictures}
        shards.append(
            ShardPlan(
                name=f"{split}-{first:06d}-{short_hash(chosen, 16)}",
                size=SIZE,
                clips=len(part),
                pictures=len(part) * len(clip.files),
                fill=partial(_fill, root=root, names=part, clip=clip, title=title),
            )
        )
    named = {"split": split, "names": names} | asked
    return SplitPlan(
        name=split,
        digest=short_hash(named | {"contents": [*contents.values()]}, 16),
        earlier_digest=EarlierDigest.of_names(short_hash(named, 16)),
        shards=tuple(shards),
        tolerated=0.0 if split == "test" else TOLERATED,
    )


def _contents(
    root: Path, names: Sequence[str], clip: FrameChoice, cache: Path
) -> dict[str, list[str]]:
    """Return a hash of each picture of some sequences, by the sequence."""
    folder, count = _sequences(root), len(clip.files)
    files = [folder / name / f"im{frame}.png" for name in names for frame in clip.files]
    hashes = Fingerprints(cache).contents_of(files)
    return {name: hashes[place * count :][:count] for place, name in enumerate(names)}


def _fill(
    writer: ShardWriter, root: Path, names: Sequence[str], clip: FrameChoice, title: str
) -> None:
    for name in names:
        folder = _sequences(root) / name
        try:
            pictures = {
                frame: read_picture(folder / f"im{frame}.png", title, SIZE) for frame in clip.files
            }
        except MissingError as error:
            writer.skip(name, str(error))
            continue
        places = {frame: writer.picture(pixels) for frame, pixels in pictures.items()}
        writer.clip(
            Entry(
                id=name,
                source=name.split("/")[0],
                inputs=tuple(places[frame] for frame in clip.inputs),
                times=tuple(clip.time(frame) for frame in clip.inputs),
                targets=tuple(places[frame] for frame in clip.targets),
                target_times=tuple(clip.time(frame) for frame in clip.targets),
            )
        )
