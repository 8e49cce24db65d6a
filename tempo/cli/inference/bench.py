"""Run `tempo bench`: milliseconds, frames a second and memory of networks, side by side."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console
from tempo.cli.render.live import make_observer

if TYPE_CHECKING:
    from tempo.workflow.method_results.latency import Latencies

EPILOG = """examples:
  tempo bench ablations/v2_to_v3.yaml --sizes 720p,1080p      every trained variant of a spec
  tempo bench se_dilation average flow --precision fp32,bf16  a recorded study beside references
  tempo bench RUN_ID rife.wrapper:predict --sizes 1080p,4k    a run beside a model of others
  tempo bench v2_to_v3 --sizes 256x448 --passes 30 --csv      also --md, --json

Only ratios within one session say something. The times of a study are kept beside its records and
enter its cost table.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Time one predicted frame of networks and methods, in turn."
    parser.epilog = EPILOG
    parser.add_argument(
        "what",
        nargs="+",
        metavar="SPEC|STUDY|METHOD",
        help="a spec (.yaml) or a study: all its trained variants; or what `tempo evaluate` takes: "
        "a run, a file of weights, average, nearest, flow, package.module:callable",
    )
    parser.add_argument("--profile", help="of the spec or the study: smoke, demo, full ...")
    parser.add_argument(
        "--sizes",
        default="720p,1080p",
        metavar="SIZES",
        help="separated by commas: 480p, 720p, 1080p, 2k, 4k or HEIGHTxWIDTH "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--precision",
        default="fp32",
        metavar="NAMES",
        help="separated by commas: fp32, tf32, bf16, fp16; inside the network (default: "
        "%(default)s)",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument(
        "--threads", type=shared.positive, metavar="N", help="CPU threads (default: all cores)"
    )
    parser.add_argument(
        "--warmup", type=int, metavar="N", help="passes before those that count (50; on a CPU 2)"
    )
    parser.add_argument(
        "--passes", type=shared.positive, metavar="N", help="that count (100; on a CPU 10)"
    )
    shared.add_records(parser)
    shared.add_formats(parser, ("md", "csv", "json"))
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    from tempo.workflow.method_results.latency import bench

    found = bench(
        options.what,
        sizes=options.sizes,
        precision=options.precision,
        device=options.device,
        threads=options.threads,
        warmup=options.warmup,
        passes=options.passes,
        profile=options.profile,
        records=options.records,
        observer=make_observer(stderr=options.format is not None),
    )
    _print(found, options.format)
    return 0


def _print(found: Latencies, form: str | None) -> None:
    from tempo.cli.render.tables import print_table
    from tempo.report.formats.writers import WRITERS
    from tempo.report.tables.latencies import build, data, latencies_json

    if form == "json":
        print(latencies_json(found.session), end="")
    elif form is not None:
        table = data(found.session) if form == "csv" else build(found.session)
        print(WRITERS[form](table), end="")
    else:
        console = make_console()
        print_table(build(found.session), console)
        for path in found.kept:
            console.print(f"Kept in {path}, for the cost table of the study.", highlight=False)
