"""Per-clip values and curves, one row for each number."""

import dataclasses
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from tempo.compare.build import compare
from tempo.compare.long_format import clip_rows, curve_rows
from tempo.compare.query import At, Query
from tempo.core.errors import TempoError
from tempo.core.records import Plan
from tempo.records.layout import Store


@pytest.fixture
def study(planted: ModuleType, tmp_path: Path) -> tuple[Store, Plan]:
    arms = [planted.Arm(name="a"), planted.Arm(name="b", gain=0.5, broken=frozenset({1}))]
    arms.append(planted.Arm(name="average", gain=-2.0, role="reference"))
    plan = planted.write_study(
        tmp_path, planted.Study(arms=arms, seeds=2, clips=10, sources=5, baseline="a")
    )
    return Store(tmp_path), plan


def test_clip_rows_hold_every_finished_run_and_average_to_its_values(
    study: tuple[Store, Plan],
) -> None:
    found = compare(*study)
    frame = pd.DataFrame(map(dataclasses.asdict, clip_rows(found)))
    assert list(frame) == ["variant", "seed", "run_id", "clip", "source", "metric", "value"]
    runs = [("a", 0), ("a", 1), ("b", 0), ("average", None)]
    assert len(frame) == len(runs) * 2 * 10
    assert frame.source.nunique() == 5
    means = frame.groupby(["run_id", "metric"]).value.mean()
    for run in found.runs:
        for metric in ("psnr", "ssim") if run.values else ():
            assert means[run.run_id, metric] == pytest.approx(run.values[metric], abs=1e-12)


def test_other_metrics_can_be_asked_for(study: tuple[Store, Plan]) -> None:
    found = compare(*study)
    assert {row.metric for row in clip_rows(found, ["ie"])} == {"ie"}
    with pytest.raises(TempoError, match="psnr"):
        next(clip_rows(found, ["pnsr"]))


def test_an_altered_table_is_left_out_and_validation_has_none(study: tuple[Store, Plan]) -> None:
    store, plan = study
    first = plan.runs[0].run_id
    with (store.run_dir(first) / "clips.parquet").open("ab") as file:
        file.write(b"more")
    found = compare(store, plan)
    assert first not in {row.run_id for row in clip_rows(found)}
    assert any("SHA-256" in sentence for sentence in found.headline)
    assert list(clip_rows(compare(store, plan, Query(at=At("best-val"))))) == []


def test_curve_rows_hold_every_point_of_every_curve(study: tuple[Store, Plan]) -> None:
    found = compare(*study)
    rows = list(curve_rows(found))
    assert len(rows) == sum(len(curve.steps) for curve in (*found.curves, *found.health))
    curve = found.curve("a", "psnr")
    assert curve is not None
    mine = [row for row in rows if (row.variant, row.split, row.metric) == ("a", "val", "psnr")]
    assert [(row.step, row.mean, row.low, row.high) for row in mine] == list(
        zip(curve.steps, curve.mean, curve.low, curve.high, strict=True)
    )
    assert {row.seeds for row in mine} == {2}
    assert list(curve_rows(compare(*study, Query(detail="table")))) == []
