"""Studies written inline and expanded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.core.records import Plan
from tempo.design.expand import expand
from tempo.design.measurements import Measured
from tempo.spec.load import load_study

HEAD = "study: s\ndata: procedural\nrecipe: {budget: {steps: 2}}\n"

PlanOf = Callable[..., Plan]
Complaints = Callable[..., list[str]]


@pytest.fixture
def plan_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlanOf:
    """The plan of HEAD followed by `text`, written to s.yaml."""
    monkeypatch.chdir(tmp_path)

    def plan(
        text: str = "",
        *,
        overrides: Sequence[str] = (),
        head: str = HEAD,
        measured: Measured | None = None,
    ) -> Plan:
        Path("s.yaml").write_text(head + text)
        return expand(load_study(Path("s.yaml"), overrides=overrides), measured)

    return plan


@pytest.fixture
def complaints(plan_of: PlanOf) -> Complaints:
    """The lines that planning `text` complains with."""

    def lines(text: str, **options: object) -> list[str]:
        with pytest.raises(SpecError) as caught:
            plan_of(text, **options)
        return str(caught.value).splitlines()

    return lines
