"""`tempo ui` browses a study in MLflow; `tempo sync` completes the mirror from the records."""

from __future__ import annotations

import argparse
import os

from tempo.cli import options as shared
from tempo.cli.console import make_console
from tempo.records.layout import Store


def configure_ui(parser: argparse.ArgumentParser) -> None:
    parser.description = "Start the MLflow UI on the store beside the records; print its address."
    parser.epilog = "example:\n  tempo ui --port 5001"
    shared.add_records(parser)
    _add_uri(parser)
    parser.add_argument("--port", type=int, help="default: a free one")
    parser.set_defaults(handler=_ui)


def configure_sync(parser: argparse.ArgumentParser) -> None:
    parser.description = "Send to MLflow what it does not have yet; nothing is sent twice."
    parser.epilog = "example:\n  tempo sync se_dilation --mlflow http://127.0.0.1:5000"
    parser.add_argument("study", metavar="STUDY")
    parser.add_argument("--profile", help="which plan of the study (default: the last one run)")
    shared.add_records(parser)
    _add_uri(parser)
    parser.set_defaults(handler=_sync)


def _add_uri(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mlflow",
        metavar="URI",
        default=os.environ.get("MLFLOW_TRACKING_URI"),
        help="MLflow store (default: the sqlite file beside the records)",
    )


def _ui(options: argparse.Namespace) -> int:
    from tempo.track.address import default_uri
    from tempo.track.ui import serve

    return serve(options.mlflow or default_uri(options.records), options.port)


def _sync(options: argparse.Namespace) -> int:
    from tempo.track.mlflow_store import MlflowMirror

    store = Store(options.records)
    plan = store.load_plan(options.study, options.profile)
    mirror = MlflowMirror(store, options.mlflow)
    mirror.open(plan, None)
    complete = mirror.sync()
    make_console().print(
        f"{mirror.uri}: {mirror.problem or 'complete'}", markup=False, soft_wrap=True
    )
    return 0 if complete else 1
