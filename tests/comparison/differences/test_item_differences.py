"""In what runs, variants and studies differ: what is planted is found, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

import tempo
from tempo.cli.main import main
from tempo.comparison.build import compare
from tempo.comparison.differences import recorded_facts
from tempo.core.errors import RecordError
from tempo.records.event_log import NAME
from tempo.records.layout import Store
from tempo.records.provenance.module_stamps import modules_of, note_modules
from tempo.report.tables.item_differences import from_baseline

OLD, NEW = "0123456789abcdef", "fedcba9876543210"
SAME = {"code_stamp": OLD, "torch": "2.13.0", "data": {"train": "d1", "test": "t1"}}


def study(make: ModuleType, root: Path, name: str = "first", **second: object) -> Store:
    """A study of `plain` and `other`; `second` changes the environment of `other`."""
    arms = [
        make.Arm(name="plain", config={"recipe": {"lr": 1e-4}}, environment=SAME),
        make.Arm(
            name="other",
            gain=0.5,
            config={"recipe": {"lr": 2e-4}},
            environment=SAME | second,
            seconds=1200.0,
        ),
    ]
    make.write_study(root, make.Study(arms=arms, seeds=2, name=name, baseline="plain"))
    return Store(root)


def diff(store: Store, before: str, after: str) -> tempo.Diff:
    return tempo.diff(before, after, records=store.root, weights=False)


def test_two_variants_differ_in_what_was_planted(planted: ModuleType, tmp_path: Path) -> None:
    store = study(planted, tmp_path, torch="2.14.0", data={"train": "d2", "test": "t1"})
    found = diff(store, "plain", "other").data
    assert [(e.path, e.before, e.after) for e in found.config] == [("recipe.lr", 1e-4, 2e-4)]
    assert [(e.path, e.before, e.after) for e in found.environment] == [
        ("torch", "2.13.0", "2.14.0")
    ]
    assert [(e.path, e.before, e.after) for e in found.data] == [("data.train", "d1", "d2")]
    assert found.code is not None and found.code.same and found.pairs == 2
    costs = {each.name: each for each in found.costs}
    assert costs["training"].ratio == 2.0 and costs["parameters"].ratio == 1.0
    psnr = {each.name: each for each in found.results}["psnr"]
    assert psnr.after - psnr.before == pytest.approx(0.5, abs=0.3)


def test_curves_part_at_the_first_step_that_is_not_the_same_number(
    planted: ModuleType, tmp_path: Path
) -> None:
    store = study(planted, tmp_path)
    changed = store.run_dir(tempo.open_records(tmp_path).run("other s0").id) / NAME
    lines = [json.loads(line) for line in changed.read_text().splitlines()]
    trained = [each for each in lines if each["kind"] == "train"]
    trained[7]["values"]["loss"] += 0.25
    changed.write_text("".join(json.dumps(each) + "\n" for each in lines))
    losses = {
        each.pair: each
        for each in diff(store, "plain", "other").data.curves
        if each.curve == "train loss"
    }
    parted, same = losses["s0"], losses["s1"]
    assert (parted.step, parted.equal_until) == (trained[7]["step"], trained[6]["step"])
    assert parted.by == pytest.approx(0.25) and parted.at_end == 0.0
    assert same.step is None and same.points == len(trained)


def test_the_modules_behind_two_stamps_are_named(planted: ModuleType, tmp_path: Path) -> None:
    store = study(planted, tmp_path, code_stamp=NEW)
    found = diff(store, "plain", "other").data.code
    assert found is not None and not found.same and found.source == "" and found.note
    for stamp, modules in (
        (OLD, {"train/a.py": "1", "train/b.py": "1", "losses/gone.py": "1"}),
        (NEW, {"train/a.py": "2", "train/b.py": "1", "losses/new.py": "1"}),
    ):
        (tmp_path / "code").mkdir(exist_ok=True)
        (tmp_path / "code" / f"{stamp}.json").write_text(json.dumps(modules))
    found = diff(store, "plain", "other").data.code
    assert found is not None and found.source == "stamps" and not found.note
    assert [(each.module, each.how) for each in found.modules] == [
        ("losses/gone.py", "removed"),
        ("losses/new.py", "added"),
        ("train/a.py", "changed"),
    ]


def test_git_names_the_modules_of_commits_without_stamped_modules(
    planted: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def changed(before: str, after: str) -> list[str]:
        asked.append((before, after))
        return ["train/run/attempt.py", "cli/main.py", "train/run/run_folder.py"]

    monkeypatch.setattr(recorded_facts, "changed_sources", changed)
    SAME_COMMIT = {"commit": "a" * 40, "dirty": False}
    arms = [
        planted.Arm(name="plain", environment=SAME | SAME_COMMIT),
        planted.Arm(name="other", environment={"code_stamp": NEW, "commit": "b" * 40}),
    ]
    planted.write_study(tmp_path, planted.Study(arms=arms, seeds=1, name="x"))
    found = diff(Store(tmp_path), "plain s0", "other s0").data.code
    assert asked == [("a" * 40, "b" * 40)]
    assert found is not None and found.source == "git"
    assert [each.module for each in found.modules] == ["train/run/attempt.py"]


def test_a_worker_notes_the_modules_of_its_stamp_once(tmp_path: Path) -> None:
    from tempo.core.code_stamp import code_stamp, stamped_modules

    note_modules(tmp_path)
    (written,) = (tmp_path / "code").iterdir()
    assert written.stem == code_stamp()
    assert sorted(json.loads(written.read_text())) == stamped_modules()
    written.write_text('{"a": "b"}')
    note_modules(tmp_path)
    assert written.read_text() == '{"a": "b"}'
    assert modules_of(tmp_path, "planted") is None


def test_studies_are_put_side_by_side_variant_by_variant(
    planted: ModuleType, tmp_path: Path
) -> None:
    store = study(planted, tmp_path)
    second = [
        planted.Arm(name="plain", config={"recipe": {"lr": 3e-4}}, environment=SAME),
        planted.Arm(name="third", environment=SAME),
    ]
    planted.write_study(tmp_path, planted.Study(arms=second, seeds=2, name="second"))
    found = diff(store, "first", "second").data
    assert found.only_before == ("other",) and found.only_after == ("third",)
    assert [(e.variant, e.path, e.after) for e in found.config] == [("plain", "recipe.lr", 3e-4)]
    assert found.pairs == 2 and {each.variant for each in found.costs} == {"plain"}
    same = diff(store, "first", "first")
    assert same.same and same.data.same_runs == same.data.pairs == 4
    assert not found.same


def test_names_that_are_nothing_or_not_alike_are_refused(
    planted: ModuleType, tmp_path: Path
) -> None:
    store = study(planted, tmp_path)
    with pytest.raises(RecordError, match=r"a variant and 'first' a study"):
        diff(store, "plain", "first")
    with pytest.raises(RecordError, match=r"unknown study 'nix'.*no variant"):
        diff(store, "nix", "first")
    study(planted, tmp_path, name="again")
    with pytest.raises(RecordError, match=r"'again/plain', 'first/plain'"):
        diff(store, "plain", "other")
    assert not diff(store, "again/plain", "first/plain").data.config


def test_a_damaged_run_is_left_out_of_a_study_and_named(
    planted: ModuleType, tmp_path: Path
) -> None:
    store = study(planted, tmp_path)
    run = tempo.open_records(tmp_path).run("other s1")
    (run.folder / NAME).write_text("{broken\n")
    found = diff(store, "first", "first").data
    assert found.before.runs == 3 and any("other s1 is left out" in note for note in found.notes)
    with pytest.raises(RecordError, match="no event"):
        diff(store, "other s1", "plain s1")


def test_a_page_tells_from_the_baseline(planted: ModuleType, tmp_path: Path) -> None:
    store = study(planted, tmp_path, torch="2.14.0")
    comparison = compare(store, store.load_plan("first"))
    table = from_baseline(comparison)
    told = {(line.cells[1].text, line.cells[2].text, line.cells[3].text) for line in table.lines}
    assert {line.cells[0].text for line in table.lines} == {"other"}
    assert ("recipe.lr", "0.0001", "0.0002") in told and ("torch", "2.13.0", "2.14.0") in told
    assert ("losses of s0 part at", "", "never") in told
    without = from_baseline(replace(comparison, from_baseline=()))
    assert "no variant differs" in without.reason


def test_the_command_prints_tables_json_and_an_exit_code(
    planted: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study(planted, tmp_path, torch="2.14.0")
    words = ["--records", str(tmp_path), "--no-weights"]
    assert main(["diff", "plain s0", "other s0", *words]) == 0
    said = capsys.readouterr().out
    assert "recipe.lr" in said and "2.14.0" in said and "The same: code, data" in said
    assert main(["diff", "first", "first", "--exit-code", *words]) == 0
    assert main(["diff", "plain", "other", "--exit-code", "--json", *words]) == 1
    capsys.readouterr()
    assert main(["diff", "plain", "other", "--json", *words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["config"] == [
        {"path": "recipe.lr", "before": 1e-4, "after": 2e-4, "only": "", "variant": ""}
    ]
    assert main(["diff", "plain", "first", *words]) == 2
    assert capsys.readouterr().err.startswith("error: 'plain' is a variant")


def test_weights_of_planted_runs_cannot_be_measured_and_the_reason_is_told(
    planted: ModuleType, tmp_path: Path
) -> None:
    """Through the worker process that would measure them."""
    store = study(planted, tmp_path)
    (found,) = tempo.diff("plain s0", "other s0", records=store.root, weights=True).data.weights
    assert not found.equal and found.distance is None and found.problem
