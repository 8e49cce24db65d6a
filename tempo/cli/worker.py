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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tempo.core.errors import TempoError
from tempo.records.layout import load_run

DEATH_SIGNAL_OPTION = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Carry out one run from its folder, resuming where it stopped."
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="folder of the run's records")
    _add_process_options(parser)
    parser.set_defaults(handler=_worker)


def configure_preflight(parser: argparse.ArgumentParser) -> None:
    parser.description = "Answer a study's questions about this machine, as JSON lines."
    _add_process_options(parser)
    parser.set_defaults(handler=_preflight)


def _add_process_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--cache", type=Path, default=default_cache(), metavar="DIR")
    parser.add_argument("--parent", type=int, metavar="PID", help="leave when this process ends")


def default_cache() -> Path:
    """`$TEMPO_CACHE`, or `cache` in the current folder."""
    return Path(os.environ.get("TEMPO_CACHE", "cache"))


def die_with(parent: int | None) -> None:
    """Receive SIGTERM when process `parent` ends, even by SIGKILL (Linux; elsewhere a no-op)."""
    if parent is None:
        return
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
    limit_threads(spec.config["runtime"]["threads"])
    die_with(options.parent)
    from tempo.train.worker import run

    return run(options.run, options.cache)


def _say(**message: Any) -> None:
    print(json.dumps(message), flush=True)


def _preflight(options: argparse.Namespace) -> int:
    """Read a request from stdin, answer in JSON lines.

    Request: {"missing": {label: [config, ...]}, "rehearse": {variant: config}}. First every label
    gets {"missing": label, "sentences": [...]}; when `rehearse` is given, each variant is built
    and trained one reduced step, then the data caches are built.
    """
    limit_threads(1)
    die_with(options.parent)
    request = json.load(sys.stdin)
    from tempo.spec.study import RunConfig
    from tempo.train import preflight

    for label, configs in request["missing"].items():
        sentences: list[str] = []
        for config in _distinct(configs):
            sentences += preflight.missing(RunConfig.model_validate(config))
        _say(missing=label, sentences=list(dict.fromkeys(sentences)))
    variants = {
        name: RunConfig.model_validate(config) for name, config in request["rehearse"].items()
    }
    _say(devices=preflight.devices(variants.values()))
    return _rehearse(variants, options.cache)


def _rehearse(variants: Mapping[str, Any], cache: Path) -> int:
    from tempo.train import preflight

    for config in variants.values():
        preflight.prepare(
            config, cache, lambda done, total, what: _say(prepare=what, done=done, total=total)
        )
    broken = 0
    for name, config in variants.items():
        try:
            preflight.rehearse(config, cache)
        except TempoError as error:
            broken += 1
            _say(broken=name, message=str(error))
        except Exception as error:
            # Whatever a part raises here, it would raise in every run: it belongs to the user.
            broken += 1
            _say(broken=name, message=f"{type(error).__name__}: {error}")
        else:
            _say(rehearsed=name)
    return 1 if broken else 0


def _distinct(configs: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    seen = set()
    for config in configs:
        text = json.dumps(config, sort_keys=True)
        if text not in seen:
            seen.add(text)
            yield config
