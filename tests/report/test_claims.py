"""What the table of claims says of costs: only of cells that follow the claim's protocol."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from tempo.comparison.comparison import Comparison, Cost
from tempo.design.expand import expand
from tempo.report.formats.table import NotApplicable, Table
from tempo.report.tables.claims import VERSIONS, build, pairs
from tempo.report.upgrade_note_claims import CLAIMS
from tempo.spec.load import load_study

SPEC = Path(__file__).parents[2] / "experiments/memory_speed.yaml"
GIB = 2**30
CROPS = {"256x256": 1, "448x256": 2, "512x512": 4}


def measured(whole: Comparison, device: str, profile: str | None = None) -> Comparison:
    """The cells of the cost study: V3 takes 1.5 times the time and 3 times the memory, bf16 three
    quarters and compilation nine tenths of the time."""
    plan = expand(load_study(SPEC, profile=profile))
    rows = []
    for each in plan.variants:
        v3 = each.levels.get("network") == "V3"
        ms = 100.0 * (1.5 if v3 else 1.0)
        ms *= 0.75 if each.levels.get("precision") == "bf16" else 1.0
        ms *= 0.9 if each.levels.get("compile") == "on" else 1.0
        size = CROPS.get(each.levels.get("size", ""), 1)
        cost = Cost(
            parameters=11_400_000 if v3 else 3_000_000,
            step_ms=ms,
            peak_memory=(3 if v3 else 1) * size * GIB,
            device=device,
        )
        role = "reference" if each.role == "reference" else "variant"
        row = replace(whole.rows[0], variant=each.name, role=role, levels=dict(each.levels))
        rows.append(replace(row, cost=cost))
    return replace(whole, rows=tuple(rows), spec=plan.spec)


def claims(comparison: Comparison) -> dict[str, str]:
    table = build(comparison)
    assert isinstance(table, Table)
    return {line.cells[0].text: line.cells[2].text for line in table.lines}


def test_a_gpu_study_of_costs_answers_every_claim_on_costs(whole: Comparison) -> None:
    said = claims(measured(whole, "cuda: NVIDIA H100"))
    assert said["parameters"] == "V2 3.00\u2009M, V3 11.4\u2009M (3.8×)"
    assert "1.5× as long" in said["step time, V3 against V2"]
    for name, size in (("256 × 256", 1), ("448 × 256", 2), ("512 × 512", 4)):
        assert f"V2 {size}.00\u2009GiB, V3" in said[f"memory, {name}"]
        assert "3.0×" in said[f"memory, {name}"]
    assert "+33% speed" in said["bf16 AMP"]
    assert "+11% speed" in said["torch.compile"]


def test_each_cell_is_compared_with_its_own_twin(whole: Comparison) -> None:
    found = list(pairs(measured(whole, "cuda"), "version", VERSIONS))
    assert len(found) == len(list(product(CROPS, ("fp32", "bf16"), ("off", "on"))))
    for old, new in found:
        assert (old.version, new.version) == ("V2", "V3")
        levels = [{k: v for k, v in c.row.levels.items() if k != "network"} for c in (old, new)]
        assert levels[0] == levels[1]


def test_memory_of_a_cpu_is_not_the_claims_memory(whole: Comparison) -> None:
    said = claims(measured(whole, "cpu", "cpu"))
    assert "1.5× as long" in said["step time, V3 against V2"]
    assert "cpu" in said["step time, V3 against V2"]
    assert said["memory, 256 × 256"] == "not measured: no GPU"
    assert not {"memory, 448 × 256", "memory, 512 × 512", "bf16 AMP"} & set(said)


@pytest.mark.parametrize("profile", ["smoke", "demo"])
def test_narrow_networks_answer_nothing(whole: Comparison, profile: str) -> None:
    assert isinstance(build(measured(whole, "cuda", profile)), NotApplicable)


def test_what_is_measured_elsewhere_is_named_once_and_has_no_row(whole: Comparison) -> None:
    table = build(measured(whole, "cpu", "cpu"))
    assert isinstance(table, Table)
    measured_here = {line.cells[0].text for line in table.lines}
    elsewhere = {
        quantity for note in table.footnotes for quantity in note.partition(": ")[2].split("; ")
    }
    assert measured_here | elsewhere == {claim.quantity for claim in CLAIMS}
    assert not measured_here & elsewhere
    assert "bf16 AMP" in elsewhere
    assert "bf16 AMP" not in measured_here


def test_specs_that_measure_a_claim_exist() -> None:
    for claim in CLAIMS:
        for name in claim.measured_by.split(" or "):
            assert (SPEC.parents[1] / name).is_file(), name
