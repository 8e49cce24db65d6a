"""How a run is named where several studies have one that is called so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import RecordError
from tempo.core.records import Plan, PlannedRun, PlannedVariant
from tempo.records.layout import Store
from tempo.workflow.names import run_named


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Records of the studies `a` and `b`, each with a run `V2 s0`."""
    store = Store(tmp_path)
    for study, run_id in (("a", "aaaa1111"), ("b", "bbbb2222")):
        store.save_plan(
            Plan(
                study=study,
                question="",
                profile=None,
                source=f"{study}.yaml",
                spec={},
                spec_hash="0",
                baseline=None,
                variants=(PlannedVariant(name="V2", role="variant", levels={}, config={}),),
                runs=(PlannedRun(run_id=run_id, variant="V2", seed=0),),
            )
        )
    return store


def test_the_studies_are_told_and_tell_runs_apart(store: Store) -> None:
    with pytest.raises(RecordError, match=r"could be any of 2 runs; name one by its id") as caught:
        run_named("V2 s0", store)
    said = str(caught.value)
    assert "'STUDY/V2 s0'" in said
    assert "aaaa1111 (V2 s0 of a), bbbb2222 (V2 s0 of b)" in said
    assert run_named("b/V2 s0", store).run_id == "bbbb2222"
    assert run_named("a/V2 s0", store).run_id == "aaaa1111"
    with pytest.raises(RecordError, match="no run 'c/V2 s0'"):
        run_named("c/V2 s0", store)
