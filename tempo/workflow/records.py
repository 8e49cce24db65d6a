"""Open a folder of records: its studies, runs, searches and evaluations, as DataFrames."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo.core.errors import RecordError
from tempo.core.records import RunStatus
from tempo.launch.study_status import UNREADABLE
from tempo.records.files import is_there
from tempo.records.layout import Store, default_root, load_run
from tempo.records.run_record import RunRecord, read_result, read_run
from tempo.records.seed_log import opened_plan
from tempo.workflow.names import plans_of, run_named

if TYPE_CHECKING:
    import pandas as pd

    from tempo.workflow.comparison import Comparison
    from tempo.workflow.control import Status
    from tempo.workflow.search import SearchResult


def open_records(folder: str | Path | None = None) -> Records:
    """Open a folder of records (default: `$TEMPO_RECORDS` or `records`).

    >>> import tempo
    >>> tempo.open_records("records").studies()["study"].tolist()
    ['v2_to_v3']
    """
    return Records(Store(default_root() if folder is None else Path(folder)))


class Records:
    """The records of all studies in one folder. Reads only.

    >>> import tempo
    >>> runs = tempo.open_records("records").runs("v2_to_v3")
    >>> runs[["variant", "seed", "status", "psnr"]].shape[1]
    4
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def studies(self) -> pd.DataFrame:
        """One row a study: name, profile of the current plan, question, variants, runs."""
        import pandas as pd

        rows = [
            {
                "study": plan.study,
                "profile": plan.profile,
                "question": plan.question.strip(),
                "variants": len(plan.variants),
                "runs": len(opened_plan(self.store, plan).distinct_runs),
                "baseline": plan.baseline,
                "source": plan.source,
            }
            for plan in plans_of(self.store)
        ]
        columns = ["study", "profile", "question", "variants", "runs", "baseline", "source"]
        return pd.DataFrame(rows, columns=columns)

    def runs(self, study: str | None = None) -> pd.DataFrame:
        """One row a planned run: study, variant, seed, run_id, status and final test metrics.

        Of adaptive seeds, those that the looks so far have opened.

        Metrics are means over the test clips, missing while a run has no result. A run whose
        record is damaged has the status `unreadable`.
        """
        import pandas as pd

        rows = []
        for plan in plans_of(self.store):
            if study not in {None, plan.study}:
                continue
            for run in opened_plan(self.store, plan).runs:
                row = {
                    "study": plan.study,
                    "variant": run.variant,
                    "seed": run.seed,
                    "run_id": run.run_id,
                }
                rows.append(row | _state_of(Run(self.store, run.run_id)))
        named = ["study", "variant", "seed", "run_id", "status"]
        metrics = dict.fromkeys(name for row in rows for name in row if name not in named)
        return pd.DataFrame(rows, columns=[*named, *metrics]).astype({"seed": "Int64"})

    def run(self, name: str) -> Run:
        """A run by its id, the beginning of the id, or `VARIANT sSEED`.

        Raises:
            RecordError: when no run, or more than one, is called so.
        """
        return Run(self.store, run_named(name, self.store).run_id)

    def status(self, study: str) -> Status:
        """The state of every run of a study."""
        from tempo.workflow.control import status_of

        return status_of(self.store.load_plan(study), self.store)

    def compare(self, names: str | list[str], **question: Any) -> Comparison:
        """Compare studies or runs of these records; see `tempo.compare`."""
        from tempo.workflow.comparison import compare

        return compare(names, records=self.store.root, **question)

    def search(self, study: str, profile: str | None = None) -> SearchResult:
        """What a search has found so far."""
        from tempo.workflow.search import open_search

        return open_search(self.store, study, profile)

    def __repr__(self) -> str:
        return f"<Records in {self.store.root}, {len(self.store.studies())} studies>"

    def _repr_html_(self) -> str:
        return str(self.studies().to_html(index=False, na_rep="-"))


def _state_of(run: Run) -> dict[str, Any]:
    """The status of a run and the metrics of its test."""
    try:
        return {"status": str(run.status), **run.test}
    except RecordError:
        return {"status": UNREADABLE}


class Run:
    """One run as its records tell: config, status, metrics over training, values by clip.

    >>> import tempo
    >>> run = tempo.open_records("records").run("V3 s0")
    >>> run.status, sorted(run.metrics()["split"].unique())
    (<RunStatus.COMPLETE: 'complete'>, ['test', 'train', 'val'])
    """

    def __init__(self, store: Store, run_id: str) -> None:
        self.store, self.id = store, run_id
        self.folder = store.run_dir(run_id)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config: method, arch, data, recipe, evaluation, runtime."""
        return dict(load_run(self.folder).config)

    @property
    def seed(self) -> int | None:
        """The seed; None for a reference."""
        return load_run(self.folder).seed

    @property
    def record(self) -> RunRecord:
        """Everything that the run's events amount to."""
        return read_run(self.folder)

    @property
    def status(self) -> RunStatus:
        """How the run ended or stands, by its records alone."""
        if not is_there(self.folder / "run.json"):
            return RunStatus.PLANNED
        return read_result(self.folder).status

    @property
    def test(self) -> dict[str, float]:
        """Metrics of the final test evaluation, means over clips; empty before there is one."""
        if not is_there(self.folder / "run.json"):
            return {}
        found = read_result(self.folder).test
        return dict(found.values) if found else {}

    def metrics(self) -> pd.DataFrame:
        """One row a step, split and metric: what training, validation and the test noted."""
        import pandas as pd

        record = self.record
        rows = [
            {"step": each.step, "split": split, "metric": name, "value": value}
            for split, found in (("train", record.train), ("val", record.validations))
            for each in found
            for name, value in each.values.items()
        ]
        if record.test:
            rows += [
                {"step": record.test.step, "split": "test", "metric": name, "value": value}
                for name, value in record.test.values.items()
            ]
        return pd.DataFrame(rows, columns=["step", "split", "metric", "value"])

    def clips(self) -> pd.DataFrame:
        """One row a test clip: clip, source, motion, occlusion and every metric.

        Raises:
            RecordError: the run has no test evaluation, or its table was altered since.
        """
        from tempo.workflow.comparison import clip_frame

        frame = clip_frame(self.folder)
        if frame is None:
            raise RecordError(f"run {self.id} has no test evaluation yet")
        return frame

    def __repr__(self) -> str:
        return f"<Run {self.id}, {_state_of(self)['status']}>"

    def _repr_html_(self) -> str:
        return str(self.metrics().to_html(index=False))
