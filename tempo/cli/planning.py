"""From what the command line says to a plan, with what was measured so far."""

from __future__ import annotations

import argparse
from pathlib import Path

from tempo.cli.measured import Records
from tempo.cli.worker import default_cache
from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.records.layout import Store
from tempo.spec.load import LoadedStudy, load_study
from tempo.spec.study import StudySpec


def load(options: argparse.Namespace) -> LoadedStudy:
    """The spec that the options name, under their profile and overrides."""
    return load_study(options.spec, profile=options.profile, overrides=options.overrides)


def records_of(spec: StudySpec, options: argparse.Namespace) -> Records:
    """What the plan of a spec may ask."""
    return Records(
        store=Store(options.records),
        cache=getattr(options, "cache", None) or default_cache(),
        world=processes_of(spec, getattr(options, "ddp", 1)),
        stale_too=getattr(options, "reuse_stale", False),
    )


def make_plan(options: argparse.Namespace) -> Plan:
    """The plan that the options ask for.

    Raises:
        SpecError: when the spec breaks a rule, or asks for what is not measured yet.
    """
    loaded = load(options)
    return expand(loaded, records_of(loaded.spec, options))


def plan_file(path: Path, store: Store, profile: str | None = None) -> Plan:
    """The plan of a spec file as it stands, by the records of `store`."""
    loaded = load_study(path, profile=profile)
    world = processes_of(loaded.spec, 1)
    return expand(loaded, Records(store=store, cache=default_cache(), world=world))


def processes_of(spec: StudySpec, ddp: int) -> int:
    """Processes of a run: those asked for, or one for each of its GPUs."""
    own = spec.resources.gpus_per_run if spec.runtime.device != "cpu" else 1
    return max(ddp, own) * spec.resources.nodes
