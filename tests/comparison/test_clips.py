"""Means and contrasts are over the same clips, and what is left out is counted and said."""

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison
from tempo.comparison.query import Query
from tempo.comparison.statistics.quantities import Word
from tempo.core.records import Plan
from tempo.records.layout import Store
from tests.comparison.altered_records import Columns, alter, only, put, without


def write(make: ModuleType, root: Path, **changes: object) -> tuple[Store, Plan]:
    arms = [
        make.Arm(name=name, gain=gain, config={"arch": {"se": name}})
        for name, gain in {"a": 0.0, "b": 0.3, "c": 0.1}.items()
    ]
    chosen = {"seeds": 3, "clips": 12, "sources": 6, "baseline": "a", "points": 5} | changes
    return Store(root), make.write_study(root, make.Study(arms=arms, **chosen))


def agree(found: Comparison, metric: str) -> None:
    """Variant's mean minus baseline's, over the seeds of the contrast, is the contrast."""
    for row in found.rows:
        contrast = row.contrasts.get(metric)
        if contrast is None or contrast.difference is None:
            continue
        sides = [
            dict(zip(each.estimates[metric].seeds, each.estimates[metric].values, strict=True))
            for each in (row, found.row(contrast.baseline))
        ]
        own, other = ([side[seed] for seed in contrast.seeds] for side in sides)
        difference = np.mean(own) - np.mean(other)
        assert contrast.difference.value == pytest.approx(difference, abs=1e-9)


@pytest.mark.parametrize("detail", ["table", "full"])
def test_no_shared_clip_is_a_sentence(planted: ModuleType, tmp_path: Path, detail: str) -> None:
    store, plan = write(planted, tmp_path)
    alter(store, plan, "a", 0, only(0, 1, 2, 3, 4, 5))
    alter(store, plan, "b", 1, only(6, 7, 8, 9, 10, 11))
    found = compare(store, plan, Query(metrics=("ssim", "ie"), detail=detail))
    assert any(said.startswith("No clip was judged by every run") for said in found.headline)
    for metric in ("psnr", "ssim", "ie"):
        contrast = found.contrast("b", metric)
        assert contrast.verdict.word == Word.INCONCLUSIVE
        assert contrast.verdict.reason.startswith("no clip was judged by every run")
        assert found.row("b").estimates[metric].n == 3


def test_clips_left_out_are_those_that_some_run_lacks(planted: ModuleType, tmp_path: Path) -> None:
    """The first run has the fewest clips: counted from it, nothing would be left out."""
    store, plan = write(planted, tmp_path)
    alter(store, plan, "a", 0, without(0, 1, 2))
    alter(store, plan, "c", 2, without(11))
    found = compare(store, plan)
    (said,) = [said for said in found.headline if "judged by every run" in said]
    assert said == "4 clips were not judged by every run: left out of all numbers."
    assert found.contrast("b").clips == 8
    agree(found, "psnr")


def test_a_mean_that_is_not_its_own_tests_says_so(planted: ModuleType, tmp_path: Path) -> None:
    store, plan = write(planted, tmp_path)
    alter(store, plan, "b", 0, without(0, 1))
    found = compare(store, plan)
    (said,) = [said for said in found.headline if said.startswith("The psnr of")]
    assert said.startswith("The psnr of a seed 0 and of 7 more runs is over the 10 clips")
    own = next(run.values["psnr"] for run in found.runs if (run.variant, run.seed) == ("a", 0))
    here = found.row("a").estimates["psnr"].values[0]
    assert f"{here:.2f} here, {own:.2f} in its own test" in said
    assert not any(
        said.startswith("The psnr of")
        for said in compare(*write(planted, tmp_path / "alike")).headline
    )


def test_an_infinite_value_leaves_its_clip_out_of_means_too(
    planted: ModuleType, tmp_path: Path
) -> None:
    store, plan = write(planted, tmp_path)
    alter(store, plan, "b", 1, put("psnr", 3, np.inf))
    alter(store, plan, "c", 2, put("psnr", 5, np.inf))
    found = compare(store, plan)
    assert np.isfinite(found.row("b").estimates["psnr"].mean)
    assert found.contrast("b").clips == 10
    assert found.contrast("b", "ssim").clips == 12
    agree(found, "psnr")
    said = "2 clips have no finite psnr in some run: left out of means and contrasts alike."
    assert said in found.headline


def test_strata_are_over_the_clips_of_the_contrasts(planted: ModuleType, tmp_path: Path) -> None:
    store, plan = write(planted, tmp_path, clips=24)
    alter(store, plan, "b", 1, put("psnr", 3, np.inf))
    motion = [each for each in compare(store, plan).strata if each.by == "motion"]
    assert sum(each.clips for each in motion) == 23
    assert all(np.isfinite(each.differences["b"].value) for each in motion)


@pytest.mark.parametrize("metric", ["psnr", "ssim"])
def test_a_run_without_any_value_does_not_take_the_clips_of_all(
    planted: ModuleType, tmp_path: Path, metric: str
) -> None:
    store, plan = write(planted, tmp_path)
    alter(store, plan, "b", 1, put(metric, slice(None), np.nan))
    found = compare(store, plan)
    assert found.contrast("b", metric).seeds == (0, 2)
    assert found.contrast("c", metric).seeds == (0, 1, 2)
    assert f"Without a finite {metric} on any clip, left out of it: b seed 1." in found.headline
    assert found.row("b").estimates[metric].seeds == (0, 2)


def test_a_metric_that_one_run_was_not_judged_by(planted: ModuleType, tmp_path: Path) -> None:
    def drop(columns: Columns) -> Columns:
        del columns["ssim"]
        return columns

    store, plan = write(planted, tmp_path)
    alter(store, plan, "a", 0, drop)
    found = compare(store, plan)
    assert found.contrast("b", "ssim").seeds == (1, 2)
    assert found.contrast("b", "psnr").seeds == (0, 1, 2)


def test_no_clip_with_a_finite_value_in_all_runs(planted: ModuleType, tmp_path: Path) -> None:
    store, plan = write(planted, tmp_path)
    alter(store, plan, "a", 0, put("psnr", slice(0, 6), np.inf))
    alter(store, plan, "b", 1, put("psnr", slice(6, 12), np.inf))
    found = compare(store, plan)
    assert found.contrast("b").verdict.reason == "no clip has a finite psnr in every run"
    assert found.contrast("b", "ssim").difference is not None
    assert any(said.startswith("No clip has a finite psnr") for said in found.headline)


@pytest.mark.slow
@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_table_and_contrasts_agree_whatever_is_missing(
    planted: ModuleType, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("agree")
    store, plan = write(planted, root, clips=8, sources=4)
    runs = st.tuples(st.sampled_from("abc"), st.integers(0, 2))
    for variant, seed in data.draw(st.lists(runs, max_size=4, unique=True)):
        places = data.draw(st.sets(st.integers(0, 7), max_size=3))
        endless = data.draw(st.booleans())
        for place in sorted(places, reverse=True):
            change = put("psnr", place, np.inf) if endless else without(place)
            alter(store, plan, variant, seed, change)
    found = compare(store, plan, Query(detail="table"))
    agree(found, "psnr")
    agree(found, "ssim")
