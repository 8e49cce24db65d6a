"""A user is told of studies as the profile asks: through a real server, and what counts as news."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import tempo
from tempo.cli.main import main
from tempo.comparison.build import compare
from tempo.core.records import RunStatus
from tempo.records.layout import Store
from tempo.spec.user.notify import Notify
from tempo.track.mirror_process import MirrorProcess
from tempo.track.notices.message import Message
from tempo.workflow.execution import study_notices
from tempo.workflow.execution.study_notices import StudyNotices
from tempo.workflow.run_options import RunOptions
from tempo.workflow.verdicts import record_look
from tests import record_generator as make
from tests.track.notices.hook import hook

from .heard import Heard

SPEC = """
study: told
data: {kind: procedural, size: [48, 48], train_clips: 8, val_clips: 2, test_clips: 4}
arch: {preset: tempo_v2, base_channels: 4}
recipe: {warmup: 1, batch: 2, crop: 32, budget: {steps: 2}}
evaluation: {val_every: 2, val_clips: 2, gallery: 0}
runtime: {device: cpu}
references: []
"""

ALL = Notify(command="true", on=("finished", "first_failure", "budget_80", "decided"))


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the user's profile."""
    monkeypatch.setenv("TEMPO_USER_PROFILE", str(tmp_path / "profile.yaml"))

    def write(text: str) -> None:
        (tmp_path / "profile.yaml").write_text(text)

    write("")
    return write


class Post(MirrorProcess):
    """Keeps what it is handed, in place of a process."""

    def __init__(self) -> None:
        self.told: list[Message] = []

    def notify(self, message: Message, notify: Notify) -> None:
        self.told.append(message)

    @property
    def events(self) -> list[str]:
        return [each.event for each in self.told]


def notices(root: Path, plan: Any, notify: Notify | None = ALL) -> tuple[StudyNotices, Post]:
    made, post = StudyNotices(plan, RunOptions(records=root), notify), Post()
    made.through(post)
    return made, post


def planted(root: Path, gain: float = 1.0, **arm: Any) -> Any:
    arms = [make.Arm(name="a", **arm), make.Arm(name="b", gain=gain, **arm)]
    quiet = make.Noise(seed=0.01, clip=0.01, residual=0.01)
    return make.write_study(root, make.Study(arms=arms, seeds=5, baseline="a", noise=quiet))


def look_at(root: Path, plan: Any) -> None:
    record_look(Store(root), plan, compare(Store(root), plan), "run")


def view(status: RunStatus, *, reused: bool = False) -> Any:
    run = SimpleNamespace(title="a s0")
    finish = SimpleNamespace(message="of postgresql://ann:hunter2@db")
    progress = SimpleNamespace(finish=finish)
    return SimpleNamespace(status=status, reused=reused, run=run, key="k", progress=progress)


def test_a_decided_rule_is_told_once_and_an_old_decision_is_no_news(tmp_path: Path) -> None:
    plan = planted(tmp_path)
    told, post = notices(tmp_path, plan)
    told.look({})
    assert post.events == []
    look_at(tmp_path, plan)
    told.over("complete", "planted: complete", page=tmp_path)
    assert post.events == ["decided", "finished"]
    assert "b is better in psnr" in post.told[0].text
    again, later = notices(tmp_path, plan)
    again.over("complete", "planted: complete")
    assert later.events == ["finished"]


def test_an_undecided_rule_is_not_told(tmp_path: Path) -> None:
    plan = planted(tmp_path, gain=0.0)
    told, post = notices(tmp_path, plan)
    arms = [make.Arm(name="a"), make.Arm(name="b", gain=0.03)]
    plan = make.write_study(tmp_path, make.Study(arms=arms, seeds=3, baseline="a"))
    look_at(tmp_path, plan)
    told.over("complete", "over")
    assert post.events == ["finished"]


def test_the_first_failure_is_told_without_passwords_and_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_notices, "PAUSE", 0.0)
    told, post = notices(tmp_path, planted(tmp_path))
    told.look({"k": view(RunStatus.FAILED, reused=True), "l": view(RunStatus.RUNNING)})
    assert post.events == []
    for _ in range(3):
        told.look({"k": view(RunStatus.FAILED)})
    assert post.events == ["first_failure"]
    assert "hunter2" not in json.dumps(post.told[0].to_json())


def test_80_percent_of_the_budget_are_told_when_they_are_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_notices, "PAUSE", 0.0)
    monkeypatch.setattr(study_notices, "RARELY", 0.0)
    plan = planted(tmp_path)
    plan.spec["budget"] = {"gpu_hours": 10.0}
    spent = [1.0]
    monkeypatch.setattr(study_notices, "spent_hours", lambda _: spent[0])
    told, post = notices(tmp_path, plan)
    told.look({})
    assert post.events == []
    spent[0] = 8.0
    told.look({})
    told._next_sum = 0.0
    told.look({})
    assert post.events == ["budget_80"] and "8 of 10 GPU-hours" in post.told[0].text
    assert notices(tmp_path, plan)[1].events == []
    after, quiet = notices(tmp_path, plan)
    after.look({})
    assert quiet.events == [], "what was spent before this invocation is no news"


def test_without_a_profile_nothing_is_watched(tmp_path: Path) -> None:
    told, post = notices(tmp_path, planted(tmp_path), None)

    def watch() -> str | None:
        return None

    assert told.watching(watch, dict) is watch
    told.over("complete", "over")
    assert post.events == []


@pytest.mark.slow
def test_a_study_tells_its_end_through_a_server_that_fails_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: Callable[[str], None]
) -> None:
    """Without a mirror, so that a process is started for this alone; and the second time, when a
    server hangs, the study is over all the same and says what was not delivered."""
    monkeypatch.chdir(tmp_path)
    Path("told.yaml").write_text(SPEC)
    profile("notify: {webhook: $TEMPO_TEST_HOOK}\n")
    with hook() as server:
        monkeypatch.setenv("TEMPO_TEST_HOOK", server.url)
        server.answers = [500, 200]
        outcome = tempo.load_study("told.yaml", mlflow="off").run(observer=Heard())
        assert outcome.complete
        first, second = server.said()
        assert first["id"] == second["id"] and first["event"] == "finished"
        assert first["facts"]["ending"] == "complete"
        assert outcome.page is not None
        assert first["facts"]["page"] == str(outcome.page.absolute())
        server.answers = ["hang"]
        heard = Heard()
        assert tempo.load_study("told.yaml", mlflow="off").run(observer=heard).complete
        assert len(list(Path("records/notices").glob("*.json"))) == 1
        assert any("notice was not delivered: no answer yet" in said for said in heard.said)
    again = Heard()
    with hook() as server:
        monkeypatch.setenv("TEMPO_TEST_HOOK", server.url)
        assert tempo.load_study("told.yaml", mlflow="off").run(observer=again).complete
        assert len(server.bodies) == 2, "the notice that was kept, and the new one"


def test_a_broken_profile_refuses_the_study_before_anything_begins(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    profile: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("told.yaml").write_text(SPEC)
    profile("notify: {webhook: 'https://hooks.slack.com/x'}\n")
    assert main(["run", "told.yaml", "--mlflow", "off"]) == 2
    said = capsys.readouterr().err
    assert "profile.yaml:1" in said and "variable of the environment" in said
    assert not Path("records/runs").exists()


def test_a_notice_by_hand_arrives_or_says_why(
    monkeypatch: pytest.MonkeyPatch,
    profile: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["notify"]) == 2
    assert "there is no `notify`" in capsys.readouterr().err
    profile("notify: {webhook: $TEMPO_TEST_HOOK}\n")
    monkeypatch.delenv("TEMPO_TEST_HOOK", raising=False)
    assert main(["notify"]) == 2
    assert "TEMPO_TEST_HOOK" in capsys.readouterr().err
    with hook() as server:
        monkeypatch.setenv("TEMPO_TEST_HOOK", server.url)
        assert main(["notify", "hello"]) == 0
        assert "delivered to the webhook" in capsys.readouterr().out
        assert server.said()[0]["text"] == "hello" and server.said()[0]["event"] == "test"
        server.answers = [500]
        assert main(["notify", "hello"]) == 2
        assert "answers 500" in capsys.readouterr().err
