"""Evaluate methods on test sets by the field's protocols, in one ranked table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.catalog import unknown
from tempo.core.errors import SpecError, UnknownNameError
from tempo.core.identity import short_hash
from tempo.core.plugins.loading import installed, load_named, load_recorded
from tempo.ledger.folder_use import using
from tempo.records.layout import Store, default_cache, default_root
from tempo.spec.metrics import DEFAULT_METRICS, METRIC_INFOS
from tempo.workflow.method_results.protocol_cards import OPTIONS, Asked
from tempo.workflow.method_results.ranked_methods import Evaluations
from tempo.workflow.observer import Observer, advancing, shown
from tempo.workflow.run_options import options_from

if TYPE_CHECKING:
    from tempo.train.evaluation.clip_evaluation import TestClips
    from tempo.train.evaluation.method_evaluation import EvaluationSettings, MethodEvaluation
    from tempo.train.evaluation.methods import Method

METRICS = (*DEFAULT_METRICS, "flicker")
"""The metrics of an evaluation that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationOptions:
    """How methods are evaluated.

    Attributes:
        records, cache: folders of the records and of decoded pictures.
        roots: where a test set lies, by its name (default: $TEMPO_<SET>, $TEMPO_DATASETS).
        metrics: names of metrics, or `all`.
        device: `auto`, `cpu` or `cuda`; precision: `fp32`, `bf16` or `fp16`.
        tile, overlap: side and overlap of tiles in pixels, multiples of 8; None: whole frames.
        threads: CPU threads (None: all cores).
        tta: test-time augmentation: `flips` averages the predictions of flipped inputs,
            `flips+reverse` also those of inputs reversed in time.
        rounded: round every prediction to 8 bit before all metrics.
        check: clips on which `precision` and `tile` are compared with float32 on whole frames.
        again: evaluate even what is recorded.
        into: a folder for evaluations in place of the records, in which nothing is recorded then.
        backbones: files of the networks that perceptual metrics look through, by name (`alexnet`,
            `vgg16`, `pwcnet`; default: $TEMPO_BACKBONE_ALEXNET and so on).
        plugins: modules and files of your own that add test sets, metrics or methods; those of a
            study that is named, and of installed packages, are known without.
    """

    records: Path = field(default_factory=default_root)
    cache: Path = field(default_factory=default_cache)
    roots: Mapping[str, str | Path] = field(default_factory=dict)
    metrics: str | Sequence[str] = METRICS
    device: str = "auto"
    precision: str = "fp32"
    tile: int | None = None
    overlap: int | None = None
    threads: int | None = None
    tta: str = "none"
    rounded: bool = False
    check: int = 8
    again: bool = False
    into: Path | None = None
    backbones: Mapping[str, str | Path] = field(default_factory=dict)
    plugins: Sequence[str] = ()


def evaluate(
    methods: str | Callable[..., Any] | Sequence[str | Callable[..., Any]],
    on: str | Sequence[str],
    *,
    observer: Observer | None = None,
    **options: Any,
) -> Evaluations:
    """Evaluate methods on test sets; what is recorded with the same weights and protocol is read.

    Args:
        methods: run ids, studies (all their runs), checkpoint files, references (`average`,
            `nearest`, `flow`), folders of pictures named by clip id, `package.module:callable`,
            or a Python callable: `f(frames [B, N, 3, H, W], times [B, N], target_time [B])` of
            RGB in 0..1, returning [B, 3, H, W].
        on: test sets (`vimeo90k`, `snu_film` ...), lists of their clips
            (`snu_film_hard:large_motion.txt`), or specs for their test split.
        observer: receives progress; default: a progress bar.
        options: fields of `EvaluationOptions`, such as `roots`, `metrics` and `precision`.

    Raises:
        RecordError: a method is nothing that can be evaluated.
        MissingError: a test set is not there.
        UnknownNameError: no test set or metric is called so, also where `roots` name it.
        PluginError: a plug-in cannot be imported, or a callable fails; its cause is the error.

    >>> import tempo
    >>> def first(frames, times, target_time):
    ...     return frames[:, 0]
    >>> found = tempo.evaluate(["average", first], on="ablations/v2_to_v3.yaml:smoke")
    >>> found.table()[["rank", "method"]].values.tolist()
    [[1, 'average'], [2, 'first']]
    """
    from tempo.train.run.stop_request import listening
    from tempo.workflow.names import find_methods

    settings = options_from(EvaluationOptions, options)
    given = [methods] if isinstance(methods, str) or callable(methods) else list(methods)
    store = Store(settings.records)
    _load_plugins(settings.plugins, given, store)
    _check_roots(settings.roots)
    sets = expand_sets([on] if isinstance(on, str) else on)
    metrics = chosen_metrics(settings.metrics)
    watcher = shown(observer)
    with using(settings.cache), listening() as stop, stop.at_once():
        manner = _manner(settings, metrics)
        found = [each for one in given for each in _named(one, find_methods(one, store))]
        tests = [_open(name, settings) for name in sets]
        options_of_cards = {name: getattr(settings, name) for name in OPTIONS}
        done, asked = [], []
        for name, test in zip(sets, tests, strict=True):
            for text, method in _distinct(found):
                done.append(_assess(method, test, manner, settings, watcher))
                asked.append(Asked(method=text, on=name, metrics=metrics, options=options_of_cards))
    folders = [each.folder for each in done]
    return Evaluations([each.record for each in done], metrics[0], folders, asked)


def _named(
    given: str | Callable[..., Any], found: Sequence[Method]
) -> Iterator[tuple[str | None, Method]]:
    """Methods with the text that each can be found by again; None for a Python function."""
    for method in found:
        if not isinstance(given, str):
            yield None, method
        elif len(found) == 1:
            yield given, method
        else:
            yield method.run_id or method.name, method


def _check_roots(roots: Mapping[str, str | Path]) -> None:
    """Raise UnknownNameError for a root of a test set that is not known."""
    from tempo.data.testsets import FAMILIES, TEST_SETS

    for name in roots:
        if name not in TEST_SETS and name not in FAMILIES:
            known = [*TEST_SETS, *FAMILIES]
            raise UnknownNameError(f"a root is given for {unknown('test set', name, known)}")


def _load_plugins(named: Sequence[str], methods: Sequence[Any], store: Store) -> None:
    """Import what may add to an evaluation: plug-ins named, installed, and of studies."""
    installed()
    load_named(named)
    for study in {each for each in methods if isinstance(each, str)} & set(store.studies()):
        load_recorded(store.load_plan(study).spec.get("plugins") or ())


def expand_sets(given: Sequence[str]) -> list[str]:
    """Test sets by name, families taken apart, and specs by path; each once.

    Raises:
        UnknownNameError: no test set is called so.
    """
    from tempo.data.testsets import expand_names

    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    out: list[str] = []
    for name in names:
        test_set, _, listed = name.partition(":")
        every = [name] if _is_spec(name) else expand_names([test_set])
        if listed and not _is_spec(name):
            if len(every) > 1:
                raise SpecError(
                    f"a list of clips goes with one test set, and {test_set} means several: "
                    f"write {every[0]}:{listed}, for instance"
                )
            every = [name]
        out += every
    return list(dict.fromkeys(out))


def chosen_metrics(given: str | Sequence[str]) -> tuple[str, ...]:
    """Metrics by name, each once; `all` means every one.

    Raises:
        UnknownNameError: no metric is called so, or none is named.
    """
    if given == "all":
        return tuple(METRIC_INFOS)
    texts = given.split(",") if isinstance(given, str) else given
    names = [name.strip() for name in texts if name.strip()]
    for name in names:
        METRIC_INFOS.get(name)
    if not names:
        raise UnknownNameError(f"no metric is named (known: {', '.join(METRIC_INFOS)}, all)")
    return tuple(dict.fromkeys(names))


def parse_paths(given: Sequence[str], form: str) -> dict[str, Path]:
    """`NAME=PATH` texts as paths by name; `form` is how the option is written, `--root SET=DIR`.

    Raises:
        SpecError: a text is of another form.
    """
    out: dict[str, Path] = {}
    option, _, shape = form.partition(" ")
    for text in given:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise SpecError(f"{option} is {shape}, not {text!r}")
        out[name] = Path(path)
    return out


def _manner(settings: EvaluationOptions, metrics: tuple[str, ...]) -> EvaluationSettings:
    from tempo.metrics.metric_weights import use_backbones
    from tempo.train.evaluation.method_evaluation import EvaluationSettings
    from tempo.train.inference.network_inference import make_inference

    use_backbones(settings.backbones)
    names = ("device", "precision", "tile", "overlap", "threads", "tta")
    return EvaluationSettings(
        inference=make_inference(**{name: getattr(settings, name) for name in names}),
        metrics=metrics,
        rounded=settings.rounded,
        check=settings.check,
        motion=settings.cache / "motion",
    )


def _distinct(
    methods: Sequence[tuple[str | None, Method]],
) -> Iterator[tuple[str | None, Method]]:
    """Each method once: a study's reference and one named beside it are one row."""
    seen: set[Path] = set()
    for text, method in methods:
        if method.records not in seen:
            seen.add(method.records)
            yield text, method


def _is_spec(name: str) -> bool:
    return name.partition(":")[0].endswith((".yaml", ".yml"))


def _open(name: str, settings: EvaluationOptions) -> TestClips:
    """The clips of a test set, those of a list (`set:list.txt`), or of the test split of a spec
    (`file.yaml:profile`)."""
    from tempo.data.testsets import FAMILIES, open_test_set

    if _is_spec(name):
        return _spec_test_split(name, settings.cache)
    test_set, _, listed = name.partition(":")
    families = [family for family, members in FAMILIES.items() if test_set in members]
    root = next((settings.roots[n] for n in (test_set, *families) if n in settings.roots), None)
    clips = open_test_set(test_set, None if root is None else Path(root), cache=settings.cache)
    return clips.subset(Path(listed)) if listed else clips


def _spec_test_split(name: str, cache: Path) -> TestClips:
    from tempo.data.open_dataset import open_split
    from tempo.spec.load import load_study
    from tempo.train.evaluation.run_evaluation import SpecTestSplit

    spec, _, profile = name.partition(":")
    study = load_study(Path(spec), profile=profile or None).spec
    return SpecTestSplit(study.study, open_split(study.data, "test", cache), study.data)


def _assess(
    method: Method,
    test: TestClips,
    manner: EvaluationSettings,
    settings: EvaluationOptions,
    observer: Observer,
) -> MethodEvaluation:
    from tempo.train.evaluation.method_evaluation import evaluate_method

    if settings.into is not None:
        method = replace(method, records=settings.into / short_hash(str(method.records)))
    if settings.tta != "none" and method.pictures is not None:
        observer.note(
            f"{method.name} on {test.name}: its pictures exist already, so there is nothing to "
            f"average: the test-time augmentation {settings.tta} does not apply to them"
        )
    with advancing(observer, f"{method.name} on {test.name}", "clips") as advance:
        done = evaluate_method(method, test, manner, advance, again=settings.again)
    record = done.record
    word = "recorded before" if done.reused else f"judged in {record.seconds:.0f} s"
    lost = f", {len(record.broken)} broken" if record.broken else ""
    clips = f"{record.clips} clips{lost}"
    place = f" ({done.folder})" if settings.into is None else ""
    observer.note(f"{method.name} on {test.name}: {clips}, {word}{place}")
    return done
