"""A folder of spec files, and the errors that loading them gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.spec.load import LoadedStudy, load_study

MINIMAL = """\
study: minimal
data: procedural
recipe: {budget: {steps: 2}}
"""

Load = Callable[..., LoadedStudy]
Complaints = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Writes `text` to s.yaml (and other files beside it) and loads it, from that folder."""
    monkeypatch.chdir(tmp_path)

    def loaded(
        text: str | bytes = MINIMAL,
        *,
        profile: str | None = None,
        overrides: Sequence[str] = (),
        **files: str,
    ) -> LoadedStudy:
        data = text if isinstance(text, bytes) else text.encode()
        Path("s.yaml").write_bytes(data)
        for name, content in files.items():
            Path(f"{name}.yaml").write_text(content)
        return load_study(Path("s.yaml"), profile=profile, overrides=overrides)

    return loaded


@pytest.fixture
def complaints(load: Load) -> Complaints:
    """The lines that loading `text` complains with; fails when it complains of nothing."""

    def lines(text: str | bytes = MINIMAL, **options: object) -> list[str]:
        with pytest.raises(SpecError) as caught:
            load(text, **options)
        assert caught.value.exit_code == 2
        assert str(caught.value) == "\n".join(map(str, caught.value.problems))
        return str(caught.value).splitlines()

    return lines
