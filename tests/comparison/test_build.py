"""Comparisons of planted records: what is planted is found, what is missing is said."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from tempo.comparison.build import compare, compare_all
from tempo.comparison.comparison import Comparison
from tempo.comparison.query import At, Query, parse_at, parse_query, parse_run_filter
from tempo.comparison.statistics.quantities import Word
from tempo.core.errors import RecordError, TempoError
from tempo.core.records import Plan, PlannedRun
from tempo.records.layout import Store


def three(make: ModuleType, **changes: object) -> list[object]:
    """A baseline, one half a decibel better, one alike."""
    parts = {"a": 0.0, "b": 0.5, "c": 0.0}
    arms = []
    for name, gain in parts.items():
        config = {"arch": {"se": name}}
        arms.append(make.Arm(name=name, gain=gain, config=config, **changes.get(name, {})))
    arms += [make.Arm(name=name, gain=-2.0, role="reference") for name in ("average", "nearest")]
    return arms


def write(make: ModuleType, root: Path, arms: list[object], **study: object) -> tuple[Store, Plan]:
    settings = {
        "seeds": 4,
        "baseline": "a",
        "redraw": 1,
        "noise": make.Noise(seed=0.05, clip=0.05, residual=0.05),
    } | study
    plan = make.write_study(root, make.Study(arms=arms, **settings))
    return Store(root), plan


@pytest.fixture
def study(planted: ModuleType, tmp_path: Path) -> tuple[Store, Plan]:
    return write(planted, tmp_path, three(planted))


def test_planted_effects_get_their_words(study: tuple[Store, Plan]) -> None:
    found = compare(*study)
    assert found.contrast("b").verdict.word == Word.BETTER
    assert found.contrast("b").difference.low <= 0.5 <= found.contrast("b").difference.high
    assert found.contrast("c").verdict.word != Word.BETTER
    assert found.contrast("c").difference.low <= 0 <= found.contrast("c").difference.high
    assert [row.variant for row in found.rows][-2:] == ["average", "nearest"]
    assert found.row("b").rank == 1
    assert found.row("average").rank is None


def test_a_lower_is_better_metric_turns_the_sign(study: tuple[Store, Plan]) -> None:
    found = compare(*study, Query(metric="ie", metrics=("psnr",)))
    contrast = found.contrast("b")
    assert contrast.difference.value < 0
    assert contrast.verdict.word == Word.BETTER
    assert found.row("b").rank == 1
    assert [info.name for info in found.metrics] == ["ie", "psnr"]


def test_the_table_is_the_mean_over_clips_then_seeds(study: tuple[Store, Plan]) -> None:
    found = compare(*study)
    estimate = found.row("b").estimates["psnr"]
    infos = [run for run in found.runs if run.variant == "b"]
    assert estimate.values == pytest.approx([run.values["psnr"] for run in infos], rel=1e-12)
    assert estimate.run_ids == tuple(run.run_id for run in infos)
    assert estimate.complete
    difference = estimate.mean - found.row("a").estimates["psnr"].mean
    assert found.contrast("b").difference.value == pytest.approx(difference)


def test_two_seeds_are_inconclusive(planted: ModuleType, tmp_path: Path) -> None:
    found = compare(*write(planted, tmp_path, three(planted), seeds=2))
    assert {each.verdict.word for each in found.contrasts} == {Word.INCONCLUSIVE}
    assert found.contrast("b").verdict.reason == "fewer than 3 paired seeds"
    assert any("every verdict is inconclusive" in said for said in found.headline)


def test_one_seed_has_no_interval(planted: ModuleType, tmp_path: Path) -> None:
    found = compare(*write(planted, tmp_path, three(planted), seeds=1))
    assert found.contrast("b").difference.low is None
    assert found.row("b").estimates["psnr"].sd is None
    assert found.noise[0].floor is None
    assert found.contrast("b").verdict.word == Word.INCONCLUSIVE


def test_failed_and_missing_runs_show(planted: ModuleType, tmp_path: Path) -> None:
    changes = {
        "b": {"broken": frozenset({1})},
        "c": {"broken": frozenset({0, 1}), "absent": frozenset({2, 3})},
    }
    found = compare(*write(planted, tmp_path, three(planted, **changes)))
    partial, failed = found.row("b"), found.row("c")
    assert (partial.state, partial.seeds, partial.planned_seeds) == ("partial", 3, 4)
    assert partial.note == "3 of 4 seeds; failed: seed 1"
    assert not partial.estimates["psnr"].complete
    assert found.contrast("b").seeds == (0, 2, 3)
    assert found.contrast("b").planned_n == 4
    assert (failed.state, failed.estimates) == ("failed", {})
    assert failed.note == "0 of 4 seeds; failed: seed 0, 1; planned: seed 2, 3"
    assert found.contrast("c").difference is None
    assert found.contrast("c").verdict.reason == "no finished run of c"
    assert {(each.variant, each.seed) for each in found.failures} == {("b", 1), ("c", 0), ("c", 1)}
    assert found.failures[0].message == "3 steps in a row were not finite"
    assert not found.complete
    assert found.headline[0].startswith("Incomplete: b (3 of 4 seeds")


def test_no_result_at_all_is_an_error_that_counts(planted: ModuleType, tmp_path: Path) -> None:
    every = {"broken": frozenset(range(4))}
    store, plan = write(planted, tmp_path, three(planted, a=every, b=every, c=every)[:3])
    with pytest.raises(RecordError, match=r"no run of 'planted' has a result yet \(12 failed\)"):
        compare(store, plan)


def test_a_metric_of_the_panels_is_estimated_beside_the_table(study: tuple[Store, Plan]) -> None:
    found = compare(*study)
    assert [info.name for info in found.panels] == ["edge"]
    assert "edge" not in [info.name for info in found.metrics]
    runs = [run for run in found.runs if run.variant == "b"]
    assert found.row("b").estimates["edge"].n == len(runs) == 4
    assert {each.metric for each in found.contrasts} == {"psnr", "ssim"}
    asked = compare(*study, Query(metric="edge"))
    assert asked.panels == ()
    assert asked.contrast("b").verdict.word == Word.BETTER


def test_references_alone_are_a_table_that_says_so(planted: ModuleType, tmp_path: Path) -> None:
    every = {"broken": frozenset(range(4))}
    found = compare(*write(planted, tmp_path, three(planted, a=every, b=every, c=every)))
    assert found.row("average").estimates["psnr"].mean > 0
    assert found.row("a").estimates == {}
    assert len(found.failures) == 12
    assert not found.complete
    assert found.pareto == ()


def test_damaged_records_are_failures_with_their_reason(
    planted: ModuleType, tmp_path: Path
) -> None:
    store, plan = write(planted, tmp_path, three(planted))
    run = next(each for each in plan.runs if each.variant == "b")
    events = store.run_dir(run.run_id) / "events.jsonl"
    events.write_text("{not json}\n" + events.read_text())
    found = compare(store, plan)
    assert found.row("b").seeds == 3
    (failure,) = found.failures
    assert "records cannot be read" in failure.message


def test_an_altered_table_is_not_believed(planted: ModuleType, tmp_path: Path) -> None:
    store, plan = write(planted, tmp_path, three(planted))
    runs = [each for each in plan.runs if each.variant == "b"]
    other = next(each for each in plan.runs if each.variant == "c")
    table = store.run_dir(runs[0].run_id) / "clips.parquet"
    table.write_bytes((store.run_dir(other.run_id) / "clips.parquet").read_bytes())
    found = compare(store, plan)
    assert found.contrast("b").seeds == (1, 2, 3)
    assert any("SHA-256 differs" in said for said in found.headline)


def test_other_protocols_are_neither_ranked_nor_compared(
    planted: ModuleType, tmp_path: Path
) -> None:
    found = compare(
        *write(planted, tmp_path, three(planted, b={"protocol": {"rounding": "8 bit"}}))
    )
    assert not found.rankable
    assert found.row("b").rank is None
    assert found.row("c").rank is not None
    assert found.contrast("b").verdict.word == Word.INCOMPARABLE
    assert found.contrast("b").difference is None
    assert [each.ranked for each in found.protocols] == [True, False]
    assert found.contrast("c").difference is not None


def test_a_value_read_mid_schedule_is_labelled(study: tuple[Store, Plan]) -> None:
    found = compare(*study, Query(at=At("step", 500)))
    assert "mid-schedule" in found.at
    assert found.split == "val"
    assert found.row("average").estimates == {}
    assert "test split only" in found.row("average").note
    assert "these clips only" in found.contrast("b").difference.method


def test_best_val_is_labelled_optimistic(study: tuple[Store, Plan]) -> None:
    assert "optimistic" in compare(*study, Query(at=parse_at("best-val"))).at


def test_at_a_step_that_nobody_validated(study: tuple[Store, Plan]) -> None:
    with pytest.raises(RecordError, match="result at 7 yet"):
        compare(*study, Query(at=At("step", 7)))


@pytest.mark.parametrize("text", ["last", "-5", "1e3", "٣"])
def test_at_is_final_best_val_or_a_step(text: str) -> None:
    with pytest.raises(TempoError, match="final"):
        parse_at(text)


def test_where_keeps_runs(study: tuple[Store, Plan]) -> None:
    found = compare(*study, Query(where=parse_run_filter("variant != c and seed >= 1")))
    assert [row.variant for row in found.rows if row.role != "reference"] == ["a", "b"]
    assert found.contrast("b").seeds == (1, 2, 3)
    by_config = compare(
        *study, Query(where=parse_run_filter('params.arch.se = "b" and metrics.psnr>1'))
    )
    assert [row.variant for row in by_config.rows] == ["b"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("varant = b", "did you mean 'variant'"),
        ("seed > 99", "keeps none of the 14 runs"),
    ],
)
def test_where_that_asks_for_nothing(study: tuple[Store, Plan], text: str, said: str) -> None:
    with pytest.raises(TempoError, match=said):
        compare(*study, Query(where=parse_run_filter(text)))


@pytest.mark.parametrize("text", ["", "seed", "seed = 1 or seed = 2", "= 3", "seed = 1 and"])
def test_where_that_cannot_be_read(text: str) -> None:
    with pytest.raises(TempoError, match="--where"):
        parse_run_filter(text)


def test_another_baseline(study: tuple[Store, Plan]) -> None:
    found = compare(*study, Query(baseline="b"))
    assert found.contrast("a").verdict.word == Word.WORSE
    assert found.row("b").role == "baseline"
    assert found.row("a").role == "variant"


@pytest.mark.parametrize(
    "query", [Query(baseline="bb"), Query(metric="pnsr"), Query(group_by="ses")]
)
def test_unknown_names_say_what_is_known(study: tuple[Store, Plan], query: Query) -> None:
    with pytest.raises(TempoError, match="known:"):
        compare(*study, query)


def test_group_by_puts_levels_together(planted: ModuleType, tmp_path: Path) -> None:
    arms = planted.factorial_arms({"se": ["on", "off"], "dil": ["x", "y"]}, lambda cell: 0.0)
    found = compare(*write(planted, tmp_path, arms, baseline=None), Query(group_by="dil"))
    assert [row.group for row in found.rows] == ["x", "x", "y", "y"]


def test_the_fingerprint_follows_the_records(study: tuple[Store, Plan]) -> None:
    store, plan = study
    found = compare(store, plan)
    assert found.fingerprint == compare(store, plan).fingerprint
    events = store.run_dir(plan.runs[0].run_id) / "events.jsonl"
    events.write_bytes(events.read_bytes() + b"x")
    assert compare(store, plan).fingerprint != found.fingerprint


def test_the_quick_table_says_the_same(study: tuple[Store, Plan]) -> None:
    full, table = compare(*study), compare(*study, Query(detail="table"))
    assert table.contrasts == full.contrasts
    assert [row.estimates for row in table.rows] == [row.estimates for row in full.rows]
    assert table.curves == ()


def test_numbers_lead_to_their_runs(study: tuple[Store, Plan]) -> None:
    found = compare(*study)
    known = {run.run_id for run in found.runs}
    used = {each for row in found.rows for e in row.estimates.values() for each in e.run_ids}
    pairs = {each for contrast in found.contrasts for pair in contrast.run_ids for each in pair}
    assert used == known
    assert pairs <= known
    assert all((run.folder / "run.json").is_file() for run in found.runs)


def test_several_studies_are_one_table(planted: ModuleType, tmp_path: Path) -> None:
    first = write(planted, tmp_path, three(planted), name="one")
    second = write(planted, tmp_path, three(planted)[:2], name="two", stream=1)
    found: Comparison = compare_all([first, second])
    names = [row.variant for row in found.rows if row.role != "reference"]
    assert names == ["a", "b", "c", "two: a", "two: b"]
    assert found.contrast("two: b").difference is not None


def test_no_heavy_library_is_loaded(study: tuple[Store, Plan]) -> None:
    store, plan = study
    program = (
        "import sys, json; from pathlib import Path\n"
        "from rich.console import Console; from tempo.cli.render.results import print_results\n"
        "from tempo.comparison.build import compare\n"
        "from tempo.report.formats.writers import WRITERS\n"
        "from tempo.report.formats.writers import json_text\n"
        "from tempo.report.tables.results import data, printed\n"
        "from tempo.records.layout import Store\n"
        f"store = Store(Path({str(store.root)!r}))\n"
        "c = compare(store, store.load_plan('planted'))\n"
        "print_results(c, Console(file=sys.stderr)), json_text(c), WRITERS['csv'](data(c))\n"
        "WRITERS['md'](printed(c)), WRITERS['latex'](printed(c))\n"
        "bad = {'torch', 'mlflow', 'matplotlib', 'pandas', 'optuna', 'urllib3'}\n"
        "print(json.dumps(sorted(bad & set(sys.modules))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
    assert plan.study == "planted"


def test_variants_that_differ_in_nothing_share_their_runs(
    planted: ModuleType, tmp_path: Path
) -> None:
    """They are one variant under two names: equivalent, and their seeds count once."""
    store, plan = write(planted, tmp_path, three(planted))
    own = {run.seed: run.run_id for run in plan.runs if run.variant == "b"}
    twin = replace(plan.variant("b"), name="twin")
    runs = [PlannedRun(run_id=run_id, variant="twin", seed=s) for s, run_id in own.items()]
    both = replace(plan, variants=(*plan.variants, twin), runs=(*plan.runs, *runs))
    found, alone = compare(store, both), compare(store, plan)
    assert found.row("twin").note == "the very same runs as b"
    assert found.noise[0].seed_sd == alone.noise[0].seed_sd
    assert found.noise[0].df == alone.noise[0].df
    against = compare(store, both, Query(baseline="b"))
    assert against.contrast("twin").verdict.word == Word.EQUIVALENT
    assert against.contrast("twin").difference.value == 0


def test_runs_without_values_per_clip_are_compared_by_their_means(
    planted: ModuleType, tmp_path: Path
) -> None:
    """Runs imported from elsewhere have no table: seeds vary, the clips are what they were."""
    store, plan = write(planted, tmp_path, three(planted)[:3])
    for run in plan.runs:
        events = store.run_dir(run.run_id) / "events.jsonl"
        events.write_text(events.read_text().replace('"table":"clips.parquet"', '"table":""'))
    found = compare(store, plan)
    assert found.contrast("b").verdict.word == Word.BETTER
    assert "these clips only" in found.contrast("b").difference.method
    assert found.contrast("b").clips == 0
    assert found.clip_table is None
    assert found.strata == ()


def test_the_first_metric_stands_in_for_psnr(planted: ModuleType, tmp_path: Path) -> None:
    store, plan = write(planted, tmp_path, three(planted)[:3])
    for run in plan.runs:
        events = store.run_dir(run.run_id) / "events.jsonl"
        events.write_text(events.read_text().replace('"psnr"', '"fid"'))
    assert compare(store, plan).metric == "fid"


def test_a_query_from_what_was_typed() -> None:
    typed = parse_query(
        metrics="ssim, psnr", at="500", where="seed < 2", passing="30,31.5", attribution=["a", "b"]
    )
    assert (typed.metric, typed.metrics) == ("ssim", ("psnr",))
    assert typed.at == At("step", 500)
    assert typed.where is not None and typed.where.conditions[0].name == "seed"
    assert typed.passing == (30.0, 31.5)
    assert typed.attribution == ("a", "b")
    assert parse_query() == Query()


@pytest.mark.parametrize(
    "typed",
    [
        {"passing": "thirty"},
        {"delta": 0.0},
        {"delta": -1.0},
        {"level": 1.0},
        {"attribution": ["a"]},
    ],
)
def test_queries_that_mean_nothing(typed: dict[str, object]) -> None:
    with pytest.raises(TempoError):
        parse_query(**typed)
