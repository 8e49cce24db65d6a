"""Evaluate methods on test sets by the field's protocols, in one ranked table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import SpecError, UnknownNameError
from tempo.core.plugins.loading import installed, load_named, load_recorded
from tempo.ledger.folder_use import using
from tempo.records.layout import Store, default_cache, default_root
from tempo.spec.metrics import DEFAULT_METRICS, METRIC_INFOS
from tempo.workflow.observer import Observer, advancing, shown
from tempo.workflow.run_options import options_from

if TYPE_CHECKING:
    import pandas as pd

    from tempo.comparison.leaderboard import Leaderboard
    from tempo.records.evaluations import EvaluationRecord
    from tempo.train.evaluation.method_evaluation import EvaluationSettings, TestClips
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
        rounded: round every prediction to 8 bit before all metrics.
        check: clips on which `precision` and `tile` are compared with float32 on whole frames.
        again: evaluate even what is recorded.
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
    rounded: bool = False
    check: int = 8
    again: bool = False
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
        on: test sets (`vimeo90k`, `snu_film` ...), or specs for their test split.
        observer: receives progress; default: a progress bar.
        options: fields of `EvaluationOptions`, such as `roots`, `metrics` and `precision`.

    Raises:
        RecordError: a method is nothing that can be evaluated.
        MissingError: a test set is not there.
        PluginError: a plug-in cannot be imported.

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
    sets = expand_sets([on] if isinstance(on, str) else on)
    metrics = chosen_metrics(settings.metrics)
    watcher = shown(observer)
    with using(settings.cache), listening() as stop, stop.at_once():
        manner = _manner(settings, metrics)
        found = [each for one in given for each in find_methods(one, store)]
        tests = [_open(name, settings) for name in sets]
        records = [
            _assess(method, test, manner, settings, watcher)
            for test in tests
            for method in _distinct(found)
        ]
    return Evaluations(records, metrics[0])


def _load_plugins(named: Sequence[str], methods: Sequence[Any], store: Store) -> None:
    """Import what may add to an evaluation: plug-ins named, installed, and of studies."""
    installed()
    load_named(named)
    for study in {each for each in methods if isinstance(each, str)} & set(store.studies()):
        load_recorded(store.load_plan(study).spec.get("plugins") or ())


class Evaluations:
    """Methods on test sets, ranked among numbers of one protocol.

    Attributes:
        records: one for each method and test set.
        metric: what rows are ranked by.

    >>> import tempo
    >>> found = tempo.evaluate("nearest", on="ablations/v2_to_v3.yaml:smoke", metrics="psnr")
    >>> found.groups[0].primary.unit
    'dB'
    """

    def __init__(self, records: Sequence[EvaluationRecord], metric: str) -> None:
        self.records, self.metric = tuple(records), metric

    @property
    def groups(self) -> tuple[Leaderboard, ...]:
        """The rows of one test set and protocol each, best first."""
        from tempo.comparison.leaderboard import leaderboards

        return leaderboards(self.records, self.metric)

    def table(self) -> pd.DataFrame:
        """One row a method and test set: test_set, protocol, rank, method, clips, every metric."""
        import pandas as pd

        rows = [
            {
                "test_set": group.test_set,
                "protocol": group.protocol_hash,
                "rank": row.rank,
                "method": row.record.method,
                "run_id": row.record.run_id,
                "clips": row.record.clips,
                **row.record.values,
            }
            for group in self.groups
            for row in group.rows
        ]
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        return f"<Evaluations, {len(self.records)} records>"

    def __str__(self) -> str:
        return str(self.table().to_string(index=False))

    def _repr_html_(self) -> str:
        return str(self.table().to_html(index=False, na_rep="-"))


def expand_sets(given: Sequence[str]) -> list[str]:
    """Test sets by name, families taken apart, and specs by path; each once.

    Raises:
        UnknownNameError: no test set is called so.
    """
    from tempo.data.testsets import expand_names

    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    out: list[str] = []
    for name in names:
        out += [name] if _is_spec(name) else expand_names([name])
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


def parse_roots(given: Sequence[str]) -> dict[str, Path]:
    """`SET=DIR` texts as folders by test set.

    Raises:
        SpecError: a text is of another form.
    """
    out: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise SpecError(f"--root is SET=DIR, not {text!r}")
        out[name] = Path(folder)
    return out


def _manner(settings: EvaluationOptions, metrics: tuple[str, ...]) -> EvaluationSettings:
    from tempo.train.evaluation.method_evaluation import EvaluationSettings
    from tempo.train.inference.network_inference import make_inference

    names = ("device", "precision", "tile", "overlap", "threads")
    return EvaluationSettings(
        inference=make_inference(**{name: getattr(settings, name) for name in names}),
        metrics=metrics,
        rounded=settings.rounded,
        check=settings.check,
        motion=settings.cache / "motion",
    )


def _distinct(methods: Sequence[Method]) -> Iterator[Method]:
    """Each method once: a study's reference and one named beside it are one row."""
    seen: set[Path] = set()
    for method in methods:
        if method.records not in seen:
            seen.add(method.records)
            yield method


def _is_spec(name: str) -> bool:
    return name.partition(":")[0].endswith((".yaml", ".yml"))


def _open(name: str, settings: EvaluationOptions) -> TestClips:
    """The clips of a test set, or of the test split of a spec (`file.yaml:profile`)."""
    from tempo.data.testsets import FAMILIES, open_test_set

    if _is_spec(name):
        return _spec_test_split(name, settings.cache)
    families = [family for family, members in FAMILIES.items() if name in members]
    root = next((settings.roots[n] for n in (name, *families) if n in settings.roots), None)
    return open_test_set(name, None if root is None else Path(root))


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
) -> EvaluationRecord:
    from tempo.train.evaluation.method_evaluation import evaluate_method

    with advancing(observer, f"{method.name} on {test.name}", "clips") as advance:
        done = evaluate_method(method, test, manner, advance, again=settings.again)
    record = done.record
    word = "recorded before" if done.reused else f"judged in {record.seconds:.0f} s"
    lost = f", {len(record.broken)} broken" if record.broken else ""
    clips = f"{record.clips} clips{lost}"
    observer.note(f"{method.name} on {test.name}: {clips}, {word} ({done.folder})")
    return record
