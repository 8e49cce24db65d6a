"""Run `tempo ui`, `tempo sync` and `tempo import`: browse and complete stores, read others'."""

from __future__ import annotations

import argparse

from tempo.cli import shared_options as shared
from tempo.cli.render.console import make_console, say
from tempo.cli.shared_options import add_checkpoints, add_store, add_wandb, store_of
from tempo.core.counted import counted
from tempo.core.errors import TempoError
from tempo.records.layout import Store
from tempo.workflow.suggestions import suggested

IMPORT_EPILOG = """examples:
  tempo import http://127.0.0.1:5000 --experiment old --rename psnr=test/psnr
  tempo import runs/                      event files of TensorBoard, a run a folder
  tempo import wandb/                     offline runs of W&B
  tempo import theirs.csv                 columns clip, source, variant, seed and metrics
  tempo import results/ --study theirs    a JSON file a run
"""


def configure_ui(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Start the MLflow UI on the store beside the records, and print a short address that leads "
        "to a study's validation curves and test figures."
    )
    parser.epilog = "examples:\n  tempo ui se_dilation\n  tempo ui --port 5001"
    parser.add_argument(
        "study", nargs="?", metavar="STUDY", help="the study to open (default: all are listed)"
    )
    shared.add_records(parser)
    add_store(parser)
    parser.add_argument(
        "--port", type=int, help="of the short address; MLflow takes the next (default: free ones)"
    )
    parser.set_defaults(handler=_ui)


def configure_sync(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Send to MLflow what it does not have yet, or with --wandb write for W&B; nothing is sent "
        "twice."
    )
    parser.epilog = "example:\n  tempo sync se_dilation --mlflow http://127.0.0.1:5000"
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("--profile", help="which plan of the study (default: the last one run)")
    shared.add_records(parser)
    add_store(parser)
    add_checkpoints(parser)
    add_wandb(parser)
    parser.set_defaults(handler=_sync)


def configure_import(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write runs that others logged as records, to compare them: of an MLflow store, "
        "TensorBoard event files, offline runs of W&B, tables of values by clip, or folders of "
        "JSON files."
    )
    parser.epilog = IMPORT_EPILOG
    parser.add_argument(
        "source", metavar="SOURCE", help="a file, a folder, or the URI of an MLflow store"
    )
    parser.add_argument(
        "--kind",
        choices=("mlflow", "tensorboard", "wandb", "clips", "json"),
        help="what SOURCE is (default: told from its content)",
    )
    parser.add_argument("--study", help="name of the study they become (default: the experiment)")
    parser.add_argument("--experiment", action="append", default=[], metavar="NAME")
    parser.add_argument("--run", action="append", default=[], metavar="ID", help="an MLflow run id")
    parser.add_argument("--filter", default="", metavar="TEXT", help="an MLflow filter string")
    parser.add_argument(
        "--rename",
        action="append",
        default=[],
        metavar="THEIRS=OURS",
        help="a metric's name there and here, such as psnr=test/psnr",
    )
    shared.add_records(parser)
    parser.set_defaults(handler=_import)


def _ui(options: argparse.Namespace) -> int:
    from tempo.track.mlflow.ui import serve

    say(make_console(stderr=True), "Starting the MLflow UI; this takes some seconds ...")
    return serve(store_of(options), options.port, study=options.study)


def _sync(options: argparse.Namespace) -> int:
    from tempo.track.mlflow.mlflow_store import MlflowMirror
    from tempo.track.mlflow.run_content import Limits

    store = Store(options.records)
    plan = store.load_plan(options.study, options.profile)
    if options.wandb:
        from tempo.workflow.mirror import write_wandb
        from tempo.workflow.run_options import RunOptions

        run_options = RunOptions(records=options.records, wandb=True)
        write_wandb(plan, run_options, make_console().print)
        return 0
    limits = Limits(checkpoint_mib=options.mlflow_checkpoints)
    mirror = MlflowMirror(store, options.mlflow, limits=limits)
    mirror.open(plan, None)
    complete = mirror.sync()
    say(make_console(), f"{mirror.uri}: {mirror.problem or 'complete'}")
    return 0 if complete else 1


def _import(options: argparse.Namespace) -> int:
    from tempo.workflow.inspection.foreign_results import import_plan

    pairs = [text.partition("=") for text in options.rename]
    for theirs, equals, ours in pairs:
        if not (theirs and equals and ours):
            raise TempoError(f"--rename is THEIRS=OURS, not {theirs + equals + ours!r}")
    plan = import_plan(
        options.source,
        Store(options.records),
        study=options.study,
        kind=options.kind,
        experiments=options.experiment,
        where=options.filter,
        run_ids=options.run,
        rename={theirs: ours for theirs, _, ours in pairs},
    )
    console = make_console()
    runs = counted(len(plan.runs), "run")
    verb = "is" if len(plan.runs) == 1 else "are"
    variants = counted(len(plan.variants), "variant")
    console.print(f"{runs} of {variants} {verb} study {plan.study}", markup=False)
    say(console, f"  {suggested('compare', plan.study, records=options.records)}")
    return 0
