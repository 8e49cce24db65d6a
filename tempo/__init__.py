"""Carry out ablation studies for TEMPO: from a YAML spec to a verdict.

The public API. Every name is imported on first use, so that `import tempo` costs nothing:

>>> import tempo
>>> study = tempo.load_study("ablations/se_dilation.yaml", profile="smoke")
>>> study.name
'se_dilation'

`load_study` opens a spec (plan, price, run, compare, report), `open_records` what was recorded,
`compare` puts results side by side, `evaluate` judges methods on test sets, `search` carries a
hyperparameter search out. Everything that can go wrong is a `TempoError`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from tempo.core.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from tempo.core.errors import (
        MissingError,
        PluginError,
        RecordError,
        RunError,
        SpecError,
        StoppedError,
        TempoError,
        UnknownNameError,
    )
    from tempo.spec.json_schema import study_schema
    from tempo.workflow.comparison import Comparison, Verdict, compare
    from tempo.workflow.conformance import PartCheck, check_part
    from tempo.workflow.control import Status
    from tempo.workflow.datasets import describe_data, prepare_data
    from tempo.workflow.disk.cleaning import Cleaning, clean
    from tempo.workflow.disk.disk_use import DiskUse, disk_use
    from tempo.workflow.evaluation import evaluate
    from tempo.workflow.execution.execution import Outcome
    from tempo.workflow.inspection.differences import Diff, diff
    from tempo.workflow.inspection.doctor import Diagnosis, doctor
    from tempo.workflow.inspection.foreign_results import import_runs
    from tempo.workflow.inspection.notification import notify
    from tempo.workflow.interpolation import interpolate_pictures, interpolate_video
    from tempo.workflow.live.watch import LivePage, watch
    from tempo.workflow.method_results.card_check import CardCheck, verify_card
    from tempo.workflow.method_results.latency import Latencies, bench
    from tempo.workflow.method_results.ranked_methods import Evaluations
    from tempo.workflow.observer import Observer, SilentObserver
    from tempo.workflow.plan.study_plan import StudyPlan
    from tempo.workflow.project import init_project
    from tempo.workflow.records import Records, Run, open_records
    from tempo.workflow.run_options import RunOptions
    from tempo.workflow.search import SearchResult, search
    from tempo.workflow.study import Study, load_study

_PLACES = {
    "core.errors": (
        "MissingError",
        "PluginError",
        "RecordError",
        "RunError",
        "SpecError",
        "StoppedError",
        "TempoError",
        "UnknownNameError",
    ),
    "workflow.comparison": ("Comparison", "Verdict", "compare"),
    "workflow.conformance": ("PartCheck", "check_part"),
    "workflow.control": ("Status",),
    "workflow.datasets": ("describe_data", "prepare_data"),
    "workflow.disk.cleaning": ("Cleaning", "clean"),
    "workflow.disk.disk_use": ("DiskUse", "disk_use"),
    "workflow.evaluation": ("evaluate",),
    "workflow.method_results.latency": ("Latencies", "bench"),
    "workflow.method_results.ranked_methods": ("Evaluations",),
    "workflow.method_results.card_check": ("CardCheck", "verify_card"),
    "workflow.execution.execution": ("Outcome",),
    "workflow.inspection.differences": ("Diff", "diff"),
    "workflow.inspection.doctor": ("Diagnosis", "doctor"),
    "workflow.inspection.foreign_results": ("import_runs",),
    "workflow.inspection.notification": ("notify",),
    "workflow.interpolation": ("interpolate_pictures", "interpolate_video"),
    "workflow.live.watch": ("LivePage", "watch"),
    "workflow.observer": ("Observer", "SilentObserver"),
    "workflow.run_options": ("RunOptions",),
    "workflow.plan.study_plan": ("StudyPlan",),
    "workflow.project": ("init_project",),
    "spec.json_schema": ("study_schema",),
    "workflow.records": ("Records", "Run", "open_records"),
    "workflow.search": ("SearchResult", "search"),
    "workflow.study": ("Study", "load_study"),
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names}

__all__ = [  # noqa: RUF022 (grouped by use)
    "__version__",
    "load_study",
    "Study",
    "StudyPlan",
    "RunOptions",
    "Outcome",
    "Status",
    "Observer",
    "SilentObserver",
    "open_records",
    "Records",
    "Run",
    "compare",
    "Comparison",
    "Verdict",
    "diff",
    "Diff",
    "evaluate",
    "Evaluations",
    "bench",
    "Latencies",
    "verify_card",
    "CardCheck",
    "import_runs",
    "search",
    "SearchResult",
    "interpolate_video",
    "interpolate_pictures",
    "prepare_data",
    "describe_data",
    "watch",
    "LivePage",
    "disk_use",
    "DiskUse",
    "clean",
    "Cleaning",
    "init_project",
    "doctor",
    "Diagnosis",
    "notify",
    "check_part",
    "PartCheck",
    "study_schema",
    "TempoError",
    "SpecError",
    "UnknownNameError",
    "MissingError",
    "PluginError",
    "RecordError",
    "RunError",
    "StoppedError",
]


def __getattr__(name: str) -> object:
    """Import a public name on first use."""
    if name not in _MODULES:
        raise AttributeError(f"module 'tempo' has no attribute {name!r}")
    found = getattr(import_module(f"tempo.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
