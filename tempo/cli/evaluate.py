"""`tempo evaluate`: methods on test sets, by the field's protocols, in one table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.cli.interpolate import add_inference, inference
from tempo.cli.progress import advancing
from tempo.cli.worker import default_cache
from tempo.core.errors import SpecError, UnknownNameError
from tempo.records.layout import Store
from tempo.spec.metrics import DEFAULT_METRICS, METRIC_INFOS

if TYPE_CHECKING:
    from tempo.records.evaluations import EvaluationRecord
    from tempo.train.evaluation.evaluation_settings import Manner, TestClips
    from tempo.train.evaluation.methods import Method

EPILOG = """examples:
  tempo evaluate RUN_ID average flow --on vimeo90k,snu_film     a run beside the references
  tempo evaluate se_dilation --on ucf101 --root ucf101=data/ucf101_interp_ours
  tempo evaluate weights.pt --on xiph_4k --precision fp16 --tile 512
  tempo evaluate rife.wrapper:predict --on snu_film_hard        a model of others, called
  tempo evaluate outputs/emavfi RUN_ID --on vimeo90k --round    pictures of others, by clip id
  tempo evaluate average flow RUN_ID --on experiments/clips.yaml   the test split of a spec
  tempo evaluate RUN_ID --on vimeo90k --md > table.md           also --csv, --json

What was evaluated before, with the same weights and protocol, is read from its record.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Evaluate methods on test sets by the field's protocols, in one table."
    parser.epilog = EPILOG
    parser.add_argument(
        "methods",
        nargs="+",
        metavar="METHOD",
        help="a checkpoint or weights file, a run's folder or id, a study (all its runs), a "
        "reference (average, nearest, flow), package.module:callable, or a folder of pictures "
        "named by clip id",
    )
    parser.add_argument(
        "--on",
        required=True,
        action="append",
        metavar="SETS",
        help="test sets, separated by commas: vimeo90k, snu_film_hard, xiph_4k ... (snu_film and "
        "xiph mean all of theirs), or a spec (.yaml, .yaml:PROFILE) for its test split",
    )
    parser.add_argument(
        "--root",
        action="append",
        default=[],
        metavar="SET=DIR",
        help="where a test set lies (default: $TEMPO_<SET>, or its place in $TEMPO_DATASETS)",
    )
    add_inference(parser)
    parser.add_argument(
        "--round", action="store_true", help="round every prediction to 8 bit before all metrics"
    )
    parser.add_argument(
        "--metrics",
        default=",".join([*DEFAULT_METRICS, "flicker"]),
        metavar="NAMES",
        help="separated by commas, or all (default: %(default)s)",
    )
    parser.add_argument(
        "--check",
        type=int,
        default=8,
        metavar="CLIPS",
        help="clips on which --precision and --tile are compared with float32 on whole frames "
        "(default: %(default)s)",
    )
    parser.add_argument("--again", action="store_true", help="evaluate even what is recorded")
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    shared.add_records(parser)
    _add_formats(parser)
    parser.set_defaults(handler=execute)


def _add_formats(parser: argparse.ArgumentParser) -> None:
    output = parser.add_mutually_exclusive_group()
    for name in ("md", "csv", "json"):
        output.add_argument(
            f"--{name}", action="store_const", const=name, dest="format", help=f"print {name}"
        )


def execute(options: argparse.Namespace) -> int:
    """Evaluate every method on every set, then print one table."""
    names, metrics = _sets(options.on), _metrics(options.metrics)
    roots = _roots(options.root)
    from tempo.train.evaluation.evaluation_settings import Manner
    from tempo.train.evaluation.method_names import find_methods
    from tempo.train.run.stop_request import listening

    # Words go to stderr where a machine reads the table from stdout.
    console = Console(stderr=True, highlight=False) if options.format else make_console()
    with listening() as stop, stop.at_once():
        setting = inference(options)
        manner = Manner(
            setting=setting,
            metrics=metrics,
            rounded=options.round,
            check=options.check,
            motion=options.cache / "motion",
        )
        store = Store(options.records)
        methods = [each for text in options.methods for each in find_methods(text, store)]
        tests = [_open(name, roots, options.cache) for name in names]
        records = [
            _assess(method, test, manner, options, console)
            for test in tests
            for method in _distinct(methods)
        ]
    _print(records, options.format, metrics[0], console)
    return 0


def _print(
    records: Sequence[EvaluationRecord], form: str | None, metric: str, console: Console
) -> None:
    from tempo.cli.render.tables import print_table
    from tempo.compare.leaderboard import standings
    from tempo.report.formats import WRITERS
    from tempo.report.tables.evaluations import build, data, evaluations_json

    groups = standings(records, metric)
    if form is None:
        print_table(build(groups), console)
    elif form == "json":
        print(evaluations_json(groups), end="")
    else:
        print(WRITERS[form](data(groups) if form == "csv" else build(groups)), end="")


def _distinct(methods: Sequence[Method]) -> Iterator[Method]:
    """A study's reference and one named beside it are one row."""
    seen: set[Path] = set()
    for method in methods:
        if method.records not in seen:
            seen.add(method.records)
            yield method


def _sets(given: Sequence[str]) -> list[str]:
    """Test sets by name, families taken apart, and specs by path; each once."""
    from tempo.data.testsets import expand_names

    names = [name.strip() for text in given for name in text.split(",") if name.strip()]
    out: list[str] = []
    for name in names:
        out += [name] if _is_spec(name) else expand_names([name])
    return list(dict.fromkeys(out))


def _metrics(text: str) -> tuple[str, ...]:
    if text == "all":
        return tuple(METRIC_INFOS)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        METRIC_INFOS.get(name)
    if not names:
        raise UnknownNameError(f"--metrics names none (known: {', '.join(METRIC_INFOS)}, all)")
    return tuple(dict.fromkeys(names))


def _roots(given: Sequence[str]) -> dict[str, Path]:
    out: dict[str, Path] = {}
    for text in given:
        name, equals, folder = text.partition("=")
        if not (name and equals and folder):
            raise SpecError(f"--root is SET=DIR, not {text!r}")
        out[name] = Path(folder)
    return out


def _open(name: str, roots: Mapping[str, Path], cache: Path) -> TestClips:
    from tempo.data.testsets import FAMILIES, open_test_set

    if _is_spec(name):
        return _own_test(name, cache)
    families = [family for family, members in FAMILIES.items() if name in members]
    root = next((roots[each] for each in (name, *families) if each in roots), None)
    return open_test_set(name, root)


def _is_spec(name: str) -> bool:
    return name.partition(":")[0].endswith((".yaml", ".yml"))


def _own_test(name: str, cache: Path) -> TestClips:
    from tempo.data.open_dataset import open_split
    from tempo.spec.load import load_study
    from tempo.train.evaluation.spec_test_split import OwnTest

    spec, _, profile = name.partition(":")
    study = load_study(Path(spec), profile=profile or None).spec
    return OwnTest(study.study, open_split(study.data, "test", cache), study.data)


def _assess(
    method: Method,
    test: TestClips,
    manner: Manner,
    options: argparse.Namespace,
    console: Console,
) -> EvaluationRecord:
    from tempo.train.evaluation.method_evaluation import assess

    with advancing(console, f"{method.name} on {test.name}", "clips") as advance:
        done = assess(method, test, manner, advance, again=options.again)
    record = done.record
    word = "recorded before" if done.reused else f"judged in {record.seconds:.0f} s"
    lost = f", {len(record.broken)} broken" if record.broken else ""
    line = f"{method.name} on {test.name}: {record.clips} clips{lost}, {word} ({done.folder})"
    console.print(line, markup=False, soft_wrap=True)
    return record
