"""Links to the views of MLflow that answer a study's questions."""

from __future__ import annotations

from urllib.parse import quote, urlencode

RUNS_ONLY = "tags.role != 'study'"
"""The filter that hides parent runs."""

MODEL_TRAINING = {"workflowType": "machine_learning"}
"""Without it MLflow opens its pages for language models."""


def home() -> str:
    """The list of experiments, as the part of an address after the host."""
    return f"#/experiments?{urlencode(MODEL_TRAINING)}"


def leaderboard(experiment_id: str, metric: str = "test/psnr") -> str:
    """All runs, best first."""
    return _runs(experiment_id, metric)


def charts(experiment_id: str, metric: str = "test/psnr") -> str:
    """Learning curves, final figures and pictures of all runs, one colour a run."""
    return _runs(experiment_id, metric, compareRunsMode="CHART")


def _runs(experiment_id: str, metric: str, **query: str) -> str:
    # Ordered by time, MLflow would fold the runs under their parents in spite of the filter.
    order = {"orderByKey": f"metrics.`{metric}`", "orderByAsc": "false"}
    query = MODEL_TRAINING | {"searchFilter": RUNS_ONLY} | order | query
    return f"#/experiments/{experiment_id}/runs?{urlencode(query, quote_via=quote)}"


def hints(uri: str, experiment_id: str | None) -> list[str]:
    """Lines to print at the end of a study: where to look in MLflow.

    For a server they are addresses; for a database they follow what `tempo ui` prints.
    """
    if experiment_id is None:
        return []
    base = f"{uri.rstrip('/')}/" if uri.startswith(("http://", "https://")) else ""
    said = "" if base else "tempo ui, then "
    return [
        f"Compare in MLflow: {said}{base}{charts(experiment_id)}",
        f"   best run first: {said}{base}{leaderboard(experiment_id)}",
        f"   filter: {RUNS_ONLY}",
    ]
