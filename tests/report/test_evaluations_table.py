"""Who is ahead, among numbers that mean the same."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

from tempo.comparison.leaderboard import leaderboards
from tempo.core.records import MetricInfo
from tempo.records.method_results.evaluations import Compared, EvaluationRecord
from tempo.report.formats.writers import csv_text, markdown
from tempo.report.tables.evaluations import build, data, evaluations_json, notes

PSNR = MetricInfo(name="psnr", unit="dB", better="higher", digits=2, definition="")
IE = MetricInfo(name="ie", unit="grey levels", better="lower", digits=2, definition="")


def record(method: str, psnr: float, **over: Any) -> EvaluationRecord:
    given: dict[str, Any] = {
        "method": method,
        "identity": {},
        "run_id": None,
        "checkpoints": (),
        "test_set": "ucf101",
        "protocol": {"arithmetic": "float32", "tiling": "none"},
        "protocol_hash": "aaaa",
        "asked_hash": "aaaa",
        "clips": 10,
        "broken": {},
        "values": {"psnr": psnr, "ie": 50 - psnr},
        "infos": {"psnr": PSNR, "ie": IE},
        "not_applicable": {},
        "table": "clips.parquet",
        "table_sha256": "",
        "gallery": (),
        "compared": None,
        "environment": {},
        "notes": (),
        "started": 0.0,
        "seconds": 1.0,
    }
    return EvaluationRecord(**(given | over))


HALF = {"protocol": {"arithmetic": "autocast", "tiling": "none"}, "protocol_hash": "bbbb"}


def ranks(records: list[EvaluationRecord], metric: str = "psnr") -> list[list[tuple[Any, str]]]:
    return [
        [(row.rank, row.record.method) for row in group.rows]
        for group in leaderboards(records, metric)
    ]


def test_rows_of_one_protocol_are_ranked_best_first() -> None:
    records = [record("a", 30.0), record("b", 32.0), record("c", 31.0)]
    assert ranks(records) == [[(1, "b"), (2, "c"), (3, "a")]]
    assert ranks(records, "ie") == [[(1, "b"), (2, "c"), (3, "a")]]


def test_different_protocols_are_never_ranked_together() -> None:
    records = [record("a", 30.0), record("b", 40.0, **HALF), record("c", 31.0)]
    assert ranks(records) == [[(1, "c"), (2, "a")], [(1, "b")]]
    told = list(notes(leaderboards(records, "psnr")))
    assert told[0].startswith("Rows of one set with different protocols")
    assert "  bbbb: arithmetic = autocast" in told


def test_equal_numbers_share_a_rank_and_missing_ones_have_none() -> None:
    nothing = record("d", math.nan)
    tied = [record("a", 30.0), nothing, record("b", 30.0), record("c", 20.0)]
    assert ranks(tied) == [[(1, "a"), (1, "b"), (3, "c"), (None, "d")]]


def test_a_metric_that_does_not_apply_is_neither_zero_nor_empty() -> None:
    one = record("a", 30.0, not_applicable={"flicker": "the set has no consecutive targets"})
    groups = leaderboards([one], "psnr")
    assert "| n/a |" in markdown(build(groups))
    (row,) = csv.DictReader(io.StringIO(csv_text(data(groups))))
    assert row["flicker"] == "" and row["psnr"] == "30.0"


def test_a_flag_and_broken_clips_stand_beside_the_number() -> None:
    moved = Compared(clips=8, differences={"psnr": -0.034}, flagged=("psnr",))
    broken = {f"clip{n}": "unreadable" for n in range(2)}
    groups = leaderboards([record("a", 30.0, compared=moved, broken=broken, clips=8)], "psnr")
    text = markdown(build(groups))
    assert "30.00!" in text and "8 (-2)" in text
    assert "psnr -0.0340 FLAGGED" in text and "clip clip0: unreadable" in text


def test_infinite_means_survive_json() -> None:
    (row,) = json.loads(evaluations_json(leaderboards([record("a", math.inf)], "psnr")))
    assert row["values"]["psnr"] == {"float": "inf"} and row["rank"] == 1
