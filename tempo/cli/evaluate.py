"""Run `tempo evaluate`: methods on test sets by the field's protocols, in one table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.cli import shared_options as shared
from tempo.cli.interpolate import add_inference, inference_options
from tempo.cli.render.console import make_console, say
from tempo.cli.render.live import make_observer
from tempo.core.errors import SpecError
from tempo.spec.metrics import DEFAULT_METRICS

if TYPE_CHECKING:
    from tempo.comparison.leaderboard import Leaderboard
    from tempo.workflow.method_results.ranked_methods import Evaluations

EPILOG = """examples:
  tempo evaluate RUN_ID average flow --on vimeo90k,snu_film     a run beside the references
  tempo evaluate se_dilation --on ucf101 --root ucf101=data/ucf101_interp_ours
  tempo evaluate weights.pt --on xiph_4k --precision fp16 --tile 512
  tempo evaluate rife.wrapper:predict --on snu_film_hard        a model of others, called
  tempo evaluate RUN_ID --on vimeo90k --tta flips+reverse       a self-ensemble of 8 passes
  tempo evaluate outputs/emavfi RUN_ID --on vimeo90k --round    pictures of others, by clip id
  tempo evaluate average flow RUN_ID --on experiments/clips.yaml   the test split of a spec
  tempo evaluate RUN_ID --on vimeo90k --md > table.md           also --csv, --json
  tempo evaluate RUN_ID flow --on x_test --by target_time --figure times.pdf
  tempo evaluate RUN_ID --on ucf101 --metrics psnr --card card.json
  tempo evaluate --verify card.json                             the same number again?
  tempo evaluate RUN_ID --on snu_film_hard:large_motion.txt     the clips that a list names

What was evaluated before, with the same weights and protocol, is read from its record. The exit
code is 1 where every number of a method on a set is NaN, and where --verify finds a difference.
"""


DEFAULTS = {
    "precision": "fp32",
    "tta": "none",
    "metrics": ",".join([*DEFAULT_METRICS, "flicker"]),
}
"""What options say that were not given."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Evaluate methods on test sets by the field's protocols, in one table."
    parser.epilog = EPILOG
    parser.add_argument(
        "methods",
        nargs="*",
        metavar="METHOD",
        help="a checkpoint or weights file, a run's folder or id, a study (all its runs), a "
        "reference (average, nearest, flow), package.module:callable, or a folder of pictures "
        "named by clip id",
    )
    parser.add_argument(
        "--on",
        action="append",
        default=[],
        metavar="SETS",
        help="test sets, separated by commas: vimeo90k, snu_film_hard, xiph_4k ... (snu_film and "
        "xiph mean all of theirs), SET:LIST.txt for the clips that a list names, or a spec (.yaml, "
        ".yaml:PROFILE) for its test split",
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
        "--tta",
        choices=("none", "flips", "flips+reverse"),
        default="none",
        help="test-time augmentation: average the predictions of flipped inputs (4 passes), or "
        "also of inputs reversed in time (8 passes)",
    )
    parser.add_argument(
        "--round", action="store_true", help="round every prediction to 8 bit before all metrics"
    )
    parser.add_argument(
        "--metrics",
        default=DEFAULTS["metrics"],
        metavar="NAMES",
        help="separated by commas, or all (default: %(default)s)",
    )
    parser.add_argument(
        "--backbone",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="weights that lpips_alex (alexnet), lpips_vgg and dists (vgg16, both of torchvision) "
        "and flolpips (alexnet, and pwcnet of pytorch-pwc) look through (default: "
        "$TEMPO_BACKBONE_ALEXNET, $TEMPO_BACKBONE_VGG16, $TEMPO_BACKBONE_PWCNET); without them "
        "these metrics are not computed",
    )
    parser.add_argument(
        "--check",
        type=int,
        default=8,
        metavar="CLIPS",
        help="clips on which --precision and --tile are compared with float32 on whole frames "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--by",
        action="append",
        default=[],
        metavar="PROPERTY",
        help="also the means over clips that are alike in target_time, motion or occlusion (may be "
        "given again); with --csv and --json these alone",
    )
    parser.add_argument(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw the first --by (else target_time) into a .png, .pdf or .svg file",
    )
    parser.add_argument(
        "--card",
        type=Path,
        metavar="FILE.json",
        help="write a protocol card for each number: all that it means, as JSON and as Markdown",
    )
    parser.add_argument(
        "--verify",
        type=Path,
        metavar="CARD.json",
        help="compute the number of a card again, from what the card says, and compare",
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
    from tempo.workflow.evaluation import evaluate, parse_paths
    from tempo.workflow.method_results.protocol_cards import check_card
    from tempo.workflow.method_results.ranked_methods import check_figure, check_properties

    if options.verify is not None:
        return _verify(options)
    if not options.methods or not options.on:
        raise SpecError(
            "tempo evaluate needs what to judge and the test sets to judge it on, as in "
            "`tempo evaluate average --on vimeo90k`, or --verify CARD.json"
        )
    check_properties(options.by)
    if options.figure is not None:
        check_figure(options.figure)
    if options.card is not None:
        check_card(options.card)
    # Words go to stderr where a machine reads the table from stdout.
    found = evaluate(
        options.methods,
        options.on,
        observer=make_observer(stderr=options.format is not None),
        records=options.records,
        cache=options.cache,
        roots=parse_paths(options.root, "--root SET=DIR"),
        backbones=parse_paths(options.backbone, "--backbone NAME=FILE"),
        metrics=options.metrics,
        tta=options.tta,
        rounded=options.round,
        check=options.check,
        again=options.again,
        plugins=options.plugin,
        **inference_options(options),
    )
    if not options.by or options.format not in ("csv", "json"):
        _print(found.groups, options.format)
    if options.by:
        _print_strata(found, options.by, options.format)
    if options.figure is not None:
        found.save_figure(options.figure, *options.by[:1])
    if options.card is not None:
        for path in found.save_cards(options.card):
            print(f"wrote {path} and {path.with_suffix('.md').name}", file=sys.stderr)
    return 1 if found.without_numbers else 0


def _verify(options: argparse.Namespace) -> int:
    """Compute the number of a card again and say whether it is the same."""
    from tempo.workflow.evaluation import parse_paths
    from tempo.workflow.method_results.card_check import verify_card

    for name in ("methods", "on"):
        if getattr(options, name):
            raise SpecError(
                "a card says itself which method it is about, on which test set: leave out "
                f"{', '.join(getattr(options, name))}, or evaluate without --verify"
            )
    chosen = [
        name for name in ("precision", "tta", "metrics") if getattr(options, name) != DEFAULTS[name]
    ]
    chosen += [
        name
        for name in ("tile", "overlap", "round", "again", "card", "by", "figure")
        if getattr(options, name)
    ]
    if chosen:
        raise SpecError(
            f"--{chosen[0]} does not go with --verify: a card says itself how its number is "
            "computed, and nothing else is shown or recorded"
        )
    found = verify_card(
        options.verify,
        observer=make_observer(stderr=True),
        records=options.records,
        cache=options.cache,
        roots=parse_paths(options.root, "--root SET=DIR"),
        backbones=parse_paths(options.backbone, "--backbone NAME=FILE"),
        device=options.device,
        threads=options.threads,
    )
    say(make_console(), str(found))
    return 0 if found.equal else 1


def _print_strata(found: Evaluations, by: Sequence[str], form: str | None) -> None:
    """Print the means by each property; for programs one table of all, a line a number."""
    from tempo.cli.render.tables import print_table
    from tempo.report.formats.table import NotApplicable, of_records
    from tempo.report.formats.writers import WRITERS

    if form in ("csv", "json"):
        rows = [row for name in by for row in found.strata_records(name)]
        print(WRITERS[form](of_records("strata", rows)), end="")
        return
    for name in by:
        made = found.strata_table(name)
        if isinstance(made, NotApplicable):
            print(f"No means by {name}: {made.reason}.", file=sys.stderr)
        elif form is None:
            print_table(made, make_console())
        else:
            print("\n" + WRITERS[form](made), end="")


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
