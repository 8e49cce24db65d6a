"""Run `tempo run`: a whole study, from its spec to its report."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tempo.cli import shared_options as shared
from tempo.cli.plan import add_plan_options, show_plan
from tempo.cli.shared_options import add_checkpoints, add_store, add_wandb
from tempo.core.catalog import nearest
from tempo.core.startup import loading

if TYPE_CHECKING:
    from tempo.workflow.execution.pool_setup import Wanted
    from tempo.workflow.study import Study

EPILOG = """examples:
  tempo run ablations/se_dilation.yaml --profile demo
  tempo run ablations/se_dilation.yaml --plan --counts
  tempo run experiments/tempo_v3.yaml --set recipe.lr=1e-4 --set seeds=3
  tempo run ablations/v2_to_v3.yaml --launcher slurm --dry-run
  tempo run ablations/v2_to_v3.yaml --launcher ray --ray-address http://HEAD:8265
  tempo run paper.yaml --evaluate           judge what is trained on further test sets
  tempo run urgent.yaml --priority 10 --preempt     before what else runs on this machine

Stop with Ctrl-C and run the same command again: it finishes only what is missing.
"""


class OpenChoices(tuple[str, ...]):
    """Choices to which plug-ins, which are not imported yet, may add names that are no slips."""

    def __contains__(self, name: object) -> bool:
        if not isinstance(name, str):
            return False
        return super().__contains__(name) or (name.isidentifier() and nearest(name, self) is None)


LAUNCHERS = ("local", "inline", "torchrun", "slurm", "ray")
"""The names in `tempo.launch.launchers.catalog`, which planning does not import."""


def configure(parser: argparse.ArgumentParser) -> None:
    _configure(parser)
    parser.add_argument(
        "--evaluate",
        action="store_true",
        help="train nothing: evaluate the finished runs on evaluation.test_sets, then report",
    )


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Carry out a study: plan, check, train every variant, compare, report."
    parser.epilog = EPILOG
    shared.add_spec(parser)
    shared.add_records(parser)
    parser.add_argument("--plan", action="store_true", help="list variants and runs, do nothing")
    add_plan_options(parser)
    shared.add_reports(parser)
    shared.add_cache(parser)
    shared.add_slots(parser)
    shared.add_priority(parser)
    _add_launching(parser)
    shared.add_profile_steps(parser)
    shared.add_reuse(parser)
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    add_store(parser, may_be_off=True)
    add_checkpoints(parser)
    add_wandb(parser)
    parser.set_defaults(handler=execute, continues=True)


def _add_launching(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--launcher",
        choices=OpenChoices(LAUNCHERS),
        default="local",
        help="what carries out the runs: processes of this machine (default), this very process "
        "(for a debugger), a fresh torchrun for each, a Slurm or a Ray cluster",
    )
    shared.add_ray_address(parser)
    shared.add_ddp(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print what would be launched, launch nothing"
    )
    parser.add_argument(
        "--wait", action="store_true", help="stay until the cluster is done, then report"
    )
    shared.add_scratch(parser)


def execute(options: argparse.Namespace, wanted: Wanted | None = None) -> int:
    """Plan, search, or carry out a study's runs, all or the `wanted` ones; the exit code."""
    study = shared.open_study(options)
    if options.plan or options.price or options.reprice:
        return show_plan(study, options)
    if options.dry_run:
        return _dry_run(study)
    # What carries out, compares and draws is imported only where a study is carried out.
    with loading():
        from tempo.cli.render.live import make_observer
        from tempo.cli.render.outcome import show_outcome, show_search_outcome

    observer = make_observer()
    if study.is_search:
        from tempo.workflow.execution.search_execution import execute_search

        return show_search_outcome(
            execute_search(study.loaded, study.options, observer), study.options
        )
    if getattr(options, "evaluate", False):
        return show_outcome(study.evaluate(observer=observer), study.options)
    return show_outcome(study.run(observer=observer, wanted=wanted), study.options)


def _dry_run(study: Study) -> int:
    from tempo.core.errors import SpecError

    if study.is_search:
        raise SpecError("a search decides as it goes, so --dry-run cannot know it; use --ddp N")
    print(study.dry_run())
    return 0


RETRY_EPILOG = """examples:
  tempo retry --failed ablations/se_dilation.yaml --profile demo
  tempo retry --failed ablations/se_dilation.yaml --set runtime.micro_batch=2
"""


def configure_retry(parser: argparse.ArgumentParser) -> None:
    _configure(parser)
    parser.description = "Carry out the failed runs of a study again, and no other."
    parser.epilog = RETRY_EPILOG
    parser.add_argument(
        "--failed", action="store_true", required=True, help="which runs: those that failed"
    )
    parser.set_defaults(handler=_retry)


def _retry(options: argparse.Namespace) -> int:
    """Carry out the failed runs; where there is none, write the report again."""
    from tempo.workflow.control import has_failed

    return execute(options, has_failed)
