"""What runs noted of themselves reaches the comparison: milestones, troubles, compilation."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tempo.comparison.build import compare
from tempo.comparison.comparison import Comparison, Difference
from tempo.records.events import Logged, Noted, to_json
from tempo.records.layout import Store
from tempo.report.tables import costs as costs_table

Notes = Mapping[str, Sequence[Noted]]


def compared(make: ModuleType, root: Path, notes: Notes, **arms: Mapping[str, Any]) -> Comparison:
    """Two variants, a and b, with `notes` for each; `arms` gives them what Arm takes."""
    made = [make.Arm(name=name, **arms.get(name, {})) for name in ("a", "b")]
    plan = make.write_study(root, make.Study(arms=made, seeds=3, baseline="a"))
    for run in plan.runs:
        add(Store(root).run_dir(run.run_id), notes.get(run.variant, ()))
    return compare(Store(root), plan)


def add(folder: Path, notes: Sequence[Noted]) -> None:
    """Write notes before the run's end, as training does."""
    path = folder / "events.jsonl"
    *lines, end = path.read_text().splitlines()
    last = json.loads(end)
    for note in notes:
        logged = Logged(time=last["time"], attempt=last["attempt"], event=note)
        lines.append(json.dumps(to_json(logged)))
    path.write_text("\n".join([*lines, end]) + "\n")


def milestone(**values: float) -> Noted:
    return Noted(step=1000, topic="milestones", message="", values=values)


def difference(found: Comparison, field: str) -> Difference:
    (only,) = (each for each in found.fairness if each.field == field)
    return only


def test_milestones_stand_in_the_table_of_learning(planted: ModuleType, tmp_path: Path) -> None:
    """The newest note of a run counts; a variant that did not get so far shows that."""
    notes = {
        "a": [
            milestone(psnr_at_epoch_20=1.0),
            milestone(
                psnr_at_epoch_20=30.25,
                psnr_at_epoch_100=31.5,
                psnr_at_epoch_50=31.0,
                plateau_epoch=72.0,
                plateau_psnr=31.5,
                psnr_at_end_of_stage_10=31.25,
                psnr_at_end_of_stage_2=31.0,
            ),
        ],
        "b": [milestone(psnr_at_epoch_20=29.0)],
    }
    found = compared(planted, tmp_path, notes)
    a, b = found.learning
    assert [(each.name, each.value, each.seeds) for each in a.milestones] == [
        ("PSNR at epoch 20", 30.25, 3),
        ("PSNR at epoch 50", 31.0, 3),
        ("PSNR at epoch 100", 31.5, 3),
        ("PSNR at the end of stage 2", 31.0, 3),
        ("PSNR at the end of stage 10", 31.25, 3),
    ]
    assert [each.name for each in b.milestones] == ["PSNR at epoch 20"]
    table = costs_table.learning(found)
    names = [column.label for column in table.columns]
    shown = {
        line.cells[0].text: dict(zip(names, (cell.text for cell in line.cells), strict=True))
        for line in table.lines
    }
    assert shown["a"]["epoch 20"] == "30.25"
    assert not [name for name in names if name.startswith("plateau from epoch")]
    assert shown["b"]["epoch 20"] == "29.00"
    assert shown["b"]["epoch 100"] == "not reached"
    assert shown["a"]["the end of stage 10"] == "31.25"
    assert shown["b"]["the end of stage 10"] == "—"


def test_without_milestones_the_table_has_no_columns_for_them(
    planted: ModuleType, tmp_path: Path
) -> None:
    table = costs_table.learning(compared(planted, tmp_path, {}))
    assert not [column.label for column in table.columns if "epoch" in column.label]


@pytest.mark.parametrize(
    ("topic", "words"),
    [
        ("oom", "the micro-batch was halved"),
        ("rollback", "went back to a checkpoint"),
        ("skipped", "left out because of their loss"),
        ("checkpoint", "damaged checkpoint was passed over"),
        ("data", "could not be read"),
        ("data_wait", "waited for its data"),
    ],
)
def test_troubles_are_told_with_the_runs_and_the_note(
    planted: ModuleType, tmp_path: Path, topic: str, words: str
) -> None:
    notes = [Noted(step=step, topic=topic, message=f"what happened at {step}") for step in (3, 7)]
    found = difference(compared(planted, tmp_path, {"b": notes}), topic)
    assert found.severity == "note"
    assert words in found.sentence
    assert found.sentence.endswith("in 3 runs.")
    assert found.values == {
        f"b s{seed}": "2 times, the last at step 7: what happened at 7" for seed in range(3)
    }


def test_compilation_is_shown_apart_from_training(planted: ModuleType, tmp_path: Path) -> None:
    note = Noted(step=0, topic="compile", message="", values={"seconds": 12.5})
    found = compared(planted, tmp_path, {"b": [note]})
    a, b = (found.row(name).cost for name in ("a", "b"))
    assert (a.compile_seconds, b.compile_seconds) == (None, 12.5)
    assert a.train_seconds == b.train_seconds
    table = costs_table.build(found)
    place = [column.label for column in table.columns].index("compilation")
    assert "12.5" in table.lines[1].cells[place].text


def compiled(seconds: float, *, cold: bool) -> Noted:
    values = {"seconds": seconds, "cold": float(cold)}
    return Noted(step=0, topic="compile", message="", values=values)


def test_cold_and_warm_compilation_are_shown_apart(planted: ModuleType, tmp_path: Path) -> None:
    """Of each kind the mean over its compilations; a kind that never was has no time."""
    both = [compiled(200.0, cold=True), compiled(8.0, cold=False)]
    found = compared(planted, tmp_path, {"a": both, "b": [compiled(9.0, cold=False)]})
    a, b = (found.row(name).cost for name in ("a", "b"))
    assert (a.cold_compile_seconds, a.warm_compile_seconds) == (200.0, 8.0)
    assert (b.cold_compile_seconds, b.warm_compile_seconds) == (None, 9.0)
    assert (a.compile_seconds, b.compile_seconds) == (208.0, 9.0)
    table = costs_table.build(found)
    labels = [column.label for column in table.columns]
    cold, warm = labels.index("cold compilation"), labels.index("warm compilation")
    assert table.lines[0].cells[cold].text == "3\N{THIN SPACE}min 20\N{THIN SPACE}s"
    assert table.lines[1].cells[cold].value is None
    assert [line.cells[warm].value for line in table.lines] == [8.0, 9.0]


def test_older_records_do_not_say_whether_a_compilation_was_cold(
    planted: ModuleType, tmp_path: Path
) -> None:
    note = Noted(step=0, topic="compile", message="", values={"seconds": 12.5})
    found = compared(planted, tmp_path, {"a": [note], "b": [note]})
    cost = found.row("b").cost
    assert (cost.cold_compile_seconds, cost.warm_compile_seconds) == (None, None)
    labels = [column.label for column in costs_table.build(found).columns]
    assert "compilation" in labels
    assert not {"cold compilation", "warm compilation"} & set(labels)


def order(*, same: bool) -> dict[str, Any]:
    return {
        name: {"environment": {"data_order": "0a" if same or name == "a" else "0b"}}
        for name in ("a", "b")
    }


def test_pairs_that_learned_in_another_order_are_told(planted: ModuleType, tmp_path: Path) -> None:
    alike = compared(planted, tmp_path / "alike", {}, **order(same=True))
    assert "data_order" not in {each.field for each in alike.fairness}
    found = difference(compared(planted, tmp_path / "not", {}, **order(same=False)), "data_order")
    assert found.severity == "unintended"
    assert found.values["a"] == "seed 0: 0a, seed 1: 0a, seed 2: 0a"


@pytest.mark.parametrize(("planned", "severity"), [(True, "intended"), (False, "unintended")])
def test_a_precision_that_the_study_varies_is_meant(
    planted: ModuleType, tmp_path: Path, planned: bool, severity: str
) -> None:
    arms = {
        name: {
            "environment": {"precision": precision},
            "config": {"recipe": {"precision": precision if planned else "fp32"}},
        }
        for name, precision in (("a", "fp32"), ("b", "bf16"))
    }
    assert difference(compared(planted, tmp_path, {}, **arms), "precision").severity == severity


def test_processor_time_stands_beside_the_time_of_a_run(
    planted: ModuleType, tmp_path: Path
) -> None:
    found = compared(planted, tmp_path, {}, b={"cpu_seconds": 125.0})
    a, b = (found.row(name).cost for name in ("a", "b"))
    assert (a.cpu_seconds, b.cpu_seconds) == (None, 125.0)
    table = costs_table.build(found)
    labels = [column.label for column in table.columns]
    assert labels.index("processor") == labels.index("one run") + 1
    cells = [line.cells[labels.index("processor")] for line in table.lines]
    assert [cell.value for cell in cells] == [None, 125.0]
    assert cells[1].text.split() == ["2", "min", "05", "s"]
