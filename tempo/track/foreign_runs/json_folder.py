"""Read a folder of JSON files, a run each, in the forms that scripts write.

{"psnr": 31.2, "ssim": 0.95}                            final figures alone
{"variant": "a", "seed": 0, "config": {...},            (also name or method; params)
 "metrics": {"psnr": 31.2},                             (also test or results)
 "history": [{"step": 10, "loss": 0.1}, ...],
 "clips": [{"clip": "a", "source": "x", "psnr": 30.0}, ...]}
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tempo.core.config_diff import flatten
from tempo.core.errors import MissingError, RecordError
from tempo.core.identity import short_hash
from tempo.records.files import read_object
from tempo.track.foreign_runs.clip_tables import NAMES, PROPERTIES
from tempo.track.foreign_runs.stored_run import ClipRows, StoredRun, name_and_seed

VARIANT = ("variant", "name", "method", "model")
FINAL = ("metrics", "test", "results")
PARAMS = ("config", "params", "hparams")
STEPS = ("step", "iteration", "epoch")


def is_json_folder(path: Path) -> bool:
    """Whether a folder holds JSON files, or a file is one."""
    if path.is_file():
        return path.suffix.lower() == ".json"
    return next(path.glob("*.json"), None) is not None


def read_json_folder(path: Path) -> list[StoredRun]:
    """Return a run for each JSON file.

    Raises:
        MissingError: when there is none.
        RecordError: when one is damaged, or holds no number.
    """
    files = [path] if path.is_file() else sorted(path.glob("*.json"))
    if not files:
        raise MissingError(f"there are no JSON files in {path}")
    experiment = path.stem if path.is_file() else path.resolve().name
    return [_run(file, experiment) for file in files]


def _run(file: Path, experiment: str) -> StoredRun:
    value = read_object(file)
    own, seed = name_and_seed(file.stem)
    variant = next((str(value[name]) for name in VARIANT if name in value), own)
    seed = str(value["seed"]) if isinstance(value.get("seed"), int) else seed
    empty: dict[str, Any] = {}
    params = next((value[n] for n in PARAMS if isinstance(value.get(n), dict)), empty)
    time = file.stat().st_mtime
    history = dict(_curves(value.get("history"), time, file))
    last = max((points[-1][0] for points in history.values()), default=0)
    final = next((value[name] for name in FINAL if isinstance(value.get(name), dict)), None)
    if final is None:
        known = {*VARIANT, *PARAMS, "seed", "history", "clips"}
        final = {name: each for name, each in value.items() if name not in known}
    for name, number in flatten(final).items():
        if _is_number(number):
            key = name.replace(".", "/")
            # Final figures are of the test, unless they say of what they are.
            key = key if key.startswith(("train/", "val/", "test/")) else f"test/{key}"
            history[key] = ((last, time, float(number)),)
    clips = _clips(value.get("clips"), file)
    if not history and clips is None:
        raise RecordError(f"{file} holds no number: final figures stand under {FINAL[0]!r}")
    return StoredRun(
        id=short_hash(["json", str(file.resolve())], 32),
        name=variant,
        experiment=experiment,
        status="FINISHED",
        started=time,
        ended=time,
        params={n: each if isinstance(each, str) else json.dumps(each)
                for n, each in flatten(params).items()} | {"variant": variant},
        tags={"variant": variant} | ({} if seed is None else {"seed": seed}),
        history=history,
        clips=clips,
    )  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _curves(
    history: Any, time: float, file: Path
) -> Iterator[tuple[str, tuple[tuple[int, float, float], ...]]]:
    """Each metric over the steps: of a list of rows, or of lists by metric."""
    if history is None:
        return
    if isinstance(history, Mapping):
        columns = {n: each for n, each in history.items() if isinstance(each, list)}
        count = max(map(len, columns.values()), default=0)
        rows: Iterable[Any] = (
            {n: each[place] for n, each in columns.items() if place < len(each)}
            for place in range(count)
        )
    else:
        rows = history if isinstance(history, list) else ()
    points: dict[str, list[tuple[int, float, float]]] = {}
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise RecordError(f"{file}: history holds {row!r}, not an object of a step")
        step = next((row[name] for name in STEPS if isinstance(row.get(name), int)), place)
        for name, value in flatten(row).items():
            if _is_number(value) and name not in STEPS:
                key = name.replace(".", "/")
                points.setdefault(key, []).append((max(0, int(step)), time, float(value)))
    for name, found in points.items():
        yield name, tuple(sorted(found))


def _clips(rows: Any, file: Path) -> ClipRows | None:
    if rows is None:
        return None
    if not isinstance(rows, list) or not rows or not all(isinstance(r, dict) for r in rows):
        raise RecordError(f"{file}: clips is a list of objects, one a clip")
    key = next((name for name in NAMES["clip"] if name in rows[0]), "")
    if not key or not all(key in row for row in rows):
        raise RecordError(f"{file}: each of clips needs a `clip`")
    clips = [str(row[key]) for row in rows]
    if len(set(clips)) != len(clips):
        raise RecordError(f"{file}: clips names a clip twice")
    source = next((name for name in NAMES["source"] if all(name in row for row in rows)), key)
    numeric = dict.fromkeys(n for row in rows for n, v in row.items() if _is_number(v))
    values = {
        name: tuple(float(v) if _is_number(v := row.get(name)) else float("nan") for row in rows)
        for name in numeric
        if name not in {key, source}
    }
    return ClipRows(
        clips=tuple(clips),
        sources=tuple(str(row[source]) for row in rows),
        values={name: each for name, each in values.items() if name not in PROPERTIES},
        properties={name: each for name, each in values.items() if name in PROPERTIES},
    )
