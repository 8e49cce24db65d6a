"""The three ways to write seeds: a count, a list, and stages."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.core.seed_stages import SeedStages
from tempo.spec.load import load_study
from tempo.spec.study import StudySpec

HEAD = "study: s\ndata: procedural\nrecipe: {budget: {steps: 2}}\n"


@pytest.fixture
def spec_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def load(text: str, *overrides: str) -> StudySpec:
        Path("s.yaml").write_text(HEAD + text)
        return load_study(Path("s.yaml"), overrides=overrides).spec

    return load


@pytest.mark.parametrize(
    ("text", "seeds", "stages"),
    [
        ("", (0,), None),
        ("seeds: 3", (0, 1, 2), None),
        ("seeds: [7, 2]", (7, 2), None),
        ("seeds: {from: 3, to: 5}", (0, 1, 2, 3, 4), SeedStages(first=3, last=5)),
        (
            "seeds: {from: 4, to: 6, by: 2, until: decided}",
            (0, 1, 2, 3, 4, 5),
            SeedStages(first=4, last=6, step=2),
        ),
    ],
)
def test_seeds_are_a_tuple_however_they_are_written(spec_of, text, seeds, stages) -> None:
    spec = spec_of(text)
    assert spec.seeds == seeds and isinstance(spec.seeds, tuple)
    assert spec.stages == stages
    dumped = json.loads(json.dumps(spec.model_dump(mode="json")))
    again = StudySpec.model_validate(dumped)
    assert (again.seeds, again.stages) == (seeds, stages)
    assert pickle.loads(pickle.dumps(spec)).stages == stages
    assert copy.deepcopy(spec).stages == stages
    assert SeedStages.of(dumped["seeds"]) == stages


def test_stages_can_be_set_from_the_command_line(spec_of) -> None:
    assert spec_of("seeds: 3", "seeds={from: 3, to: 5}").stages == SeedStages(first=3, last=5)
    assert spec_of("seeds: {from: 3, to: 5}", "seeds.to=9").stages == SeedStages(first=3, last=9)
    assert spec_of("seeds: {from: 3, to: 5}", "seeds=2").stages is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds: {from: 2, to: 5}", "4:8: seeds.from is at least 3, not 2: with fewer seeds no"),
        ("seeds: {from: 3, to: 3}", "4:8: seeds.to is above seeds.from (3), not 3; for the same"),
        ("seeds: {from: 3}", "4:1: seeds needs 'to'"),
        ("seeds: {to: 3}", "4:1: seeds needs 'from'"),
        (
            "seeds:\n  from: 3\n  upto: 5\n",
            "6:3: unknown key of seeds: 'upto'; did you mean 'to'? (known: from, to, by, until)",
        ),
        ("seeds: {from: a, to: 4}", "4:15: seeds.from must be a whole number, not 'a'"),
        ("seeds: {from: 3, to: 4, by: 0}", "4:29: seeds.by must be at least 1, not 0"),
        ("seeds: {from: 3, to: 4, until: x}", "4:32: seeds.until must be 'decided', not 'x'"),
        ("seeds: x", "seeds is a count, a list of whole numbers, or a mapping with `from`"),
        ("seeds: [1, a]", "4:12: seeds.1 must be a whole number, not 'a'"),
        ("seeds: [1, 1]", "seeds are distinct whole numbers from 0 to 2**63 - 1, not [1, 1]"),
        (
            "seeds: {from: 3, to: 4}\nsearch: {budget: {trials: 3}}",
            "5:9: a search has a fixed number of seeds, because it ends hopeless trials itself",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(spec_of, text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        spec_of(text)
    assert said in str(caught.value)


def test_the_looks_of_stages() -> None:
    stages = SeedStages(first=3, last=8, step=2)
    assert stages.counts == (3, 5, 7, 8)
    assert [stages.after(count) for count in (3, 4, 7, 8)] == [5, 5, 8, 8]
    assert [stages.before(count) for count in (3, 5, 8)] == [0, 3, 7]
