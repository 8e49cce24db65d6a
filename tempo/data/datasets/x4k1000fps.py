"""Read X-TRAIN of X4K1000FPS: sequences of 65 frames, cached whole and cut on access."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from tempo.core.errors import MissingError
from tempo.core.identity import short_hash
from tempo.data.cache.shards import Entry, ShardWriter
from tempo.data.cache.splits import SPLITS, EarlierDigest, ShardPlan, SplitName, SplitPlan, Window
from tempo.data.dataset_roots import as_spelled, resolve_root
from tempo.data.datasets.footage import by_split, hash_order
from tempo.data.fingerprints import Fingerprints, looked_into
from tempo.data.video_io.picture_files import cover, natural, numbered, read_picture
from tempo.spec.options import Options
from tempo.spec.published_data import X4k1000fps

FRAMES = 65
STORED = (768, 768)
SEQUENCES_PER_SHARD = 4
TOLERATED = 0.01
"""Share of a training or validation split's sequences that may be unreadable."""
VERSION = 1

TITLE = "X-TRAIN"
HELP = (
    "published at github.com/JihyongOh/XVFI (X4K1000FPS train, decoded to PNG); data.root is the "
    "folder that holds a folder for each scene, with one of 65 frames for each sequence"
)


def check_available(options: Options, splits: Sequence[SplitName] = SPLITS) -> None:
    """Raise MissingError unless the scenes are there and each of `splits` has some."""
    assert isinstance(options, X4k1000fps)
    scenes_by_split(options, splits)


def sources(options: Options, split: SplitName) -> Iterable[Path]:
    """Return the folders of the scenes of a split, whatever way leads to them."""
    assert isinstance(options, X4k1000fps)
    return (scene.resolve() for scene in scenes_by_split(options, (split,))[split].values())


def scenes_by_split(
    options: X4k1000fps, needed: Sequence[SplitName] = SPLITS
) -> dict[SplitName, dict[str, Path]]:
    """Return the scenes of each split, see `tempo.data.datasets.footage.by_split`.

    Raises:
        MissingError: no scenes, a named one that is not there, or too few for `needed`.
    """
    # The training part itself, or the archive around it with a test part beside.
    root = resolve_root(options.root, TITLE, help_=HELP)
    below = [as_spelled(root, "train"), *sorted(root.glob("*/train"))]
    root = next((each for each in below if each.is_dir()), root)
    scenes = {each.name: each for each in root.iterdir() if each.is_dir()}
    if not scenes:
        raise MissingError(f"{TITLE}: {root} holds no folder; {HELP}")
    return by_split(scenes, options, "scene", needed)


def sequences(options: X4k1000fps, split: SplitName) -> dict[str, Path]:
    """Return the sequences of a split: scene/sequence to folder, at most `limit` of each scene."""
    found: dict[str, Path] = {}
    for scene, folder in scenes_by_split(options, (split,))[split].items():
        names = sorted((each.name for each in folder.iterdir() if each.is_dir()), key=hash_order)
        kept = sorted(islice(names, options.limit), key=natural)
        found |= {f"{scene}/{name}": folder / name for name in kept}
    return found


def plan_split(options: Options, split: SplitName, cache: Path) -> SplitPlan:
    """Plan shards of whole sequences, independent of spacing and target times.

    The digest is the hash of the sequences' names and, of those that are `looked_into`, of the
    content of three frames and the sizes of all.
    """
    assert isinstance(options, X4k1000fps)
    folders = sequences(options, split)
    found = list(folders.items())
    contents = _contents(folders, looked_into([*folders], every=split == "test"), cache)
    shards = [
        _shard(options, dict(found[first : first + SEQUENCES_PER_SHARD]), contents)
        for first in range(0, len(found), SEQUENCES_PER_SHARD)
    ]
    any_time = options.target_times == "any"
    earlier = [(each.until, each.spacing) for each in options.progressive_spacing]
    if split != "train":
        any_time, earlier = False, []
    window = Window(spacing=options.spacing, any_time=any_time, earlier=tuple(earlier))
    chosen = {
        "version": VERSION,
        "split": split,
        "size": options.size,
        "names": [name for name, _ in found],
        "window": [window.spacing, window.any_time, *earlier],
    }
    return SplitPlan(
        name=split,
        digest=short_hash(chosen | {"contents": [*contents.values()]}, 16),
        earlier_digest=EarlierDigest.of_names(short_hash(chosen, 16)),
        shards=tuple(shards),
        tolerated=0.0 if split == "test" else TOLERATED,
        window=window,
    )


Contents = dict[str, list[object]]
"""What tells the content of a sequence, by its name."""


def _contents(folders: Mapping[str, Path], names: Sequence[str], cache: Path) -> Contents:
    """Return the sizes of all frames and a hash of three, of some sequences."""
    frames = {name: numbered(folders[name], (".png",)) for name in names}
    first_middle_last = {
        name: [files[place] for place in (0, len(files) // 2, -1)] if files else []
        for name, files in frames.items()
    }
    read = [file for files in first_middle_last.values() for file in files]
    hashes = dict(zip(read, Fingerprints(cache).pieces_of(read), strict=True))
    return {
        name: [[file.stat().st_size for file in files]]
        + [hashes[file] for file in first_middle_last[name]]
        for name, files in frames.items()
    }


def _shard(options: X4k1000fps, part: dict[str, Path], contents: Contents) -> ShardPlan:
    folders = [str(folder.resolve()) for folder in part.values()]
    chosen = {"version": VERSION, "size": options.size, "folders": folders}
    chosen |= {"contents": [contents[name] for name in part if name in contents]}
    key = short_hash(chosen, 16)
    stem = next(iter(part)).replace("/", "-").replace(".", "_")
    return ShardPlan(
        name=f"{stem}-{key}",
        size=options.size,
        clips=len(part),
        pictures=len(part) * FRAMES,
        fill=partial(_fill, part=part),
    )


def _fill(writer: ShardWriter, part: dict[str, Path]) -> None:
    for name, folder in part.items():
        try:
            _add(writer, name, folder)
        except MissingError as error:
            writer.skip(name, str(error))


def _add(writer: ShardWriter, name: str, folder: Path) -> None:
    files = numbered(folder, (".png",))
    if len(files) != FRAMES:
        raise MissingError(f"{TITLE}: {folder} holds {len(files)} frames, not {FRAMES}")
    # All are read before the first is written: a sequence is in the shard whole or not at all.
    pictures = [cover(read_picture(file, TITLE, STORED), writer.size) for file in files]
    places = tuple(map(writer.picture, pictures))
    writer.clip(
        Entry(
            id=name,
            source=name.partition("/")[0],
            inputs=(places[0], places[-1]),
            times=(0.0, 1.0),
            targets=places,
            target_times=tuple(place / (FRAMES - 1) for place in range(FRAMES)),
        )
    )
