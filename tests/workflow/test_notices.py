"""Notifiers of plug-ins learn how a study ended; one that raises changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

import tempo
from tempo.plugins import PluginError, register_named

from .heard import Heard

SPEC = """
study: told
plugins: [./mine.py]
data: {kind: procedural, size: [48, 48], train_clips: 8, val_clips: 2, test_clips: 4}
arch: {preset: tempo_v2, base_channels: 4}
recipe: {warmup: 1, batch: 2, crop: 32, budget: {steps: 2}}
evaluation: {val_every: 2, val_clips: 2, gallery: 0}
runtime: {device: cpu}
references: []
"""

PLUGIN = """
from pathlib import Path
from tempo.plugins import register_named


def to_file(notice):
    told = notice.study, notice.profile, notice.ending, notice.page, notice.text
    with Path("endings.txt").open("a") as file:
        print(*told, sep="|", file=file)


def broken(notice):
    raise OSError("https://user:secret@example.org is away")


register_named("notifier", "broken", broken)
register_named("notifier", "to_file", to_file)
"""


@pytest.mark.slow
def test_notifiers_are_told_how_a_study_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("told.yaml").write_text(SPEC)
    Path("mine.py").write_text(PLUGIN)
    notes = Heard()
    outcome = tempo.load_study("told.yaml", mlflow="off").run(observer=notes)
    assert outcome.complete
    study, profile, ending, page, *text = Path("endings.txt").read_text().strip().split("|")
    assert (study, profile, ending, page) == ("told", "None", "complete", str(outcome.page))
    assert text[0].startswith("told: complete (1 complete)")
    (warning,) = (said for said in notes.said if "notifier" in said)
    assert warning.startswith("warning: the notifier 'broken' of a plug-in raises OSError: ")
    assert "secret" not in warning


def test_a_notifier_takes_a_notice() -> None:
    with pytest.raises(PluginError, match=r"the notifier 'none' is called with \(notice\), and"):
        register_named("notifier", "none", lambda: None)
