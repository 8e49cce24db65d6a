"""`notify` of the user's profile: what it takes, and what it refuses with the rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from tempo.core.errors import SpecError
from tempo.spec.user.user_profile import load_user_profile


def load(path: Path, text: str) -> object:
    path.write_text(f"notify: {text}\n")
    return load_user_profile(path).notify


def test_both_channels_and_all_events_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    found = load(
        path,
        "{webhook: $HOOK, command: notify-send x, form: slack, "
        "on: [finished, first_failure, budget_80, decided]}",
    )
    assert found is not None and len(found.on) == 4  # type: ignore[attr-defined]
    assert load(path, "{webhook: '${HOOK}'}").on == ("finished", "first_failure")  # type: ignore[attr-defined]
    assert load(path, "{command: sendmail -t, form: email, to: a@b.c}") is not None
    assert load(path, "null") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{webhook: 'https://hooks.slack.com/services/T0/B0/x'}", "variable of the environment"),
        ("{on: [finished]}", "a webhook or a command"),
        ("{webhook: $X, on: [finish]}", "finished"),
        ("{webhook: $X, on: []}", "on"),
        ("{command: x, form: email}", "belong together"),
        ("{webhook: $X, form: email, to: a@b.c}", "needs a command"),
        ("{command: x, form: email, to: 'a, b'}", "e-mail address"),
        ("{command: 'x \"y'}", "split into words"),
        ("{webook: $X}", "webhook"),
    ],
)
def test_what_is_wrong_is_said_at_its_place(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as error:
        load(tmp_path / "profile.yaml", text)
    assert said in str(error.value) and "profile.yaml:1" in str(error.value)
