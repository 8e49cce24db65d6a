"""Mirror a study and its invocations: the experiment and its parent runs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.core.config_diff import flatten
from tempo.core.counted import counted
from tempo.core.errors import TempoError
from tempo.core.records import Plan, RunStatus
from tempo.records.drafts import is_draft
from tempo.track.mirror_state import InvocationState, MirrorState
from tempo.track.mlflow.client import attach_json, attach_text, find_run, send_batch
from tempo.track.mlflow.metric_points import Point, milliseconds
from tempo.track.mlflow.replicate_summary import VariantSummary, as_csv, as_markdown, key_metrics
from tempo.track.store_names import MLFLOW_STATUS, NOTE, about_tags, as_text, safe_key, source_tags

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

TOKEN = "mlflow.tempo.mirror"
"""An experiment tag that tells this experiment from one of the same number in a new store. The UI
hides tags of this prefix."""


class MirrorError(TempoError):
    """The store refuses what the mirror needs; the message says what to do."""


def ensure_experiment(
    client: MlflowClient,
    plan: Plan,
    location: str | None,
    state: MirrorState,
    tags: Mapping[str, str],
) -> str:
    """The id of the study's experiment, created if need be, which has the tags.

    State that was noted of another store (a database that was deleted since) is forgotten.

    Raises:
        MirrorError: when someone deleted the experiment in MLflow.
    """
    found = _experiment(client, plan, location, {**tags, TOKEN: uuid.uuid4().hex})
    if found.lifecycle_stage == "deleted":
        raise MirrorError(
            f"experiment {plan.study!r} is deleted in MLflow; bring it back with "
            f"`mlflow experiments restore -x {found.experiment_id}`"
        )
    token = found.tags.get(TOKEN)
    if token is None:
        token = uuid.uuid4().hex
        client.set_experiment_tag(found.experiment_id, TOKEN, token)
    for name, value in tags.items():
        if found.tags.get(name) != value:
            client.set_experiment_tag(found.experiment_id, name, value)
    identity = {"id": str(found.experiment_id), "token": token}
    if state.experiment() != identity:
        state.forget_store()
        state.save_experiment(identity)
    return identity["id"]


def _experiment(
    client: MlflowClient, plan: Plan, location: str | None, tags: dict[str, str]
) -> Experiment:
    """Return the study's experiment; one that is created here gets the tags."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(plan.study)
    if found is None:
        try:
            client.create_experiment(plan.study, location, tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(plan.study)
    if found is None:
        raise MirrorError(f"MLflow made no experiment {plan.study!r}")
    return found


def experiment_tags(plan: Plan, about: Mapping[str, object] | None) -> dict[str, str]:
    """Return the question and what the newest invocation ran with, as description and tags.

    Without an invocation (`about` None) there are none: what the experiment says stays.
    """
    if about is None:
        return {}
    tags = {
        "mlflow.experimentKind": "custom_model_development",
        NOTE: _note(plan),
        "tempo.question": plan.question,
        "tempo.spec_hash": plan.spec_hash,
        "tempo.baseline": plan.baseline or "",
    }
    told = flatten(about).items()
    tags |= {f"tempo.{path}": as_text(value) for path, value in told if value is not None}
    return {safe_key(name): value for name, value in tags.items()}


def _note(plan: Plan) -> str:
    baseline = f" Baseline: `{plan.baseline}`." if plan.baseline else ""
    return (
        f"{plan.question or plan.study}\n\n"
        f"{counted(len(plan.variants), 'variant')}, {counted(len(plan.runs), 'run')}, "
        f"from `{plan.source}`.{baseline}\n\n"
        "Rows with a + are invocations of the study; unfold them for its runs. "
        "`tags.role != 'study'` filters for the runs alone; group by the tag `variant` for means "
        "over seeds."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentSender:
    """Sends the invocations of a plan."""

    client: MlflowClient
    experiment_id: str
    plan: Plan
    state: MirrorState

    def ensure(self, invocation: InvocationState) -> str:
        """The parent run of an invocation, created and described if need be."""
        if invocation.mlflow_id is None:
            invocation.mlflow_id = find_run(
                self.client, self.experiment_id, "tempo.invocation", invocation.id
            ) or self._create(invocation)
            self.state.save_invocation(invocation)
        if invocation.sent == "nothing":
            attach_json(self.client, invocation.mlflow_id, "plan.json", self.plan.to_json())
            environment = self.state.environment(invocation.id)
            if environment.is_dir():
                self._attach(invocation.mlflow_id, environment)
            tags = {
                "tempo.spec_hash": self.plan.spec_hash,
                "tempo.profile": self.plan.profile or "",
            }
            tags |= source_tags(self.plan) | about_tags(invocation.about)
            send_batch(self.client, invocation.mlflow_id, tags=tags)
            invocation.sent = "start"
            self.state.save_invocation(invocation)
        return invocation.mlflow_id

    def _create(self, invocation: InvocationState) -> str:
        profile = f" {self.plan.profile}" if self.plan.profile else ""
        number = 1 + [each.id for each in self.state.invocations()].index(invocation.id)
        created = self.client.create_run(
            self.experiment_id,
            start_time=milliseconds(invocation.started),
            run_name=f"{self.plan.study}{profile} #{number}",
            tags={"tempo.invocation": invocation.id, "role": "study"},
        )
        return str(created.info.run_id)

    def show_summary(self, mlflow_id: str, summaries: list[VariantSummary]) -> None:
        table = as_markdown(summaries, key_metrics(summaries))
        self.client.set_tag(mlflow_id, NOTE, f"{self.plan.question}\n\n{table}")

    def finish(self, invocation: InvocationState, summaries: list[VariantSummary]) -> list[str]:
        """Close the parent run of an invocation that ended; returns artifacts that are gone."""
        if invocation.ended is None or invocation.status is None:
            raise ValueError(f"invocation {invocation.id} has not ended")
        mlflow_id = self.ensure(invocation)
        stamp = milliseconds(invocation.ended)
        points = [Point(safe_key(k), v, stamp, 0) for k, v in invocation.metrics.items()]
        send_batch(self.client, mlflow_id, points=points)
        self.show_summary(mlflow_id, summaries)
        attach_text(self.client, mlflow_id, "summary.csv", as_csv(summaries))
        paths = [Path(path) for path in invocation.artifacts]
        missing = [path for path in paths if not self._attach(mlflow_id, path)]
        self.client.set_tag(mlflow_id, "status", invocation.status)
        self.client.set_terminated(mlflow_id, MLFLOW_STATUS[RunStatus(invocation.status)], stamp)
        invocation.sent = "end"
        self.state.save_invocation(invocation)
        return [f"{path} is missing" for path in missing]

    def _attach(self, mlflow_id: str, path: Path) -> bool:
        if path.is_dir():
            for file in sorted(each for each in path.rglob("*") if each.is_file()):
                # A process that was killed may have left a half-written file.
                if not is_draft(file):
                    place = (Path(path.name) / file.relative_to(path)).parent
                    self.client.log_artifact(mlflow_id, str(file), place.as_posix())
        elif path.is_file():
            self.client.log_artifact(mlflow_id, str(path))
        return path.exists()
