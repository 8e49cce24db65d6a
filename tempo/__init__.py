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
    from tempo.workflow.evaluation import Evaluations, evaluate
    from tempo.workflow.execution.execution import Outcome
    from tempo.workflow.interpolation import interpolate_pictures, interpolate_video
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
    "workflow.evaluation": ("Evaluations", "evaluate"),
    "workflow.execution.execution": ("Outcome",),
    "workflow.interpolation": ("interpolate_pictures", "interpolate_video"),
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
    "evaluate",
    "Evaluations",
    "search",
    "SearchResult",
    "interpolate_video",
    "interpolate_pictures",
    "prepare_data",
    "describe_data",
    "init_project",
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
