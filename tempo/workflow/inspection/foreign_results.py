"""Import results from elsewhere as records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tempo.core.errors import TempoError
from tempo.records.layout import Store, default_root
from tempo.track.foreign_runs.sources import MLFLOW, READERS, kind_of, read_source
from tempo.track.mlflow_import.import_runs import import_runs as import_mlflow
from tempo.track.mlflow_import.import_runs import write_runs
from tempo.track.store_address import store_uri

if TYPE_CHECKING:
    from tempo.core.records import Plan


def import_runs(
    source: str | Path,
    *,
    study: str | None = None,
    records: str | Path | None = None,
    kind: str | None = None,
    rename: Mapping[str, str] | None = None,
    experiments: Sequence[str] = (),
    where: str = "",
    run_ids: Sequence[str] = (),
) -> str:
    """Write runs that others logged as records; return the name of the study that they become.

    Importing again changes nothing. Values by clip (tables, and JSON files with `clips`) enter the
    comparison as Tempo's own do; figures without them are shown with their means alone.

    Args:
        source: event files of TensorBoard, offline runs of W&B, tables of values by clip (CSV, TSV,
            Parquet), a folder of JSON files, or an MLflow store.
        study: its name (default: that of the folder or experiment).
        kind: what it is, where that shall not be told from the content: tensorboard, wandb, clips,
            json or mlflow.
        rename: names of metrics, theirs to ours: `{"eval_psnr": "test/psnr"}`.
        experiments, where, run_ids: which runs of an MLflow store.

    Raises:
        MissingError: when nothing of this is there.
        RecordError: when it is damaged, or the study's name is taken.

    >>> import tempo
    >>> from pathlib import Path
    >>> rows = "variant,seed,clip,source,psnr\\na,0,c1,v1,30.1\\na,0,c2,v2,31.0\\n"
    >>> _ = Path("theirs.csv").write_text(rows)
    >>> tempo.import_runs("theirs.csv")
    'theirs'
    """
    return import_plan(
        str(source),
        Store(default_root() if records is None else Path(records)),
        study=study,
        kind=kind,
        rename=rename,
        experiments=experiments,
        where=where,
        run_ids=run_ids,
    ).study


def import_plan(
    source: str,
    store: Store,
    *,
    study: str | None = None,
    kind: str | None = None,
    rename: Mapping[str, str] | None = None,
    experiments: Sequence[str] = (),
    where: str = "",
    run_ids: Sequence[str] = (),
) -> Plan:
    """Return the plan of what was imported; see `import_runs`."""
    found = kind_of(source, kind)
    if found == MLFLOW:
        return import_mlflow(
            store,
            store_uri(source),
            study=study,
            experiments=experiments,
            where=where,
            run_ids=run_ids,
            rename=rename,
        )
    if experiments or where or run_ids:
        raise TempoError(
            f"--experiment, --filter and --run choose runs of an MLflow store, and {source} is of "
            f"kind {found}"
        )
    runs = read_source(source, found)
    path = str(Path(source).expanduser().resolve())
    origin = READERS[found].origin
    return write_runs(store, runs, path, study=study, rename=rename, origin=origin)
