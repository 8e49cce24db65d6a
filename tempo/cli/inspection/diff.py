"""Run `tempo diff`: print in what two runs, variants, specs or studies differ."""

from __future__ import annotations

import argparse

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console, say
from tempo.cli.render.tables import print_table

EPILOG = """examples:
  tempo diff 3f2a9c 81bd07                two runs, named by how their ids begin
  tempo diff 'se=on s0' 'se=on s1'        or by variant and seed
  tempo diff se=on se=off                 two variants, seed by seed
  tempo diff old/se=on new/se=on          a variant of two studies
  tempo diff nightly_0427 nightly_0428    two studies, variant by variant
  tempo diff study.yaml study             a spec and what was carried out by it
  tempo diff a.yaml b.yaml --json         for programs
"""

DIFFERENT = 1


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Show in what two runs, variants, specs or studies differ: config, environment, code with "
        "the modules that changed, data, cost, the first step at which losses part, and how far "
        "weights are apart. Nothing here is a verdict: tempo compare judges."
    )
    parser.epilog = EPILOG
    parser.add_argument("before", metavar="A", help="a run, variant, spec (.yaml) or study")
    parser.add_argument("after", metavar="B", help="another of the same kind")
    parser.add_argument("--profile", help="which plan of a study or spec")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument(
        "--weights",
        action="store_true",
        default=None,
        help="measure weights of studies too (of runs and variants they are)",
    )
    chosen.add_argument(
        "--no-weights",
        action="store_false",
        dest="weights",
        help="do not measure weights, which takes some seconds",
    )
    parser.add_argument(
        "--exit-code", action="store_true", help="exit with 1 when something differs"
    )
    shared.add_records(parser)
    parser.add_argument("--json", action="store_true", help="print json")
    parser.set_defaults(handler=execute)


def execute(options: argparse.Namespace) -> int:
    """Print the difference; 1 where there is one and --exit-code asks for that."""
    from tempo.workflow.inspection.differences import diff

    aside = make_console(stderr=True)
    found = diff(
        options.before,
        options.after,
        records=options.records,
        profile=options.profile,
        weights=options.weights,
        say=lambda sentence: say(aside, sentence),
    )
    if options.json:
        print(found.json(), end="")
    else:
        from tempo.report.tables.item_differences import parts, sentences

        console = make_console()
        for sentence in sentences(found.data):
            say(console, sentence)
        console.print()
        for table in parts(found.data):
            print_table(table, console)
        if found.same:
            say(console, "Nothing differs that decides a result.")
    return DIFFERENT if options.exit_code and not found.same else 0
