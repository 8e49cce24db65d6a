"""Run `tempo evaluate`: methods on test sets by the field's protocols, in one table."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tempo.cli import shared_options as shared
from tempo.cli.interpolate import add_inference, inference_options
from tempo.cli.render.console import make_console
from tempo.cli.render.live import make_observer
from tempo.spec.metrics import DEFAULT_METRICS

if TYPE_CHECKING:
    from tempo.comparison.leaderboard import Leaderboard

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
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        metavar="MODULE|FILE",
        help="of your own, which adds test sets, metrics or methods (may be given again); those of "
        "a study are known",
    )
    shared.add_cache(parser)
    shared.add_records(parser)
    shared.add_formats(parser, ("md", "csv", "json"))
    parser.set_defaults(handler=execute, continues=True)


def execute(options: argparse.Namespace) -> int:
    from tempo.workflow.evaluation import evaluate, parse_roots

    # Words go to stderr where a machine reads the table from stdout.
    found = evaluate(
        options.methods,
        options.on,
        observer=make_observer(stderr=options.format is not None),
        records=options.records,
        cache=options.cache,
        roots=parse_roots(options.root),
        metrics=options.metrics,
        rounded=options.round,
        check=options.check,
        again=options.again,
        plugins=options.plugin,
        **inference_options(options),
    )
    _print(found.groups, options.format)
    return 0


def _print(groups: Sequence[Leaderboard], form: str | None) -> None:
    from tempo.cli.render.tables import print_table
    from tempo.report.formats.writers import WRITERS
    from tempo.report.tables.evaluations import build, data, evaluations_json

    if form is None:
        print_table(build(groups), make_console())
    elif form == "json":
        print(evaluations_json(groups), end="")
    else:
        print(WRITERS[form](data(groups) if form == "csv" else build(groups)), end="")
