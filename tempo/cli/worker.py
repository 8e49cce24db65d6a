"""`tempo worker` carries out one run; `tempo preflight` checks a plan. A study starts both itself.

They are the only commands that import torch, each in a process of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.cli.options import add_reuse
from tempo.cli.torchrun import add_ddp, add_nodes, spread_of
from tempo.core.errors import TempoError
from tempo.core.jobs import RESUMABLE
from tempo.core.records import RunSpec
from tempo.core.startup import loading
from tempo.records.layout import Store, load_run, root_of

if TYPE_CHECKING:
    from tempo.spec.study import RunConfig

DEATH_SIGNAL_OPTION = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Carry out one run from its folder, resuming where it stopped."
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of the run's records")
    add_ddp(parser)
    add_nodes(parser)
    add_reuse(parser)
    parser.add_argument(
        "--scratch", metavar="DIR", help="this node's own disk: copy the data cache there first"
    )
    parser.add_argument(
        "--within",
        nargs=2,
        metavar=("STUDY", "PROFILE"),
        help="leave once this study's budget of GPU-hours is spent",
    )
    parser.add_argument(
        "--raise", action="store_true", dest="reraise", help="record a failure, then raise it"
    )
    add_process_options(parser)
    parser.set_defaults(handler=_worker)


def configure_preflight(parser: argparse.ArgumentParser) -> None:
    parser.description = "Answer a study's questions about this machine, as JSON lines."
    add_process_options(parser)
    parser.set_defaults(handler=_preflight)


def add_process_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    parser.add_argument("--with-parent", action="store_true", help="leave when the parent ends")


def default_cache() -> Path:
    """`$TEMPO_CACHE`, or `cache` in the current folder."""
    return Path(os.environ.get("TEMPO_CACHE", "cache"))


def die_with_parent() -> None:
    """Receive SIGTERM when the parent process ends, even by SIGKILL (Linux; elsewhere a no-op)."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(DEATH_SIGNAL_OPTION, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def limit_threads(count: int) -> None:
    """Fix the size of every thread pool; only works before torch and numpy are imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = str(count)


def _worker(options: argparse.Namespace) -> int:
    spec = load_run(options.run)
    spread, objection = spread_of(options), _budget(options)
    why = _fruitless(options.run)
    if spread.world > 1 and objection:
        # Its processes could only tell torchrun that they failed.
        why = why or objection()
    if why:
        print(f"{why}; nothing was begun", file=sys.stderr, flush=True)
        return RESUMABLE
    limit_threads(spec.config["runtime"]["threads"])
    if options.with_parent:
        die_with_parent()
    cache = _staged(options, spec) if options.scratch else options.cache
    if spread.world > 1:
        from tempo.train.hardware.spawn_ranks import run_spread

        target = spread_target(
            options.run, cache, reuse_stale=options.reuse_stale, within=options.within
        )
        return run_spread(options.run, spread, target)
    with loading():
        from tempo.train.run.run_folder import run
    return run(
        options.run,
        cache,
        reuse_stale=options.reuse_stale,
        reraise=options.reraise,
        objection=objection,
    )


def _fruitless(folder: Path) -> str | None:
    from tempo.launch.launchers.slurm.script import RESTARTS
    from tempo.launch.scheduling.failure_policy import FRUITLESS, fruitless
    from tempo.records.run_record import read_run

    restarts = int(os.environ.get(RESTARTS, "0"))
    return fruitless(read_run(folder), restarts) if restarts >= FRUITLESS else None


def _budget(options: argparse.Namespace) -> Callable[[], str | None] | None:
    if options.within is None:
        return None
    from tempo.launch.accounting.gpu_hour_budget import BudgetWatch

    return BudgetWatch.of_study(Store(root_of(options.run)), *options.within)


def spread_target(
    folder: Path, cache: Path, *, reuse_stale: bool, within: Sequence[str] | None = None
) -> list[str]:
    """What each process of a run on several executes, as torchrun takes it."""
    target = ["-m", "tempo.cli.main", "worker", str(folder), "--cache", str(cache)]
    target += ["--with-parent", *(["--reuse-stale"] if reuse_stale else [])]
    return [*target, *(["--within", *within] if within else [])]


def _staged(options: argparse.Namespace, spec: RunSpec) -> Path:
    """The cache to use on this node; says what was copied, or why nothing was."""
    from tempo.data.cache.staging import stage
    from tempo.spec.study import RunConfig

    config = RunConfig.model_validate(dict(spec.config))
    return stage(config.data, options.cache, os.path.expandvars(options.scratch), print)


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def _preflight(options: argparse.Namespace) -> int:
    """Read a request from stdin, answer in JSON lines.

    Request: {"missing": {label: [config, ...]}, "rehearse": {variant: config}, "widths":
    [{"config": config, "target": config, "by": "parameters" or "macs"}, ...]}. Every width gets
    {"width": ...}, in order. Every label gets
    {"missing": label, "sentences": [...]}. When nothing is missing and there is something to
    rehearse: {"slots": [environment, ...], "device": name}, then {"rehearsed": variant, "weight":
    work a clip} or {"broken": variant, "message": ...} for each, then {"prepare": what, "done": n,
    "total": n} while data is cached.
    """
    limit_threads(1)
    if options.with_parent:
        die_with_parent()
    request = json.load(sys.stdin)
    with loading():
        from tempo.spec.study import RunConfig
        from tempo.train.hardware.device import device_name, pick_device
        from tempo.train.hardware.device_slots import device_slots
        from tempo.train.hardware.preflight import missing

    for asked in request.get("widths", ()):
        _say(width=_width(**asked))
    lacking = False
    for label, configs in request["missing"].items():
        sentences: dict[str, None] = {}
        for config in _distinct(configs):
            sentences |= dict.fromkeys(missing(RunConfig.model_validate(config)))
        _say(missing=label, sentences=list(sentences))
        lacking = lacking or bool(sentences)
    variants = {
        name: RunConfig.model_validate(config) for name, config in request["rehearse"].items()
    }
    if lacking or not variants:
        return 0
    device = device_name(pick_device(next(iter(variants.values())).runtime))
    _say(slots=device_slots(variants.values()), device=device)
    broken = [name for name, config in variants.items() if not _rehearsed(name, config)]
    if not broken:
        _prepare(variants.values(), options.cache)
    return 0


def _width(config: dict[str, Any], target: dict[str, Any], by: str) -> dict[str, Any]:
    from tempo.spec.study import RunConfig
    from tempo.train.hardware.matched_width import same_cost

    one, other = RunConfig.model_validate(config), RunConfig.model_validate(target)
    crops = one.recipe.crop, other.recipe.crop
    return asdict(same_cost(one.arch, other.arch, by, crops))


def _rehearsed(name: str, config: RunConfig) -> bool:
    """Whether the variant can be built, trained a step and measured; says so."""
    from tempo.train.hardware.preflight import rehearse

    try:
        weight = rehearse(config)
    except Exception as error:
        # Whatever a part raises here it would raise in every run, so the user hears it now.
        kind = "" if isinstance(error, TempoError) else f"{type(error).__name__}: "
        _say(broken=name, message=f"{kind}{error}")
        return False
    _say(rehearsed=name, weight=weight)
    return True


def _prepare(configs: Iterable[RunConfig], cache: Path) -> None:
    from tempo.data.cache.cache_builder import cores
    from tempo.data.open_dataset import prepare

    def report(done: int, total: int, what: str) -> None:
        _say(prepare=what, done=done, total=total)

    distinct = {config.data.model_dump_json(): config.data for config in configs}
    for data in distinct.values():
        prepare(data, cache, report, cores())


def _distinct(configs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen = set()
    for config in configs:
        text = json.dumps(config, sort_keys=True)
        if text not in seen:
            seen.add(text)
            yield config
