"""What compare.py answers, on the records of the tiny study."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Folder

Finished = tuple[Folder, subprocess.CompletedProcess[str]]


def ask(finished: Finished, *arguments: str) -> subprocess.CompletedProcess[str]:
    return finished[0].run("compare.py", *arguments)


def test_csv_and_json_say_the_same(finished: Finished) -> None:
    table = list(csv.DictReader(io.StringIO(ask(finished, "tiny", "--csv").stdout)))
    value = json.loads(ask(finished, "tiny", "--json").stdout)
    assert [row["variant"] for row in table] == [row["variant"] for row in value["rows"]]
    for row, other in zip(table, value["rows"], strict=True):
        assert float(row["psnr_mean"]) == other["estimates"]["psnr"]["mean"]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--md", ["| variant |", "| average (reference) |"]),
        ("--latex", [r"\toprule", r"\bottomrule"]),
    ],
)
def test_tables_for_texts(finished: Finished, option: str, words: list[str]) -> None:
    done = ask(finished, "tiny", option)
    assert done.returncode == 0
    assert all(word in done.stdout for word in words)


def test_another_baseline_and_metric(finished: Finished) -> None:
    value = json.loads(
        ask(finished, "tiny", "--json", "--baseline", "se=off", "--metric", "ssim,psnr").stdout
    )
    assert (value["baseline"], value["metric"]) == ("se=off", "ssim")


def test_the_rule_is_recorded_before_the_first_result_and_answered_by(finished: Finished) -> None:
    folder, done = finished
    assert "Rule, fixed on" in done.stdout and "before any result: PSNR on the test" in done.stdout
    log = folder.records / "studies" / "tiny" / "verdicts" / "default.jsonl"
    (entry,) = map(json.loads, log.read_text().splitlines())
    assert (entry["kind"], entry["complete"], entry["rule"]["metrics"]) == ("rule", 0, ["psnr"])
    value = json.loads(ask(finished, "tiny", "--json").stdout)
    assert value["rule"] == entry["rule"]
    assert value["exploratory"] == []
    table = csv.DictReader(io.StringIO(ask(finished, "tiny", "--csv").stdout))
    (row,) = [row for row in table if row["variant"] == "se=off"]
    assert (row["psnr_kind"], row["ssim_kind"]) == ("rule", "secondary")


def test_what_the_rule_does_not_ask_is_labelled(finished: Finished) -> None:
    done = ask(finished, "tiny", "--no-report", "--delta", "0.2")
    assert "Exploratory: asked with delta 0.2; the rule says 0.05." in done.stdout
    assert "(exploratory)" in done.stdout


def test_where_and_at(finished: Finished) -> None:
    kept = json.loads(ask(finished, "tiny", "--json", "--where", "se = on and seed < 1").stdout)
    (row,) = [row for row in kept["rows"] if row["estimates"] and row["role"] != "reference"]
    assert row["variant"] == "se=on"
    assert row["estimates"]["psnr"]["n"] == 1
    early = ask(finished, "tiny", "--no-report", "--at", "20")
    assert "validation split at step 20" in early.stdout


@pytest.mark.parametrize(
    ("rule", "code", "word"),
    [("psnr >= 1", 0, "pass"), ("psnr >= 99", 1, "FAIL"), ("psnr >= baseline - 0.5", 0, "pass")],
)
def test_a_gate_decides_the_exit_code(finished: Finished, rule: str, code: int, word: str) -> None:
    done = ask(finished, "tiny", "--no-report", "--gate", rule)
    assert done.returncode == code, done.stdout + done.stderr
    assert f"{word}  se=off: psnr" in done.stdout


def test_a_gate_that_cannot_be_sure_fails_with_a_sentence(finished: Finished) -> None:
    done = ask(finished, "tiny", "--no-report", "--gate", "sure(psnr) >= 'se=off' - 9")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAIL  se=on: 2 seeds cannot make psnr sure; at least 3 can" in done.stdout


def test_two_studies_with_the_same_runs_have_not_changed(finished: Finished) -> None:
    folder, _ = finished
    copy = folder.records / "studies" / "tiny_before"
    if not copy.exists():
        shutil.copytree(folder.records / "studies" / "tiny", copy)
        (plan,) = (copy / "plans").glob("*.json")
        plan.write_text(plan.read_text().replace('"study": "tiny"', '"study": "tiny_before"'))
    try:
        done = ask(finished, "tiny", "--against", "tiny_before")
        printed = ask(finished, "tiny", "--against", "tiny_before", "--csv")
    finally:
        shutil.rmtree(copy)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the same runs") == 2
    page = Path(done.stdout.split("Report:")[1].strip())
    assert "Nothing changed" in (folder.path / page).read_text()
    rows = list(csv.DictReader(printed.stdout.splitlines()))
    assert {row["verdict"] for row in rows} == {"the same runs"}


def test_an_example_is_small_and_holds_no_place_of_this_machine(finished: Finished) -> None:
    folder, _ = finished
    done = ask(finished, "tiny", "--example", "kept")
    assert done.returncode == 0, done.stderr
    page = folder.path / "kept/index.html"
    assert page.stat().st_size < 1_000_000
    assert str(folder.records) not in page.read_text()
    assert {path.suffix for path in (page.parent / "figures").iterdir()} == {".png"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "--baseline", "se=onn"], "se=onn"),
        (["tiny", "--where", "sed = 1"], "unknown name 'sed'"),
        (["tiny", "--at", "soon"], "--at is `final`, `best-val` or a step"),
        (["tiny", "--gate", "psnr is good"], "psnr is good"),
        (["tiny", "--metric", "psnrr"], "psnrr"),
        (["tinny"], "did you mean 'tiny'?"),
    ],
)
def test_what_cannot_be_answered_is_one_sentence(
    finished: Finished, arguments: list[str], message: str
) -> None:
    done = ask(finished, *arguments, "--no-report")
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr
