"""Describe the view of a study that MLflow's pages open: which charts, columns and order of runs.

MLflow keeps a view that people share as a tag of the experiment, and an address names it by its
key. So a study has views of its own, without anything that MLflow does not offer by itself.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from tempo.core.identity import short_hash
from tempo.track.mlflow.metric_points import SYSTEM

if TYPE_CHECKING:
    from mlflow import MlflowClient

SHARED_VIEW = "mlflow.sharedViewState."
"""Prefix of the experiment tags in which MLflow's pages look for shared views."""

VIEW = "tempo"
"""Key of the view of a study."""

COMPRESSED = "deflate;"
"""What a packed view begins with: a tag of an experiment holds 5,000 characters."""

RUNS_ONLY = "tags.role != 'study'"
"""The filter that hides parent runs."""

MODEL_TRAINING = {"workflowType": "machine_learning"}
"""Without it MLflow opens its pages for language models."""

TEST = "test/"
"""Prefix of test figures; on a further set, `test/<set>/<metric>`."""

RANKED = "test/psnr"
"""The metric that orders the runs of a study."""

JUDGED = ("val/psnr", "test/psnr", "val/ssim", "test/ssim")
"""Metrics that a study is judged by: the first charts, there before any run has a value."""

JUDGED_SECTION = "psnr and ssim"

SECTIONS = (JUDGED_SECTION, "val", "test", "train")
"""Sections of charts in the order in which they stand, before all others."""

OPEN = frozenset({JUDGED_SECTION, "val", "test"})
"""Sections that are unfolded: what a study is judged by, not what it costs."""

CURVES = ("train/", "val/", SYSTEM)
"""Prefixes of metrics that have a value at many steps; all others are drawn as bars."""

FIGURE_COLUMNS = ("metrics.`test/psnr`", "metrics.`test/ssim`", "metrics.`val/psnr`")
TAG_COLUMNS = ("tags.`variant`", "tags.`seed`", "tags.`status`")


def home() -> str:
    """Return the list of experiments, as the part of an address after the host."""
    return f"#/experiments?{urlencode(MODEL_TRAINING)}"


def charts(experiment_id: str) -> str:
    """Return the charts of a study: validation curves and test figures of all runs."""
    return _address(experiment_id, "CHART")


def leaderboard(experiment_id: str) -> str:
    """Return the table of a study's runs, best first, with their figures as columns."""
    return _address(experiment_id, "TABLE")


def _address(experiment_id: str, mode: str) -> str:
    # Filter and order are part of the view: MLflow ignores the view beside any of them.
    query = {**MODEL_TRAINING, "compareRunsMode": mode, "viewStateShareKey": VIEW}
    return f"#/experiments/{experiment_id}/runs?{urlencode(query, quote_via=quote)}"


def save_view(client: MlflowClient, experiment_id: str) -> None:
    """Store the view of an experiment, with charts of all metrics that its runs have by now."""
    runs = client.search_runs([experiment_id], filter_string=RUNS_ONLY, max_results=RUNS_READ)
    text = packed(view_of({key for run in runs for key in run.data.metrics}))
    tag = f"{SHARED_VIEW}{VIEW}"
    if client.get_experiment(experiment_id).tags.get(tag) != text:
        client.set_experiment_tag(experiment_id, tag, text)


RUNS_READ = 200
"""Runs whose metrics are looked at; all runs of a study have much the same."""


def packed(view: Mapping[str, Any]) -> str:
    """Return a view as MLflow's pages read it from a tag."""
    raw = json.dumps(view, separators=(",", ":")).encode()
    return COMPRESSED + base64.b64encode(zlib.compress(raw, 9)).decode()


def unpacked(text: str) -> dict[str, Any]:
    """Return the view that `packed` made a text of."""
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text[len(COMPRESSED) :])))
    return found


def view_of(metrics: Iterable[str]) -> dict[str, Any]:
    """Return the view of a study whose runs have `metrics`, in the form of MLflow's pages."""
    keys = sorted({*metrics, *JUDGED}, key=_place)
    names = list(dict.fromkeys(_section(key) for key in keys))
    return {
        "searchFilter": RUNS_ONLY,
        "orderByKey": f"metrics.`{RANKED}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [*FIGURE_COLUMNS, *_further_sets(keys), *TAG_COLUMNS],
        "runsHiddenMode": "FIRST_20_RUNS",
        "hideEmptyCharts": True,
        # Without it the sections stand in the order of the alphabet, cost before all others.
        "isAccordionReordered": True,
        "compareRunCharts": [_chart(key) for key in keys],
        "compareRunSections": [_part(name) for name in names],
    }


def _further_sets(keys: Iterable[str]) -> Iterator[str]:
    """Yield a column for each further test set, with the metric that orders the runs."""
    metric = RANKED.removeprefix(TEST)
    for key in keys:
        if key.startswith(TEST) and key != RANKED and key.endswith(f"/{metric}"):
            yield f"metrics.`{key}`"


def _place(key: str) -> tuple[int, str, int, str]:
    """Return what orders charts: by section, and within the first one as people ask for them."""
    section = _section(key)
    # A further test set, `test/<set>`, stands with the study's own test figures.
    above = "test" if section.startswith(TEST) else section
    return (_rank(above, SECTIONS), section, _rank(key, JUDGED), key)


def _rank(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _section(key: str) -> str:
    """Return the section of a metric: as in MLflow all before its last slash, but for the judged.

    MLflow adds metrics that come later to the section of that name.
    """
    return JUDGED_SECTION if key in JUDGED else key.rpartition("/")[0]


def _part(name: str) -> dict[str, Any]:
    return {
        "uuid": _uuid(name),
        "name": name,
        "display": name in OPEN or name.startswith(TEST),
        "isReordered": True,
    }


def _uuid(text: str) -> str:
    return short_hash(["section", text])


def _chart(key: str) -> dict[str, Any]:
    section = _section(key)
    chart: dict[str, Any] = {
        "uuid": short_hash(["chart", key]),
        "type": "BAR",
        "runsCountToCompare": 20,
        "metricSectionId": _uuid(section),
        "deleted": False,
        "isGenerated": True,
        "displayName": key,
        "metricKey": key,
    }
    if not key.startswith(CURVES):
        return chart
    return chart | {
        "type": "LINE",
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "xAxisKey": "time" if key.startswith(SYSTEM) else "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": not key.startswith(SYSTEM),
        "useGlobalLineSmoothing": True,
    }
