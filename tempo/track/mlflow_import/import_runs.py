"""Import runs that other programs logged as records, so that they can be compared.

A run of MLflow, TensorBoard, W&B or of files becomes a run of Tempo with its params as config.
`train/loss`, `val/psnr` and `test/psnr` (or `train_loss` ...) are what they say; other
metrics count as training metrics. What protocol stands behind a number is not known, so imported
figures share a protocol of their own and are never ranked with Tempo's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import fmean
from typing import Any

from tempo.core.errors import MissingError, RecordError
from tempo.core.identity import path_name, short_hash
from tempo.core.records import Plan, PlannedRun, PlannedVariant, RunSpec
from tempo.core.redaction import redacted
from tempo.records.event_log import NAME
from tempo.records.events import (
    AttemptStarted,
    Evaluated,
    Event,
    Finished,
    Logged,
    Trained,
    Validated,
    to_json,
)
from tempo.records.files import sha256_of, write_atomic
from tempo.records.json_text import LARGEST_FRACTION
from tempo.records.layout import Store
from tempo.track.foreign_runs.stored_run import ClipRows, StoredRun
from tempo.track.mlflow_import.mlflow_reader import read_runs

CLIPS = "clips.parquet"

SEEDS = ("seed", "random_seed", "manual_seed", "torch_seed")

_SEED = re.compile(r"[0-9]{1,18}")
_SEED_SUFFIX = re.compile(r"[\s_-]*(?:s|seed)[\s_=-]?\d+$")


def import_runs(
    store: Store,
    uri: str,
    *,
    study: str | None = None,
    experiments: Sequence[str] = (),
    where: str = "",
    run_ids: Sequence[str] = (),
    rename: Mapping[str, str] | None = None,
) -> Plan:
    """Write the chosen runs as records and a plan over them; importing again changes nothing.

    `rename` maps a metric of theirs to a name of ours: {"psnr": "test/psnr"}. Runs with equal
    params but for the seed are replicates of one variant. Parent runs of Tempo are left out.

    Raises:
        MissingError: when nothing is chosen.
        RecordError: when a study of this name was not imported.
    """
    found = read_runs(uri, experiments, where, run_ids)
    return write_runs(store, found, redacted(uri), study=study, rename=rename)


def write_runs(
    store: Store,
    found: Sequence[StoredRun],
    source: str,
    *,
    study: str | None = None,
    rename: Mapping[str, str] | None = None,
    origin: str = "MLflow",
) -> Plan:
    """Write runs that were read as records and a plan over them; see `import_runs`.

    Runs with values by clip get a table of them, so that they enter the model of clips and seeds.
    `source` is where they were read, `origin` what logged them.
    """
    runs = [run for run in found if run.tags.get("role") != "study" and (run.history or run.clips)]
    if not runs:
        raise MissingError(f"no runs with metrics in {source} are what was asked for")
    plan = _plan(runs, study, source, rename or {})
    if plan.study in store.studies() and "imported" not in store.load_plan(plan.study).spec:
        raise RecordError(
            f"study {plan.study!r} of {store.root} was carried out by Tempo; import under another "
            "name (--study)"
        )
    for run, planned in zip(runs, plan.runs, strict=True):
        config = plan.variant(planned.variant).config
        folder = store.save_run(RunSpec(run_id=planned.run_id, seed=planned.seed, config=config))
        table = None if run.clips is None else write_clips(folder, run.clips, rename or {})
        write_events(folder, events_of(run, source, rename or {}, table, origin))
    store.save_plan(plan)
    return plan


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenClips:
    """A table of values by clip in a run's folder: its file, and the means over the clips."""

    path: str
    sha256: str
    clips: int
    values: Mapping[str, float]


def write_clips(folder: Path, rows: ClipRows, rename: Mapping[str, str]) -> WrittenClips:
    """Write values by clip as the table that an evaluation leaves."""
    import pyarrow as pa
    from pyarrow import parquet

    named = {_test_name(rename.get(name) or name): each for name, each in rows.values.items()}
    columns: dict[str, Any] = {
        "clip": [_plain(clip, LONGEST_PARAM) for clip in rows.clips],
        "source": [_plain(source, LONGEST_PARAM) for source in rows.sources],
        **{name: list(map(float, each)) for name, each in rows.properties.items()},
        **{name: list(map(float, each)) for name, each in named.items()},
    }
    buffer = BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    write_atomic(folder / CLIPS, lambda file: file.write(buffer.getbuffer()))
    finite = {name: [v for v in each if math.isfinite(v)] for name, each in named.items()}
    return WrittenClips(
        path=CLIPS,
        sha256=sha256_of(folder / CLIPS),
        clips=len(rows.clips),
        values={name: fmean(each) for name, each in finite.items() if each},
    )


def _test_name(name: str) -> str:
    """A metric's name without the split, which is the test's."""
    match = _PREFIX.match(name)
    return _plain(match[2] if match and SPLITS[match[1]] == "test" else name)


def write_events(folder: Path, events: Iterable[Logged]) -> None:
    """Write a whole record at once, with the times its events already have."""
    lines = (json.dumps(to_json(each), allow_nan=False) for each in events)
    content = "".join(f"{line}\n" for line in lines).encode()
    write_atomic(folder / NAME, lambda file: file.write(content))


def _plan(
    runs: Sequence[StoredRun], study: str | None, source: str, rename: Mapping[str, str]
) -> Plan:
    names = _variant_names(runs)
    planned: list[PlannedRun] = []
    for run, name in zip(runs, names, strict=True):
        taken = {each.seed for each in planned if each.variant == name}
        run_id = short_hash({"imported": run.id})
        planned.append(PlannedRun(run_id=run_id, variant=name, seed=_seed(run, taken)))
    configs = {name: _config(run) for run, name in zip(runs, names, strict=True)}
    levels = _levels(configs)
    return Plan(
        study=path_name(study or study_name(runs[0].experiment), "study"),
        question="",
        profile=None,
        source=source,
        spec={"imported": _about(runs, source, rename)},
        spec_hash=short_hash([run.id for run in runs]),
        baseline=None,
        variants=tuple(
            PlannedVariant(name=name, role="variant", levels=levels[name], config=config)
            for name, config in configs.items()
        ),
        runs=tuple(planned),
    )


def _about(runs: Sequence[StoredRun], source: str, rename: Mapping[str, str]) -> dict[str, Any]:
    """What the plan tells of an import; `clips` where values by clip came with every run."""
    about = {"from": source, "runs": [run.id for run in runs], "rename": dict(rename)}
    return about | {"clips": True} if all(run.clips for run in runs) else about


def study_name(experiment: str) -> str:
    """The experiment's name with what a study's name may not hold replaced by `_`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", experiment).strip("_.-")[:80] or "imported"


def _config(run: StoredRun) -> dict[str, Any]:
    params = {
        _plain(name): _plain(value, LONGEST_PARAM)
        for name, value in run.params.items()
        if name.lower() not in SEEDS
    }
    return {"params": params, "experiment": _plain(run.experiment)}


LONGEST_PARAM = 6000
"""Characters of a param, as MLflow cuts them."""
LONGEST_LABEL = 200

_MARKS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
"""Characters that control a terminal, or that no file can hold."""


def _plain(text: str, longest: int = LONGEST_LABEL) -> str:
    """Return a text of a store that others fill, as records may hold it: on one line, cut off."""
    return _MARKS.sub(" ", text)[:longest].strip()


def _levels(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Variant -> the params that are not the same for all variants."""
    names = sorted({name for config in configs.values() for name in config["params"]})
    of = {v: {n: config["params"].get(n, "-") for n in names} for v, config in configs.items()}
    varied = [n for n in names if len({levels[n] for levels in of.values()}) > 1]
    return {variant: {n: levels[n] for n in varied} for variant, levels in of.items()}


def _variant_names(runs: Sequence[StoredRun]) -> list[str]:
    """Tempo's own name where it is tagged, else the run's name less its seed; a name that stands
    for different params gets their hash."""
    keys = [short_hash(_config(run), 6) for run in runs]
    names = [
        _plain(run.tags.get("variant") or _SEED_SUFFIX.sub("", run.name) or run.name) or "run"
        for run in runs
    ]
    first = dict(reversed(list(zip(keys, names, strict=True))))
    clashing = {name for name in first.values() if list(first.values()).count(name) > 1}
    return [f"{first[key]} {key}" if first[key] in clashing else first[key] for key in keys]


def _seed(run: StoredRun, taken: set[int | None]) -> int:
    """The seed that was logged; the next free number where none was, or not a new one."""
    logged = [run.tags.get("seed"), *(run.params.get(name) for name in SEEDS)]
    for text in logged:
        if text is not None and _SEED.fullmatch(text) and int(text) not in taken:
            return int(text)
    return next(number for number in range(len(taken) + 1) if number not in taken)


SPLITS = {"train": "train", "training": "train", "test": "test"}
SPLITS |= dict.fromkeys(("val", "valid", "validation", "eval", "dev"), "val")

_PREFIX = re.compile(rf"^({'|'.join(sorted(SPLITS, key=len, reverse=True))})[/_.](.+)$")
_STATUS = {"FINISHED": "complete", "FAILED": "failed", "KILLED": "stopped"}
_LOWER = ("loss", "error", "lpips", "mse", "mae", "rmse", "time", "seconds", "flicker")


def events_of(
    run: StoredRun,
    source: str,
    rename: Mapping[str, str],
    table: WrittenClips | None = None,
    origin: str = "MLflow",
) -> Iterator[Logged]:
    """The run's history as a record of one attempt; `source` says where it was imported from."""
    points = _sorted_points(run, rename)
    last = max((step for step, _ in points["train"].keys() | points["val"].keys()), default=0)
    name = _plain(run.name)
    own = "mlflow" if origin == "MLflow" else "original"
    environment = {"imported_from": source, f"{own}_run_id": run.id, f"{own}_name": name}
    started = AttemptStarted(resumed_step=0, total_steps=last, environment=environment)
    yield _at(run.started, started)
    timed: list[tuple[float, Event]] = []
    for (step, time), values in points["train"].items():
        timed.append((time, Trained(step=step, clips=0, epoch=0.0, values=values)))
    for (step, time), values in points["val"].items():
        took = max(0.0, time - run.started)
        validated = Validated(step=step, clips=0, epoch=0.0, seconds=took, values=values)
        timed.append((time, validated))
    yield from (_at(time, event) for time, event in sorted(timed, key=lambda pair: pair[0]))
    end = run.ended or max((time for time, _ in timed), default=run.started)
    final = {name: value for values in points["test"].values() for name, value in values.items()}
    if final or table is not None:
        yield _at(end, _evaluated(final, last, source, table, origin))
    status = _STATUS.get(run.status)
    if status:
        failed = status == "failed"
        finished = Finished(
            status=status,
            step=last,
            seconds=end - run.started,
            train_seconds=end - run.started,
            peak_memory=0,
            failure="bug" if failed else None,
            message="failed before it was imported" if failed else "",
        )
        yield _at(end, finished)


def _sorted_points(
    run: StoredRun, rename: Mapping[str, str]
) -> dict[str, dict[tuple[int, float], dict[str, float]]]:
    """split -> (step, time) -> metric -> value; metrics of one step logged one by one stand at
    the time of the first."""
    out: dict[str, dict[int, tuple[float, dict[str, float]]]] = {"train": {}, "val": {}, "test": {}}
    for key, history in run.history.items():
        ours = rename.get(key) or _plain(key)
        match = _PREFIX.match(ours)
        split, name = (SPLITS[match[1]], match[2]) if match else ("train", ours)
        for step, time, value in history:
            first, values = out[split].get(step, (math.inf, {}))
            out[split][step] = (min(first, time), values | {name: _measured(value)})
    return {
        split: {(step, time): values for step, (time, values) in sorted(steps.items())}
        for split, steps in out.items()
    }


def _measured(value: float) -> float:
    """Return a value, infinite where MLflow, which stores no infinity, holds an enormous one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= LARGEST_FRACTION else float(value)


def _at(time: float, event: Event) -> Logged:
    return Logged(time=time, attempt=1, event=event)


def _evaluated(
    values: Mapping[str, float],
    step: int,
    source: str,
    table: WrittenClips | None,
    origin: str,
) -> Evaluated:
    protocol = {"imported_from": source}
    # The means over the clips take the place of logged figures of the same name.
    values = {**values, **(table.values if table else {})}
    return Evaluated(
        split="test",
        step=step,
        checkpoint="unknown",
        clips=table.clips if table else 0,
        values=values,
        infos={name: _info(name, origin, clips=table is not None) for name in values},
        protocol=protocol,
        protocol_hash=short_hash(protocol),
        table=table.path if table else "",
        table_sha256=table.sha256 if table else "",
        gallery=(),
    )


def _info(name: str, origin: str, *, clips: bool) -> dict[str, Any]:
    how = "by clip" if clips else "without values by clip"
    lower = any(word in name.lower() for word in _LOWER)
    return {
        "name": name,
        "unit": "dB" if "psnr" in name.lower() else "",
        "better": "lower" if lower else "higher",
        "digits": 2 if "psnr" in name.lower() else 4,
        "definition": f"imported from {origin}, {how}; how it was computed is not known",
    }
