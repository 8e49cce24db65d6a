"""Prepare data sets and describe them: build caches, check files, measure motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.catalog import unknown
from tempo.core.errors import SpecError, UnknownNameError
from tempo.core.identity import short_hash
from tempo.records.files import sha256_of
from tempo.records.layout import default_cache
from tempo.spec.data import DATASETS
from tempo.spec.options import Options
from tempo.workflow.observer import Observer, advancing, shown
from tempo.workflow.run_options import options_from

if TYPE_CHECKING:
    from tempo.data.cache.splits import Split, SplitName
    from tempo.data.clip_statistics import Clips, Measured
    from tempo.data.clips import Clip

DatasetNames = tuple[Sequence[Options], Sequence[str]]
"""What a name means: options of training data, and names of test sets."""

ROWS = 12
"""Clips of a contact sheet, from the slowest to the fastest of those measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetOptions:
    """How data sets are prepared and described.

    Attributes:
        root: where the data set's files are; cache: folder of decoded pictures.
        jobs: cores to use; None: all that are available.
        splits: the splits to describe; empty: all.
        sample: clips of each split whose motion is measured.
        sheet: the picture of the contact sheet; None: in the cache, named by the data set.
    """

    cache: Path
    root: str | None = None
    jobs: int | None = None
    splits: Sequence[str] = ()
    sample: int = 100
    sheet: Path | None = None


def prepare_data(
    what: str | Path,
    *,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Check lists and files of a data set, and build the cache that training reads.

    Args:
        what: a kind of training data, a test set, or a spec.
        overrides: options of the data set or values of the spec, `key=value` as YAML.
        options: fields of `DatasetOptions`: `root`, `cache`, `jobs`.

    Returns:
        One dict a data set; `whole` is False for a test set that is not as published.

    >>> import tempo
    >>> [each["whole"] for each in tempo.prepare_data("ablations/v2_to_v3.yaml", profile="smoke")]
    [True]
    """
    training, tests, settings, watcher = _asked(what, overrides, profile, observer, options)
    return [
        *(_prepare_training(each, settings, watcher) for each in training),
        *(_prepare_test_set(name, settings, watcher) for name in tests),
    ]


def describe_data(
    what: str | Path,
    *,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    observer: Observer | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Say how large a data set is, where clips come from and how far things move in them.

    A contact sheet of each split is drawn; its file stands under `motion`. `shared_correction` is
    the share of averaging's training loss that one filter saves on the clips that training begins
    with, and on those of each source: where it is small, small networks are likely to stay at
    averaging.

    For the arguments see `prepare_data`; `splits`, `sample` and `sheet` are options too.

    >>> import tempo
    >>> (about,) = tempo.describe_data("ablations/v2_to_v3.yaml", profile="smoke", sample=2)
    >>> sorted(about["splits"])
    ['test', 'train', 'val']
    """
    training, tests, settings, watcher = _asked(what, overrides, profile, observer, options)
    return [
        *(_describe_training(each, settings, watcher) for each in training),
        *(_describe_test_set(name, settings, watcher) for name in tests),
    ]


def _asked(
    what: str | Path,
    overrides: Sequence[str],
    profile: str | None,
    observer: Observer | None,
    options: Mapping[str, Any],
) -> tuple[Sequence[Options], Sequence[str], DatasetOptions, Observer]:
    settings = options_from(DatasetOptions, {"cache": default_cache(), **options})
    training, tests = dataset_names(str(what), settings.root, overrides, profile)
    return training, tests, settings, shown(observer)


def dataset_names(
    name: str, root: str | None, overrides: Sequence[str], profile: str | None
) -> DatasetNames:
    """What NAME or a spec's path means.

    Raises:
        UnknownNameError: neither a data set nor a file.
        SpecError: options that the data set does not have, or that do not fit.
    """
    from tempo.data.testsets import FAMILIES, TEST_SETS, expand_names

    if name in DATASETS:
        return (_by_name(name, root, overrides),), ()
    if name in TEST_SETS or name in FAMILIES:
        if overrides:
            raise SpecError(f"a test set has no options: its protocol is fixed ({name})")
        return (), expand_names([name])
    path = Path(name)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        return _of_spec(path, root, overrides, profile), ()
    raise UnknownNameError(unknown("data set", name, [*DATASETS, *TEST_SETS, *FAMILIES]))


def _by_name(kind: str, root: str | None, overrides: Sequence[str]) -> Options:
    """The options of a kind of data set, from the command line."""
    from tempo.spec.yaml.error_text import validate
    from tempo.spec.yaml.problems import Problems
    from tempo.spec.yaml.strict_yaml import read_tree
    from tempo.spec.yaml.value_tree import Entry, Mapped, Scalar

    tree = read_tree(f"kind: {kind}", "the command line")
    assert isinstance(tree, Mapped)
    place = tree.place
    if root is not None:
        tree = tree.with_entry("root", Entry(place, Scalar(root, place)))
    for text in overrides:
        key, equals, value = text.partition("=")
        if not equals:
            raise SpecError(f"--set is KEY=VALUE, not {text!r}")
        node = read_tree(value, f"--set {key}")
        if node is None:
            raise SpecError(f"--set {key} has no value")
        tree = tree.with_entry(key, Entry(node.place, node))
    problems = Problems()
    made = validate(DATASETS.get(kind), tree, problems)
    problems.raise_any()
    assert made is not None
    return made


def _of_spec(
    path: Path, root: str | None, overrides: Sequence[str], profile: str | None
) -> tuple[Options, ...]:
    from tempo.design.expand import expand
    from tempo.design.measurements import Undecided
    from tempo.spec.load import load_study
    from tempo.spec.study import RunConfig

    given = [*overrides, *([] if root is None else [f"data.root={root}"])]
    plan = expand(load_study(path, profile=profile, overrides=given), Undecided())
    found: dict[str, Options] = {}
    for variant in plan.variants:
        for data in RunConfig.model_validate(variant.config).datasets:
            found[data.model_dump_json()] = data
    return tuple(found.values())


def _prepare_training(
    data: Options, settings: DatasetOptions, observer: Observer
) -> dict[str, Any]:
    from tempo.data.open_dataset import forget_unreadable, published_lists

    lists = {
        name: {"sequences": counted, "published": published, "sha256": sha256_of(file)}
        for name, (file, counted, published) in published_lists(data).items()
    }
    forget_unreadable(data, settings.cache)
    splits = _splits(data, settings, observer)
    return {
        "data": data.model_dump(mode="json"),
        "lists": lists,
        "splits": {name: _facts(split) for name, split in splits.items()},
        "whole": True,
    }


def _splits(
    data: Options, settings: DatasetOptions, observer: Observer
) -> Mapping[SplitName, Split]:
    """The splits of a data set, built where the cache has them not yet."""
    from tempo.data.cache.cache_builder import cores
    from tempo.data.open_dataset import prepare

    jobs = settings.jobs or cores()
    with advancing(observer, f"preparing {data.kind}", "clips") as advance:
        return prepare(data, settings.cache, lambda done, total, _: advance(done, total), jobs)


def _facts(split: Split) -> dict[str, Any]:
    return {
        "clips": len(split),
        "sizes": sorted({f"{shard.size[1]}x{shard.size[0]}" for shard in split.shards}),
        "pictures": sum(len(shard.pixels) for shard in split.shards),
        "bytes": sum(shard.pixels.nbytes for shard in split.shards),
        "shards": len(split.shards),
        "digest": split.digest,
        "counts": dict(split.counts),
        "skipped": list(split.skipped),
        "notes": list(split.notes),
    }


def _prepare_test_set(name: str, settings: DatasetOptions, observer: Observer) -> dict[str, Any]:
    from tempo.data.cache.cache_builder import cores
    from tempo.data.testsets import open_test_set, unreadable

    clips = open_test_set(name, settings.root, cache=settings.cache)
    with advancing(observer, f"reading {clips.facts.title}", "pictures") as advance:
        bad = unreadable(clips, settings.jobs or cores(), advance)
    return {
        "test_set": name,
        "root": str(clips.root),
        "clips": len(clips),
        "published": clips.expected,
        "protocol": clips.protocol,
        "protocol_hash": short_hash(clips.protocol),
        "notes": [*clips.notes, *bad.values()],
        "whole": not bad and not clips.notes,
    }


def _describe_training(
    data: Options, settings: DatasetOptions, observer: Observer
) -> dict[str, Any]:
    from tempo.data.clip_statistics import per_source, spread
    from tempo.data.shared_correction import shared_correction

    splits = _splits(data, settings, observer)
    chosen = {n: s for n, s in splits.items() if not settings.splits or n in settings.splits}
    motion = {n: _sample(s, f"{data.kind}-{n}", settings, observer) for n, s in chosen.items()}
    about = {}
    for name, split in chosen.items():
        sources = (split.locate(index)[1].source for index in range(len(split)))
        about[name] = _facts(split) | dict(per_source(sources))
    told = {"name": data.kind, "splits": about, "motion": motion}
    if "train" in chosen:
        first = chosen["train"].beginning()
        sample = (chosen["train"][first[each]] for each in spread(len(first), settings.sample))
        told["shared_correction"] = shared_correction(sample)
    return told


def _describe_test_set(name: str, settings: DatasetOptions, observer: Observer) -> dict[str, Any]:
    from tempo.data.clip_statistics import per_source
    from tempo.data.testsets import open_test_set

    clips = open_test_set(name, settings.root, cache=settings.cache)
    facts = clips.facts
    return {
        "name": name,
        "title": facts.title,
        "reference": facts.reference,
        "clips": len(clips),
        "published": clips.expected,
        "protocol": clips.protocol,
        "notes": list(clips.notes),
        **per_source(item.source for item in clips.items),
        "motion": {"test": _sample(clips, name, settings, observer)},
    }


def _sample(
    clips: Clips, name: str, settings: DatasetOptions, observer: Observer
) -> dict[str, Any]:
    """Motion and occlusion of a sample, and where its contact sheet is."""
    from tempo.data.clip_statistics import measure_clips, quantiles, spread

    chosen = spread(len(clips), settings.sample)
    seen: list[Measured] = []
    with advancing(observer, f"looking at {name}", "clips") as advance:
        for each in measure_clips(clips, chosen, _estimate):
            seen.append(each)
            advance(len(seen), len(chosen))
    return {
        "clips": len(seen),
        "estimated": any(each.estimated for each in seen),
        "motion": quantiles([each.motion for each in seen]),
        "occlusion": quantiles([each.occlusion for each in seen]),
        "sheet": str(_sheet(clips, seen, name, settings)),
    }


def _estimate(clip: Clip) -> tuple[float, float]:
    """Motion and occlusion as evaluations estimate them: optical flow to the frames around."""
    from tempo.metrics.flow import estimate_motion
    from tempo.train.evaluation.temporal_sequences import picture, surrounding

    before, after = surrounding(clip)
    ends = picture(clip.frames[before]), picture(clip.frames[after])
    found = estimate_motion(ends[0], picture(clip.target), ends[1])
    return (found.motion, found.occlusion) if found else (float("nan"), float("nan"))


def _sheet(clips: Clips, seen: Sequence[Measured], name: str, settings: DatasetOptions) -> Path:
    from tempo.data.video_io.contact_sheet import draw_sheet, save_sheet

    path = settings.sheet or settings.cache / "sheets" / f"{name}.png"
    if settings.sheet and len(settings.splits) != 1:
        path = path.with_name(f"{path.stem}-{name}{path.suffix or '.png'}")
    slowest_first = sorted(seen, key=lambda each: each.motion)
    count = min(ROWS, len(seen))
    last = (len(seen) - 1) / max(1, count - 1)
    rows = [slowest_first[round(place * last)] for place in range(count)]
    about = [
        f"{each.id}    motion {each.motion:.1f} px, hidden {each.occlusion:.1%}" for each in rows
    ]
    pictures = [(clips[each.index], text) for each, text in zip(rows, about, strict=True)]
    save_sheet(path, draw_sheet(pictures, f"{name}: {len(clips)} clips"))
    return path
